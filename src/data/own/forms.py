"""Recognise the format of a file by its content, not its name."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from numpy.lib.format import MAGIC_PREFIX

from src.config.errors import UserError
from src.config.names import OWN_FORMS

Form = Literal[
    "folder", "csv", "parquet", "feather", "xlsx", "json", "arff", "ts", "ucr", "trec",  # read as a table
    "npz", "npy",  # read as sequences
    "wav", "zip",
]  # fmt: skip
SEQUENCES = ("npz", "npy")
TABLES = (".csv", ".tsv", ".parquet", ".feather", ".xlsx", ".jsonl")  # searched for in a folder
QUOTES = "'\""
HEAD = 1 << 16  # bytes inspected
NUMBERS = re.compile(r"\s*[+-]?\d+(\.0*)?(e[+-]?\d+)?(\t[^\t\n]*){8,}", re.IGNORECASE)
ONLY_NUMBERS = re.compile(r"[\s\d.,;eE+-]+")
TREC = re.compile(r"[A-Z]{2,}:[a-z]+ \S")


def form_of(path: Path) -> Form:
    """Return the format of a file or folder.

    Raises:
        UserError: the path does not exist, or is empty.
    """
    if path.is_dir():
        return "folder"
    if not path.is_file():
        raise UserError(f"data.path={path} does not exist: give the path of a file, or of a folder of files.")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise UserError(f"{path} is empty: it has 0 bytes.")
    if head.startswith(MAGIC_PREFIX):
        return "npy"
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"FEA1")):
        return "feather"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError), gzip.open(path) as unpacked:
            head = unpacked.read(HEAD)
    return _of_text(head.decode("utf-8-sig", errors="replace"))


def refuse_missing(choice: str | None, path: str) -> None:
    """Refuse a missing or empty file if ``choice`` of data reads the user's own: at once, without PyTorch.

    Raises:
        UserError: as :func:`form_of`.
    """
    if choice in OWN_FORMS:
        form_of(Path(path).expanduser())


def reader_of(path: Path) -> Literal["file", "text", "wav_folder"]:
    """Return the ``data`` choice for a file or folder: ``text`` for prose, ``wav_folder`` for audio, else ``file``."""
    if path.is_dir():
        held = {file.suffix.lower() for file in path.rglob("*")}
        return "wav_folder" if ".wav" in held and not held & {*TABLES} else "file"
    return "text" if is_prose(path) else "file"  # which also reports what is missing


def with_reader(arguments: Sequence[str]) -> list[str]:
    """Add the choice of data that reads ``data.path`` to a command line.

    >>> with_reader(["study", "mine", "data.path=load.csv"])
    ['study', 'mine', 'data.path=load.csv', 'data=file']
    """
    given = {key: value for key, _, value in (argument.partition("=") for argument in arguments)}
    if "data.path" not in given or "data" in given:
        return [*arguments]
    return [*arguments, f"data={reader_of(Path(given['data.path'].strip(QUOTES)).expanduser())}"]


def is_prose(path: Path) -> bool:
    """Return whether a file is running text: not a table, whose lines have equally many cells, and not numbers."""
    with suppress(UserError):
        if form_of(path) == "csv":
            with path.open("rb") as file:
                return _runs_on(file.read(HEAD).decode("utf-8-sig", errors="replace"))
    return False


def _runs_on(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    lines = (lines[:-1] or lines)[:100]  # the last one may be truncated
    counts = ({line.count(sign) for line in lines} for sign in ",;\t|")
    if len(lines) > 1 and any(len(number) == 1 and number != {0} for number in counts):
        return False
    numbers = [ONLY_NUMBERS.fullmatch(line) is not None for line in lines[1:] or lines]
    return 2 * sum(numbers) < len(numbers)


def _zipped(path: Path) -> Form:
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if any(name.startswith("xl/") for name in archive.namelist()):
            return "xlsx"
        if not any(name.endswith(".npy") for name in archive.namelist()):
            return "zip"
    return "npz"


def _of_text(text: str) -> Form:
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "%#"]
    first = lines[0].lstrip().lower() if lines else ""
    if first.startswith("@relation"):
        return "arff"
    if first.startswith(("@problemname", "@timestamps", "@univariate", "@missing")):
        return "ts"
    if first.startswith("{") or (first.startswith("[") and re.match(r"\[\s*\{", text.lstrip())):
        return "json"
    whole = lines[:-1] or lines  # the last one may be truncated
    if whole and all(NUMBERS.match(line) for line in whole):
        return "ucr"
    if len(lines) > 1 and all(TREC.match(line) for line in whole):
        return "trec"
    return "csv"
