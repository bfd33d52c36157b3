"""What is written: whole files or none, not through a link of somebody else's, and no formula in a CSV."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Any, BinaryIO, Concatenate, ParamSpec

from src.config.errors import UserError

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a cell begins that a spreadsheet may run
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # on the disk, in a quota, for a file of any size that is allowed
ENDING = ".part"  # of a file that is being written beside its final place
PART = re.compile(rf"\..+\.[0-9a-f]{{8}}{re.escape(ENDING)}")
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
def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, over: bool = True) -> None:
    """Let ``write`` fill a file; at every moment, a power cut included, the old content or the new one is there.

    What a killed process left beside it, of an earlier attempt at the same file, is removed. Without ``over`` a file
    that another process has put there meanwhile stays.

    Raises:
        DiskFull: there is no room for the new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise UserError(f"{path} is a folder, and a file is written there: move it away.")
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
        _remove_unlocked(part)


def remove_abandoned_below(directory: Path) -> None:
    """Remove the unfinished writings of every file in a folder and its folders whose process is gone."""
    for part in directory.rglob(f".*{ENDING}"):
        if PART.fullmatch(part.name):
            _remove_unlocked(part)


def _remove_unlocked(part: str | Path) -> None:
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


def from_here(path: Path) -> Path:
    """A path as one types it here: without the folder where one stands, if it lies in that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def output(path: Path, directory: Path) -> Path:
    """The same path to write to, unless a symbolic link inside ``directory`` leads it elsewhere.

    :func:`write_atomically` replaces a link that has the file's own name; this is about the folders on the way too.

    A directory that was received may hold such links; a path that lies outside it is the user's own affair.

    Raises:
        UserError: names the link.
    """
    if not directory.exists():
        return path
    whole = Path(os.path.abspath(path))
    way = [*reversed(whole.parents), whole]
    start = next((k for k, place in enumerate(way) if place.exists() and place.samefile(directory)), len(way))
    for place in way[start + 1 :]:
        refuse_link(place)
    return path


def refuse_links(directory: Path) -> None:
    """Refuse a directory to be written into that holds a symbolic link; wandb makes its own, in its folder.

    Raises:
        UserError: names the link.
    """
    for here, folders, files in os.walk(directory):
        for name in (*folders, *files):
            refuse_link(Path(here, name))
        folders[:] = [name for name in folders if name != "wandb"]


def refuse_link(place: Path) -> None:
    """Refuse a place to be written to that is a symbolic link.

    Raises:
        UserError: names the link.
    """
    if place.is_symlink():
        raise UserError(
            f"{place} is a symbolic link (to {os.readlink(place)}), and nothing is written through a link: "
            "remove the link, or put a file or folder of its own there."
        )


def read_limited(path: Path, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes, looked at before it is opened.

    What was received may hold a pipe, on which a reader waits for ever, or a link to a device or a file without end.

    Raises:
        OSError: it is not there or cannot be read.
        ValueError: it is no such file.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is a pipe, socket or device, not a regular file")
    if state.st_size > most:
        raise ValueError(f"it has {state.st_size:,} bytes, more than {most:,}")
    return path.read_bytes()


def csv_text(head: Sequence[str], lines: Iterable[Sequence[Any]], digits: int | None = None) -> str:
    """A CSV with a header, in which no text can run as a formula where a spreadsheet opens it.

    Text that begins like a formula gets an apostrophe in front, as OWASP advises (CSV injection); numbers stay numbers,
    as text too. Floats have so many significant digits, or read back as the same floats; None is an empty cell.

    >>> csv_text(["name", "loss"], [["=1+1", -3.2], ["-1", None], ["-x", 0.1]])
    "name,loss\\n'=1+1,-3.2\\n-1,\\n'-x,0.1\\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name, digits) for name in head])
    writer.writerows([_cell(value, digits) for value in line] for line in lines)
    return out.getvalue()


def write_csv(path: Path, head: Sequence[str], lines: Iterable[Sequence[Any]], digits: int | None = None) -> None:
    """Write :func:`csv_text`, whole or not at all."""
    text = csv_text(head, lines, digits)
    write_atomically(path, lambda out: out.write(text.encode()))


def _cell(value: Any, digits: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return repr(float(value)) if digits is None else f"{float(value):.{digits}g}"
    text = str(value).replace("\r", "\n")  # which the csv module would not quote, so that a row would begin behind it
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
