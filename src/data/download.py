"""Files of named data sets: downloaded once and verified by checksum."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError

from src.config.errors import UserError
from src.files import write_atomically

SILENCE, DEADLINE = 30, 1800  # seconds without a byte, and in all, after which a download is abandoned
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class File:
    """One file of a data set, identical wherever it comes from."""

    path: str  # below ``data_dir``
    url: str
    digest: str  # KIND:HEXADECIMAL, with a kind from DIGESTS


@dataclass(frozen=True)
class Source:
    """The origin of a named data set: what ``python -m src.prepare`` lists and downloads.

    Data modules have them in their class attribute ``sources``, by config name (``data=NAME``).
    """

    task: str  # the task, in a few words
    size: str
    licence: str  # of the data; "none stated" if there is none
    page: str  # a page that describes the set
    files: tuple[File, ...] = ()  # none for data that are generated or part of a package


def fetch(file: File, data_dir: Path | str, cache_dir: Path | str | None = None) -> Path:
    """Return the verified file's path below ``data_dir``, after downloading it if missing.

    Args:
        file: the file to fetch.
        data_dir: the folder of all data sets; only read from if complete.
        cache_dir: records which files (by path, size and times) were verified; None: verify again.

    Raises:
        UserError: the file cannot be downloaded, or has a wrong checksum; a wrong file is left in place.
    """
    path = Path(data_dir).expanduser() / file.path
    if path.exists():
        _verify(path, file, cache_dir)
    else:
        _download(path, file)
    return path


def _verify(path: Path, file: File, cache_dir: Path | str | None) -> None:
    about = path.stat()
    seen = f"{path.resolve()}:{about.st_size}:{about.st_mtime_ns}:{about.st_ctime_ns}:{file.digest}"
    mark = Path(cache_dir) / "verified" / hashlib.sha256(seen.encode()).hexdigest() if cache_dir else None
    if mark is not None and mark.exists():
        return
    kind, expected = file.digest.split(":")
    if (actual := digest(path, kind)) != expected:
        raise UserError(
            f"{path} is not the expected file: its {DIGESTS[kind][0]} is {actual}, expected {expected}; it "
            f"was left in place; move it away to download it again from {file.url}."
        )
    if mark is not None:
        with suppress(OSError):  # the record only saves time later
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def digest(path: Path, kind: str) -> str:
    """Return the hexadecimal digest of a file, one of :data:`DIGESTS`; for a truncated file, of the readable part."""
    _, algorithm, blocks = DIGESTS[kind]
    running = hashlib.new(algorithm)
    with suppress(EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError):
        for block in blocks(path):
            running.update(block)
    return running.hexdigest()


def _blocks(path: Path, opened: Callable[..., Any] = open) -> Iterator[bytes]:
    with opened(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _recordings(path: Path) -> Iterator[bytes]:
    for name, content in sorted(wav_members(path)):
        yield f"{name}:{len(content)}:".encode() + content


def wav_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Iterate over (file name without folders, content) of an archive's WAV files, without writing to disk."""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".wav") and (file := archive.extractfile(member)):
                yield Path(member.name).name, file.read()


# Servers repackage some archives, so those are verified by content.
DIGESTS: dict[str, tuple[str, str, Callable[[Path], Iterator[bytes]]]] = {
    "sha256": ("sha256", "sha256", _blocks),
    "md5-uncompressed": ("md5 of the uncompressed contents", "md5", partial(_blocks, opened=gzip.open)),
    "sha256-recordings": (
        "sha256 over names, lengths and contents of its wav files, sorted by name",
        "sha256",
        _recordings,
    ),
}


def _download(path: Path, file: File) -> None:
    kind, expected = file.digest.split(":")
    words = DIGESTS[kind][0]

    def write(out: BinaryIO) -> None:
        until = time.monotonic() + DEADLINE
        with urllib.request.urlopen(file.url, timeout=SILENCE) as answer:
            while block := answer.read(_BLOCK):
                out.write(block)
                if time.monotonic() > until:
                    raise TimeoutError(f"not complete after {DEADLINE} seconds")
        out.flush()
        if (actual := digest(Path(out.name), kind)) != expected:
            raise UserError(
                f"{file.url} does not serve the expected file, so it was not kept: its {words} is {actual}, "
                f"expected {expected}."
            )

    try:
        write_atomically(path, write)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise UserError(
            f"{path} is missing and could not be downloaded ({error}): download {file.url} elsewhere "
            f"and put it there, or set GATEBENCH_DATA_DIR to a folder that has it as {file.path} ({words} {expected})."
        ) from error
