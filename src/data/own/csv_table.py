"""Read a CSV file into a table, inferring its dialect."""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.config.errors import UserError
from src.config.own_files import refuse_long_lines
from src.data.own.cells import Table
from src.data.own.csv_fast import read_plain, without
from src.data.own.forms import is_prose

# Names that need no quoting on a command line.
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " ", "point": "."}
SEPARATORS = ",;\t|"  # that can be inferred
REMARK = "#"
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}.*")
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
TAB = re.compile(r'"[^"]*"|\t')  # or quoted text, in which tabs are kept
END = "\0"  # occurs in no valid text


def read_table(
    path: Path,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str = "utf-8-sig",
    missing_values: Sequence[str | float] = (),
) -> Table:
    """Read a CSV file as text cells, skipping comments above the table, empty lines and unnamed index columns.

    Row names are skipped if rows have one cell more than the header, as in files from R.

    Args:
        path: the file, also gzipped (``.gz``).
        separator: between cells, a character or its name in :data:`SIGNS`; None: the most frequent of ``, ; TAB |``
            in the first line. ``space`` is any number of spaces.
        decimal: ``point`` or ``comma``; None: inferred for each column (:mod:`src.data.own.notation`).
        encoding: of the text; the default reads UTF-8 with and without a byte-order mark.
        missing_values: markers of a missing value in addition to :data:`~src.data.own.cells.MISSING`: words, or
            numbers in any format.

    Raises:
        UserError: the file is not a table.
    """
    separator, decimal = (SIGNS.get(given or "", given) for given in (separator, decimal))
    if decimal != "," and (table := read_plain(path, SEPARATORS, separator, encoding)) is not None:
        table.decimal = decimal or ""
        if missing_values:
            table.frame = table.frame.apply(without, codes=missing_values)
        return table
    lines = _lines(path, encoding)
    remarks = _remarks(lines)
    if not "".join(lines[remarks : remarks + 1]).strip("\r\n"):
        raise UserError(f"{path} is empty: it must be a table with a header and one row per step.")
    separator = separator or max(SEPARATORS, key=lines[remarks].count)
    notes: list[str] = []
    cells, begins = _cells(path, lines[remarks:], separator, remarks, notes)
    body = _named(path, cells, notes)
    if missing_values:
        body = body.apply(without, codes=missing_values)
    if not len(body):
        raise UserError(f"{path} has a header but no rows.")
    if remarks:
        notes.append(f"{remarks} line{'s' if remarks > 1 else ''} of comments above the table were skipped.")
    table = Table(body.reset_index(drop=True), [path], np.zeros(len(body), int), begins[body.index])
    table.decimal, table.separator = decimal or "", separator
    for sentence in notes:
        table.note(sentence)
    return table


def _lines(path: Path, encoding: str) -> list[str]:
    """Return the lines of a text file with their line endings, decompressed if its name ends in ``.gz``."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with open(path, "rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
    if gzipped and path.suffix != ".gz":
        raise UserError(f"{path} is gzipped, so its name must end in .gz.")
    try:
        refuse_long_lines(path)
        with opened(path, "rt", encoding=encoding, newline="") as file:
            text = file.read()
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(
            f"{path} is not text in the encoding {encoding} ({error}): set its encoding, e.g. data.encoding=cp1252."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if END in text:
        raise UserError(f"{path} contains a zero byte: it is damaged, or not text in the encoding {encoding}.")
    return StringIO(text if text.endswith("\n") else text + "\n", newline="").readlines()


def _remarks(lines: Sequence[str]) -> int:
    """Return the number of comment lines, which begin with ``#``, above the table.

    The last one is the header if it has as many cells as the following line, which has numbers.
    """
    number = next((k for k, line in enumerate(lines) if not line.startswith(REMARK)), len(lines))
    if 0 < number < len(lines):
        for sign in SEPARATORS:
            cells = lines[number].split(sign)
            numbers = any(NUMBER.fullmatch(cell.strip()) for cell in cells)
            if lines[number - 1].count(sign) == len(cells) - 1 > 0 and numbers:
                return number - 1
    return number


def _cells(
    path: Path, lines: list[str], separator: str, remarks: int, notes: list[str]
) -> tuple[list[list[str]], np.ndarray]:
    """Return all cells, stripped, equally many per row, header first, and the line where each row begins."""
    if separator == " ":
        lines = [TAB.sub(lambda found: " " if found[0] == "\t" else found[0], line.strip()) + "\n" for line in lines]
    wrong = f"{path} is not a table with the separator {separator!r}"
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader([*lines, END], delimiter=separator, skipinitialspace=separator == " ")
    rows, begins, following = list[list[str]](), list[int](), remarks + 1
    try:
        for row in reader:
            rows.append(row)
            begins.append(following)
            following = remarks + reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{wrong}: {error}.") from error
    if rows.pop() != [END]:
        raise UserError(f"{wrong}: a quotation mark opened on line {begins[-1]} or later is never closed.")
    width = max(len(rows[0]), 1)
    if len(rows) > 1 and all(len(row) == width + 1 and not row[-1] for row in rows[1:] if row):
        rows[1:] = [row[:-1] for row in rows[1:]]  # a separator at the end of each row, but not of the header
    if _have_names(rows[1:], width):
        rows[1:] = [row[1:] for row in rows[1:]]
        notes.append("The first cell of each row, which has no column name, was skipped.")
    for number, row in zip(begins, rows, strict=False):
        if len(row) > width:
            names = f"line {remarks + 1}" if remarks else "the first line"
            more = "; use data=text for plain text" if width == 1 or is_prose(path) else ""
            raise UserError(
                f"{path}, line {number} has {len(row)} cells, but {names}, the header, has {width} (separator "
                f"{separator!r}){more}."
            )
    cells = [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in rows]
    if cells[0][0].startswith(REMARK):
        cells[0][0] = cells[0][0].lstrip(REMARK).strip()
    return cells, np.array(begins)


def _have_names(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether rows have one cell more than the header, the first being the row's name or number."""
    if width < 2 or not rows or len(rows[0]) != width + 1 or max(map(len, rows)) > width + 1:
        return False
    names = [row[0] for row in rows if row]
    numbers = pd.to_numeric(pd.Series(names), errors="coerce")
    return len(set(names)) == len(names) and bool((numbers.diff()[1:] == 1).all() or numbers.isna().all())


def _named(path: Path, cells: list[list[str]], notes: list[str]) -> pd.DataFrame:
    """Return the rows under the column names, without empty ones; the index is that of ``cells``."""
    nameless = _nameless(cells)
    heads = [f"column_{k + 1}" if nameless else name for k, name in enumerate(cells[0])]
    body = pd.DataFrame(cells, dtype=str).iloc[0 if nameless else 1 :]
    empty = (body == "").all(axis=1).to_numpy()
    # In a one-column table an empty line is a missing value, except at the end.
    last = len(body) - int(empty[::-1].cumprod().sum())
    gone = empty & ((np.arange(len(body)) >= last) | (body.shape[1] > 1))
    if inner := int(gone[:last].sum()):
        notes.append(f"{inner} empty lines were skipped.")
    body = body[~gone]
    names: dict[int, str] = {}
    for k, head in enumerate(heads):
        if not head and counts(list(body[k])):
            notes.append(f"Column {k + 1}, which has no name and counts the rows, was skipped.")
        elif head or not (body[k] == "").all():
            names[k] = head or f"column_{k + 1}"
    times = Counter(names.values())
    for name in times:
        if times[name] > 1:
            raise UserError(f"{path} has two columns named {name}: rename one.")
    if nameless:
        some = ", ".join(list(names.values())[:3])
        notes.append(f"The first line has numbers instead of names, so the columns are named {some}, ...")
    return body[list(names)].set_axis(list(names.values()), axis=1)


def _nameless(cells: Sequence[Sequence[str]]) -> bool:
    """Return whether the first line is a data row: numbers, or dates and numbers like the second line.

    Names may be numbers if they count the columns, or if they rise after a word (``country,2000,2001``).
    """
    head, *second = [*islice(filter(any, cells), 2)] or [[]]
    if not head or counts(head):
        return False
    kinds = [_kind(cell) for cell in head]
    if set(kinds) == {"number"}:
        return True
    if not second or kinds != [_kind(cell) for cell in second[0]]:
        return False
    numbers = [float(cell.replace(",", ".")) for cell, kind in zip(head, kinds, strict=True) if kind == "number"]
    return ("date" in kinds and bool(numbers)) or any(a >= b for a, b in pairwise(numbers))


def _kind(cell: str) -> str:
    return "number" if NUMBER.fullmatch(cell) else "date" if DATE.fullmatch(cell) else "word" if cell else "nothing"


def counts(cells: Sequence[str]) -> bool:
    """Return whether the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(list(cells) == [str(k + start) for k in range(len(cells))] for start in (0, 1))
