"""Files that appear under their name only when they are whole and on the disk."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

ENDING = ".part"  # of a file that is being written beside its final place


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, over: bool = True) -> None:
    """Let ``write`` fill a file; at every moment, a power cut included, the old content or the new one is there.

    What a killed process left beside it, of an earlier attempt at the same file, is removed. Without ``over`` a file
    that another process has put there meanwhile stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    out, beside = _opened(path)
    try:
        with out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
            # While it is locked: nobody takes it for abandoned.
            if over:
                os.replace(beside, path)
            else:
                with suppress(FileExistsError):
                    os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    # The new name is on the disk only when the directory is.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def remove_abandoned(path: Path) -> None:
    """Remove unfinished writings of a file whose process is gone: a living one holds a lock on its own."""
    with os.scandir(path.parent) as entries:
        parts = [e.path for e in entries if e.name.startswith(f".{path.name}.") and e.name.endswith(ENDING)]
    for part in parts:
        with suppress(OSError), open(part, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(part)


def _opened(path: Path) -> tuple[BinaryIO, Path]:
    """A new file beside ``path``, locked, and its place."""
    while True:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{ENDING}")
        out = open(beside, "xb")  # noqa: SIM115 - the caller closes it
        with suppress(OSError):  # a file system without locks
            fcntl.flock(out, fcntl.LOCK_EX)
        if os.fstat(out.fileno()).st_nlink:
            return out, beside
        out.close()  # another process removed it before it was locked
