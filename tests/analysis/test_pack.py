"""A study that was committed says the same to the last digit as the runs it came from."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.pack import read_pack, write_pack
from src.analysis.summary import as_plain
from src.config.errors import UserError
from tests.analysis.fake import fake_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    directory = fake_study(tmp_path / "runs" / "planted", data=("jsb_chorales", "nottingham"), pairs=3)
    broken = directory / "broken"
    broken.mkdir()
    (broken / "result.json").write_text("{")
    diverged = next(p for p in directory.glob("*/result.json") if '"final"' in p.read_text())
    record = json.loads(diverged.read_text())
    record["metrics"] |= {"test/loss": "inf", "test/nll": "inf"}
    diverged.write_text(json.dumps(record))
    return directory


def without_places(plain: Any) -> Any:
    """A summary without what says where it was read."""
    if isinstance(plain, dict):
        return {k: without_places(v) for k, v in plain.items() if k not in ("places", "kind", "directory", "place")}
    return [without_places(v) for v in plain] if isinstance(plain, list) else plain


def test_it_recomputes_to_the_same_digits(study: Path, tmp_path: Path) -> None:
    collection = collect([study], "study")
    write_pack(collection, tmp_path / "pack")
    again = read_pack(tmp_path / "pack")
    before, after = (without_places(as_plain(summarise(c, asked(c)))) for c in (collection, again))
    for key in ("problems", "commands"):
        assert len(before.pop(key)) >= len(after.pop(key)) > 0
    assert before == after
    assert after["tasks"][0]["comparisons"][0]["sequences"] is not None
    assert after["counts"]["final"]["diverged"] == 1


def test_it_is_text_and_numbers_and_names_no_place_of_this_machine(study: Path, tmp_path: Path) -> None:
    files = write_pack(collect([study], "study"), tmp_path / "pack")
    for file in files:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype.kind in "fiU" for name in arrays.files)
        else:
            text = file.read_text()
            assert str(tmp_path) not in text
            assert "/somewhere" not in text
            assert "NaN" not in text
            assert "Infinity" not in text


def test_writing_it_twice_changes_nothing(study: Path, tmp_path: Path) -> None:
    texts = {file.name: file for file in write_pack(collect([study], "study"), tmp_path / "one")}
    write_pack(read_pack(tmp_path / "one"), tmp_path / "two")
    for name, file in texts.items():
        if file.suffix != ".npz":
            assert file.read_text() == (tmp_path / "two" / name).read_text()
    arrays = [zipfile.ZipFile(tmp_path / name / "sequences.npz") for name in ("one", "two")]
    first, second = ({name: file.read(name) for name in file.namelist()} for file in arrays)
    assert first == second


def test_three_hundred_runs_take_few_megabytes(tmp_path: Path) -> None:
    """Sizes of a real study: 170 test sequences, curves of 60 points, losses that do not compress."""
    from dataclasses import replace

    from src.analysis.sequences import Sequences
    from src.analysis.summary import Curve

    collection = collect([fake_study(tmp_path / "planted", pairs=1, tuning=False)], "study")
    rng = np.random.default_rng(0)
    first = collection.runs[0]
    collection.runs = [replace(first, id=f"{i:016x}", seed=i) for i in range(300)]
    counts = rng.integers(50, 500, 170).astype(float)
    collection.sequences = {
        r.id: Sequences("x", 170, {"loss": rng.gamma(5, 9, 170), "count": counts, "hits": counts, "sounding": counts})
        for r in collection.runs
    }
    values = [float(f"{v:.5g}") for v in rng.normal(8, 1, 60)]
    columns = {f"{split}/{name}": values for split in ("train", "val") for name in ("nll", "frame_acc")}
    steps = list(range(0, 6000, 100))
    collection.curves = {r.id: Curve(steps, steps, values, columns) for r in collection.runs}  # type: ignore[arg-type]
    size = sum(file.stat().st_size for file in write_pack(collection, tmp_path / "pack"))
    print(f"\n300 runs: {size / 1e6:.2f} MB")
    assert size < 3e6


PACKED = ("pack.json", "study.json", "runs.jsonl", "curves.jsonl", "sequences.npz")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: (d / "pack.json").unlink(), "has no pack.json"),
        (lambda d: (d / "pack.json").write_text('{"schema": 9}'), "written by a later version"),
        (lambda d: (d / "runs.jsonl").write_text('{"id": '), "damaged"),
        (lambda d: (d / "runs.jsonl").write_text('{"strange": 1}\n'), "damaged"),
        (lambda d: (d / "sequences.npz").write_bytes(b"no"), "damaged"),
        (lambda d: (d / "study.json").unlink(), "damaged"),
        *[(lambda d, name=name: os.truncate(d / name, 1 << 40), "bytes, more than") for name in PACKED],
    ],
)
def test_a_damaged_pack_is_said_in_a_sentence(study: Path, tmp_path: Path, spoil: Any, words: str) -> None:
    write_pack(collect([study], "study"), tmp_path / "pack")
    spoil(tmp_path / "pack")
    with pytest.raises(UserError, match=words):
        read_pack(tmp_path / "pack")
