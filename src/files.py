"""Files that appear under their name only when they are whole and on the disk."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import BinaryIO, Concatenate, ParamSpec

from src.config.errors import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # on the disk, in a quota, for a file of any size that is allowed
P = ParamSpec("P")


class DiskFull(UserError):
    """There is no room for a file; what was there under its name still is."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Where a file cannot be written for want of room, say so in a sentence.

    Raises:
        DiskFull: for the errors of the operating system that mean that; all others go through.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFull(f"There is no room for {path} ({os.strerror(error.errno)}): free some first.") from error


def _with_room(write: Callable[Concatenate[Path, P], None]) -> Callable[Concatenate[Path, P], None]:
    @wraps(write)
    def written(path: Path, *arguments: P.args, **keywords: P.kwargs) -> None:
        with room_for(path):
            write(path, *arguments, **keywords)

    return written


@_with_room
def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a file; at every moment, a power cut included, the old content or the new one is there.

    Raises:
        DiskFull: there is no room for the new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(beside, "wb") as out:
            write(out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    # The new name is on the disk only when the directory is.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
