"""A CSV file as somebody has it: its dialect is inferred, its cells become a table."""

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
from src.config.rules import check_arguments
from src.data.own.cells import Table
from src.data.own.csv_fast import read_plain, without
from src.data.own.forms import is_prose

# Names that need no quoting on a command line.
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " ", "point": "."}
SEPARATORS = ",;\t|"  # that are found out
REMARK = "#"
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}.*")
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
TAB = re.compile(r'"[^"]*"|\t')  # or what stands in quotation marks, in which tabs stay
END = "\0"  # stands in no text that is read


def read_table(
    path: Path | str,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str = "utf-8-sig",
    missing_values: Sequence[str | float] = (),
) -> Table:
    """Read a CSV file as text cells; remarks above it, empty lines and nameless index columns are left out.

    So are the names of rows where these have one cell more than the line of names, as R writes it.

    Args:
        path: the file, also gzipped (``.gz``).
        separator: between cells, the character or its name in :data:`SIGNS`; None: the one of ``, ; TAB |`` that stands
            most often in the first line. ``space`` is any number of blanks.
        decimal: ``point`` or ``comma``; None: found out for each column (:mod:`src.data.own.notation`).
        encoding: of the text; the default reads UTF-8 with and without a byte-order mark.
        missing_values: what stands where a value is missing, beside :data:`~src.data.own.cells.MISSING`: words, or
            numbers however written.

    Raises:
        UserError: when there is no such file, or it is not a table.
    """
    check_arguments("data", {"separator": separator, "decimal": decimal, "encoding": encoding})
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"data.path={path} is not a file: give the path of a CSV file.")
    sign = SIGNS.get(separator or "", separator)
    if SIGNS.get(decimal or "", decimal) != "," and (table := read_plain(path, SEPARATORS, sign, encoding)) is not None:
        table.decimal = SIGNS.get(decimal or "", decimal) or ""
        return without(table, missing_values)
    lines = _lines(path, encoding)
    remarks = _remarks(lines)
    if not "".join(lines[remarks : remarks + 1]).strip("\r\n"):
        raise UserError(f"{path} is empty: it must be a table with a line of names and one row for each step.")
    separator = SIGNS.get(separator or "", separator) or max(SEPARATORS, key=lines[remarks].count)
    decimal = SIGNS.get(decimal or "", decimal)
    notes: list[str] = []
    cells, begins = _cells(path, lines[remarks:], separator, remarks, notes)
    body = _named(path, cells, notes)
    if missing_values:
        body = body.apply(lambda column: column.mask(_stands_for_none(column, missing_values), ""))
    if not len(body):
        raise UserError(f"{path} has a line of names but no rows.")
    if remarks:
        notes.append(f"{remarks} line{'s' if remarks > 1 else ''} of remarks above the table were left out.")
    table = Table(body.reset_index(drop=True), [path], np.zeros(len(body), int), begins[body.index])
    table.decimal, table.separator = decimal or "", separator
    for sentence in notes:
        table.note(sentence)
    return table


def _lines(path: Path, encoding: str) -> list[str]:
    """The lines of a file that is text in this encoding, gzipped where its name ends in ``.gz``, with their ends."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with open(path, "rb") as raw:
        kind = raw.read(4)
    if kind == b"PK\x03\x04":
        raise UserError(f"{path} is a spreadsheet or a zip archive: export the table as CSV.")
    if kind[:2] == b"\x1f\x8b" and path.suffix != ".gz":
        raise UserError(f"{path} is gzipped: its name must end in .gz.")
    try:
        refuse_long_lines(path)
        with opened(path, "rt", encoding=encoding, newline="") as file:
            text = file.read()
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(
            f"{path} is not text in the encoding {encoding} ({error}): name its own, e.g. data.encoding=cp1252."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if END in text:
        raise UserError(f"{path} holds a zero byte, so it is damaged, or not text in the encoding {encoding}.")
    return StringIO(text if text.endswith("\n") else text + "\n", newline="").readlines()


def _remarks(lines: Sequence[str]) -> int:
    """How many lines of remarks stand above the table: those that begin with ``#``.

    The last of them names the columns where it has as many cells as the line behind it, which holds numbers.
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
    """All cells, stripped, as many in each row, and the line on which each row begins; the names are the first."""
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
        raise UserError(f"{wrong}: the quotation mark that opens on line {begins[-1]} or below is never closed.")
    width = max(len(rows[0]), 1)
    if len(rows) > 1 and all(len(row) == width + 1 and not row[-1] for row in rows[1:] if row):
        rows[1:] = [row[:-1] for row in rows[1:]]  # a separator at the end of each row, but of the line of names
    if _have_names(rows[1:], width):
        rows[1:] = [row[1:] for row in rows[1:]]
        notes.append("The first cell of each row, for which there is no name of a column, was left out.")
    for number, row in zip(begins, rows, strict=False):
        if len(row) > width:
            names = f"line {remarks + 1}" if remarks else "the first line"
            more = "; a plain text is read by data=text" if width == 1 or is_prose(path) else ""
            raise UserError(
                f"{path}, line {number}: there are {len(row)} cells, but {names}, which names the columns, has {width} "
                f"(separator {separator!r}){more}."
            )
    cells = [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in rows]
    if cells[0][0].startswith(REMARK):
        cells[0][0] = cells[0][0].lstrip(REMARK).strip()
    return cells, np.array(begins)


def _have_names(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether rows have one cell more than there are names of columns, the first being their own name or number."""
    if width < 2 or not rows or len(rows[0]) != width + 1 or max(map(len, rows)) > width + 1:
        return False
    names = [row[0] for row in rows if row]
    numbers = pd.to_numeric(pd.Series(names), errors="coerce")
    return len(set(names)) == len(names) and bool((numbers.diff()[1:] == 1).all() or numbers.isna().all())


def _named(path: Path, cells: list[list[str]], notes: list[str]) -> pd.DataFrame:
    """The rows under the columns' names, without what is empty; the index is that of ``cells``."""
    nameless = _nameless(cells)
    heads = [f"column_{k + 1}" if nameless else name for k, name in enumerate(cells[0])]
    body = pd.DataFrame(cells, dtype=str).iloc[0 if nameless else 1 :]
    empty = (body == "").all(axis=1).to_numpy()
    # In a table of one column an empty line is a missing value, but for those at the end.
    last = len(body) - int(empty[::-1].cumprod().sum())
    gone = empty & ((np.arange(len(body)) >= last) | (body.shape[1] > 1))
    if inner := int(gone[:last].sum()):
        notes.append(f"{inner} empty lines were left out.")
    body = body[~gone]
    names: dict[int, str] = {}
    for k, head in enumerate(heads):
        if not head and counts(list(body[k])):
            notes.append(f"Column {k + 1}, which has no name and counts the rows, was left out.")
        elif head or not (body[k] == "").all():
            names[k] = head or f"column_{k + 1}"
    times = Counter(names.values())
    for name in times:
        if times[name] > 1:
            raise UserError(f"{path} has two columns of the name {name}: rename one.")
    if nameless:
        some = ", ".join(list(names.values())[:3])
        notes.append(f"The first line holds no names but numbers, so the columns are called {some}, ...")
    return body[list(names)].set_axis(list(names.values()), axis=1)


def _nameless(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the first line is a row of data: numbers, or what the second line holds too, numbers or a date with it.

    Names may be numbers where they count the columns, or rise behind a word (``country,2000,2001``).
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
    """Whether the cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(list(cells) == [str(k + start) for k in range(len(cells))] for start in (0, 1))


def _stands_for_none(column: pd.Series, codes: Sequence[str | float]) -> pd.Series:
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    return column.isin([str(code) for code in codes]) | numbers.isin([c for c in codes if not isinstance(c, str)])
