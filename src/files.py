"""Write files atomically, never through symbolic links made by others, and without formulas in CSV files."""

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
from numbers import Integral, Real
from pathlib import Path
from typing import Any, BinaryIO

from src.config.errors import UserError

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # first characters of cells that a spreadsheet may evaluate
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota exceeded, file too large
ENDING = ".part"  # suffix of a file being written next to its final path
PART = re.compile(rf"\..+\.[0-9a-f]{{8}}{re.escape(ENDING)}")


class DiskFull(UserError):
    """There is no room for a file; an existing file of that name is unchanged."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Report a full disk in one sentence.

    Raises:
        DiskFull: an operating-system error means that the disk is full; all other errors pass through.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFull(f"There is no space left for {path} ({os.strerror(error.errno)}): free some space.") from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, over: bool = True) -> None:
    """Let ``write`` fill a file; at any moment, even a power cut, the old or the new content is complete.

    Leftovers of a killed process that was writing the same file are removed. Without ``over``, a file that another
    process has created meanwhile is kept.

    Raises:
        DiskFull: there is no room for the new content.
    """
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise UserError(f"{path} is a folder where a file should be written: move it away.")
        remove_abandoned(path)
        out, beside = _opened(path)
        try:
            with out:
                write(out)
                out.flush()
                os.fsync(out.fileno())
                # Rename while it is locked, so that it does not count as abandoned.
                if over:
                    os.replace(beside, path)
                else:
                    with suppress(FileExistsError):
                        os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        # The new name is on disk only once the directory is synced.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def remove_abandoned(path: Path) -> None:
    """Remove partial files whose writing process is gone; a live process holds a lock on its own."""
    with os.scandir(path.parent) as entries:
        parts = [e.path for e in entries if e.name.startswith(f".{path.name}.") and e.name.endswith(ENDING)]
    for part in parts:
        _remove_unlocked(part)


def remove_abandoned_below(directory: Path) -> None:
    """Remove partial files below a folder whose writing process is gone."""
    for part in directory.rglob(f".*{ENDING}"):
        if PART.fullmatch(part.name):
            _remove_unlocked(part)


def _remove_unlocked(part: str | Path) -> None:
    with suppress(OSError), open(part, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(part)


def _opened(path: Path) -> tuple[BinaryIO, Path]:
    """Open a new locked file next to ``path``, and return it with its path."""
    while True:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{ENDING}")
        out = open(beside, "xb")  # noqa: SIM115 - the caller closes it
        with suppress(OSError):  # the file system has no locks
            fcntl.flock(out, fcntl.LOCK_EX)
        if os.fstat(out.fileno()).st_nlink:
            return out, beside
        out.close()  # another process removed it before it was locked


def from_here(path: Path) -> Path:
    """Return a path relative to the working folder if it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def output(path: Path, directory: Path) -> Path:
    """Return the path for writing, unless a symbolic link inside ``directory`` redirects it.

    :func:`write_atomically` replaces a link with the file's own name; this function also checks the folders above it.

    A received directory may contain such links; paths outside it are the user's own responsibility.

    Raises:
        UserError: there is such a link.
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
    """Refuse to write into a directory with a symbolic link; wandb makes its own, in its folder.

    Raises:
        UserError: there is such a link.
    """
    for here, folders, files in os.walk(directory):
        for name in (*folders, *files):
            refuse_link(Path(here, name))
        folders[:] = [name for name in folders if name != "wandb"]


def refuse_link(place: Path) -> None:
    """Refuse to write to a symbolic link.

    Raises:
        UserError: there is such a link.
    """
    if place.is_symlink():
        raise UserError(
            f"{place} is a symbolic link (to {os.readlink(place)}), and GateBench does not write through links: remove "
            "it, or put a file or folder in its place."
        )


def read_limited(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes, checked before opening.

    Received files may include a pipe, on which a reader would wait forever, or a link to a device or an endless file.

    Raises:
        OSError: the file does not exist or cannot be read.
        ValueError: the file is not regular, or too large.
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
    """Format a CSV with a header, in which no text runs as a formula when opened in a spreadsheet.

    Text that begins like a formula is prefixed with an apostrophe, as OWASP recommends (CSV injection); numbers stay
    numbers, even as text. Floats have ``digits`` significant digits, or read back exactly; None is an empty cell.

    >>> csv_text(["name", "loss"], [["=1+1", -3.2], ["-1", None], ["-x", 0.1]])
    "name,loss\\n'=1+1,-3.2\\n-1,\\n'-x,0.1\\n"
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name, digits) for name in head])
    writer.writerows([_cell(value, digits) for value in line] for line in lines)
    return out.getvalue()


def write_csv(path: Path, head: Sequence[str], lines: Iterable[Sequence[Any]], digits: int | None = None) -> None:
    """Write :func:`csv_text` atomically."""
    text = csv_text(head, lines, digits)
    write_atomically(path, lambda out: out.write(text.encode()))


def _cell(value: Any, digits: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return repr(float(value)) if digits is None else f"{float(value):.{digits}g}"
    text = str(value).replace("\r", "\n")  # unquoted by the csv module, so it would begin a row
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
