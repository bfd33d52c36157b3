"""Read arrays from .npz files that may be damaged or malicious, without unpickling and within bounds on their size."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from src.config.errors import UserError

DEFLATED = 1032  # deflate's largest compression ratio (zlib's manual), which bounds the size of the content


def in_parts(rows: np.ndarray, numbers: int) -> Iterator[np.ndarray]:
    """Split an array along its first dimension into views of about ``numbers`` numbers, to keep temporaries small."""
    many = max(1, numbers // max(1, math.prod(rows.shape[1:])))
    for begin in range(0, len(rows), many):
        yield rows[begin : begin + many]


def of_tokens(kinds: int) -> type[np.generic]:
    """Return the smallest type for this many kinds of tokens, among those with which PyTorch can index.

    >>> [of_tokens(kinds).__name__ for kinds in (256, 257, 2**15 + 1)]
    ['uint8', 'int16', 'int32']
    """
    return np.uint8 if kinds <= 1 << 8 else np.int16 if kinds <= 1 << 15 else np.int32


class HoldsObjects(UserError):
    """An array of Python objects, which would have to be unpickled.

    Attributes:
        name: name of the array.
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(f"{path}: {name} is an array of Python objects, which would have to be unpickled.")
        self.name = name


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file, in order.

    Raises:
        UserError: the file is not an .npz file, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except Exception as error:  # damaged files make zipfile raise anything
        raise _damaged(path, error) from error


def read_arrays(path: Path, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return the wanted arrays that an .npz file has, or all of them.

    Raises:
        HoldsObjects: an array would have to be unpickled.
        UserError: the file cannot be read, is not an .npz file, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            names = [name for name in members if wanted is None or name in wanted]
            return {name: _read(archive, members[name], path, size) for name in names}
    except UserError:
        raise
    except Exception as error:  # damaged files make zipfile, zlib and numpy raise anything
        raise _damaged(path, error) from error


def read_array(path: Path) -> np.ndarray:
    """Return the array of an .npy file.

    Raises:
        HoldsObjects: the array would have to be unpickled.
        UserError: the file cannot be read, or is damaged.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array
    except ValueError as error:
        if "Python objects" in str(error):
            raise HoldsObjects(path, "the array") from error
        raise _damaged(path, error) from error
    except Exception as error:
        raise _damaged(path, error) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, size: int) -> np.ndarray:
    """Read one array, after checking its header and the archive's against the size of the file."""
    if info.compress_size > size or info.file_size > DEFLATED * info.compress_size + DEFLATED:
        raise ValueError(f"{info.filename} claims {info.file_size} bytes")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(member)
        if dtype.hasobject:
            raise HoldsObjects(path, info.filename.removesuffix(".npy"))
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise ValueError(f"{info.filename} claims the shape {shape}")
    with archive.open(info) as member:
        array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        member.read()  # read to the end, where zipfile verifies the checksum
    return array


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist.")
    why = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return UserError(f"{path} is not an .npz file, or is damaged ({' '.join(why.split())}).")
