"""An .npz file that is damaged or lies about its size is a sentence, before any memory is taken for it."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from src.arrays import HoldsObjects, array_names, read_arrays
from src.config.errors import UserError


def header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"shape": shape, "fortran_order": False, "descr": "<f8"})
    return out.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(save, tmp_path: Path) -> None:
    arrays = {
        "zeros": np.zeros((1000, 50)), "none": np.zeros((0, 3)), "one": np.array(2.5), "text": np.array(["a", "bc"]),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "bits": np.array([True, False]),
    }  # fmt: skip
    save(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == list(arrays) == array_names(tmp_path / "a.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    assert list(read_arrays(tmp_path / "a.npz", ["one", "other"])) == ["one"]


@pytest.mark.parametrize("shape", [(2**59,), (2**20, 2**20), (2**62, 4), (7,)])
def test_a_shape_that_the_file_has_no_room_for_takes_no_memory(shape: tuple[int, ...], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header(shape) + bytes(40))
    tracemalloc.start()
    with pytest.raises(UserError, match=r"a\.npz is not an \.npz file, or is damaged \(x\.npy claims"):
        read_arrays(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_an_archive_that_claims_more_than_deflate_can_do_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(10))
    content = (tmp_path / "a.npz").read_bytes()
    at = content.rindex(b"PK\x01\x02") + 24  # the size in the archive's list of contents
    (tmp_path / "a.npz").write_bytes(content[:at] + (2**31).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(UserError, match="damaged"):
        read_arrays(tmp_path / "a.npz")


def test_what_would_have_to_be_unpickled_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", fine=np.zeros(2), meta=np.array([{}], dtype=object))
    with pytest.raises(HoldsObjects, match="meta is an array of Python objects") as refused:
        read_arrays(tmp_path / "a.npz")
    assert refused.value.name == "meta"
    assert list(read_arrays(tmp_path / "a.npz", ["fine"])) == ["fine"]


def test_no_flipped_bit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez_compressed(file, x=np.arange(40.0), y=np.array(["a"]))
    content, whole = file.read_bytes(), read_arrays(file)
    for place in range(0, 8 * len(content), 7):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(bytes(damaged))
        try:
            found = read_arrays(file)
        except UserError:
            continue
        for name, array in found.items():  # a name may have changed, a value not
            np.testing.assert_array_equal(array, whole.get(name, array))
