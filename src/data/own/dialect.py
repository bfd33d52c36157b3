"""How a CSV file is written: what its first bytes, its first lines and its cells say."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from src.config.errors import UserError

REMARK = "#"
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}.*")
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
UNEVEN = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")  # as pandas says it


def first_line(path: Path, encoding: str) -> tuple[str, int]:
    """The first line of a file that is text in this encoding to its end, gzipped where its name ends in ``.gz``.

    Lines before it that begin with ``#`` are remarks, unless the last of them has as many cells as the line behind it,
    which holds numbers.

    Returns:
        The line, and how many lines of remarks stand before it.

    Raises:
        UserError: when it is no text.
    """
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with open(path, "rb") as raw:
        kind = raw.read(4)
    if kind == b"PK\x03\x04":
        raise UserError(f"{path} is a spreadsheet or a zip archive: export the table as CSV.")
    if kind[:2] == b"\x1f\x8b" and path.suffix != ".gz":
        raise UserError(f"{path} is gzipped: its name must end in .gz.")
    try:
        with opened(path, "rt", encoding=encoding, newline="") as file:
            lines = [text := file.readline()]
            while text.startswith(REMARK):
                lines.append(text := file.readline())
            while text:
                if "\0" in text:
                    raise UserError(
                        f"{path} holds a zero byte, so it is damaged, or not text in the encoding {encoding}."
                    )
                text = file.read(1 << 20)
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(
            f"{path} is not text in the encoding {encoding} ({error}): name its own, e.g. data.encoding=cp1252."
        ) from error
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    *remarks, first = (line.rstrip("\r\n") for line in lines)
    names = remarks[-1] if remarks else ""
    for sign in ",;\t|":
        cells = first.split(sign)
        if names.count(sign) == len(cells) - 1 > 0 and any(NUMBER.fullmatch(cell.strip()) for cell in cells):
            return names, len(remarks) - 1
    return first, len(remarks)


def counts(cells: Sequence[str]) -> bool:
    """Whether the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(list(cells) == [str(k + start) for k in range(len(cells))] for start in (0, 1))


def _kind(cell: str) -> str:
    return "number" if NUMBER.fullmatch(cell) else "date" if DATE.fullmatch(cell) else "word" if cell else "nothing"


def nameless_first_line(frame: pd.DataFrame) -> bool:
    """Whether the first line is a row of data: numbers, or what the second line holds too, numbers or a date with it.

    Names may be numbers where they count the columns, or rise behind a word (``country,2000,2001``).
    """
    head, *second = frame[(frame != "").any(axis=1)].head(2).to_numpy().tolist() or [[]]
    if not head or counts(head):
        return False
    kinds = [_kind(cell) for cell in head]
    if set(kinds) == {"number"}:
        return True
    if not second or kinds != [_kind(cell) for cell in second[0]]:
        return False
    numbers = [float(cell.replace(",", ".")) for cell, kind in zip(head, kinds, strict=True) if kind == "number"]
    return ("date" in kinds and bool(numbers)) or any(a >= b for a, b in pairwise(numbers))


def decimal_of(frame: pd.DataFrame, separator: str) -> str:
    """The decimal point of a table's cells: a comma where no point is, and the separator is another."""
    if separator == ",":
        return "."
    cells = frame.head(1000).stack()
    comma = cells.str.fullmatch(r"[+-]?\d+,\d+").any()
    point = cells.str.fullmatch(r"[+-]?\d*\.\d+").any()
    return "," if comma and not point else "."


def without_row_names(path: Path, options: dict[str, Any], error: Exception) -> pd.DataFrame | None:
    """A table whose rows have one cell more than its line of names, their own name or number, without those cells.

    None where ``error``, with which ``pandas.read_csv`` refused the file and ``options``, is another.
    """
    uneven = UNEVEN.search(str(error))
    if uneven is None:
        return None
    expected, line, cells = map(int, uneven.groups())
    if line != 2 + options["skiprows"] or cells != expected + 1:
        return None
    try:
        frame = pd.read_csv(path, **options | {"names": range(cells), "keep_default_na": True})
    except pd.errors.ParserError:
        return None
    body = frame.iloc[1:].dropna(how="all")
    names, whole = body[0].astype(str), bool(body.iloc[:, -1].notna().all())
    numbers = pd.to_numeric(names, errors="coerce")
    own = bool((numbers.diff()[1:] == 1).all()) if numbers.notna().all() else bool(numbers.isna().all())
    if not (whole and own and names.is_unique and cells > 2):
        return None
    frame.iloc[0] = ["", *frame.iloc[0, :-1]]
    return frame.iloc[:, 1:].set_axis(range(cells - 1), axis=1)


def no_table(path: Path, separator: str, error: Exception, remarks: int = 0) -> str:
    """What pandas refused about a file, in one sentence with the line."""
    text = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ").rstrip(".")
    if uneven := UNEVEN.fullmatch(text):
        expected, line, saw = uneven.groups()
        names = f"line {remarks + 1}" if remarks else "the first line"
        return (
            f"{path}, line {line}: there are {saw} cells, but {names}, which names the columns, has {expected} "
            f"(separator {separator!r})."
        )
    return f"{path} is not a table with the separator {separator!r}: {text}."
