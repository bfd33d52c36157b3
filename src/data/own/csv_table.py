"""A CSV file as somebody has it: its dialect is inferred, its cells become a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from src.config.errors import UserError
from src.data.own.cells import Table
from src.data.own.dialect import (
    REMARK,
    counts,
    decimal_of,
    first_line,
    nameless_first_line,
    no_table,
    without_row_names,
)

# Names that need no quoting on a command line.
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " ", "point": "."}


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
        decimal: ``point`` or ``comma``; None: a comma where the separator is none, and cells like ``1,5`` but none like
            ``1.5`` are there.
        encoding: of the text; the default reads UTF-8 with and without a byte-order mark.
        missing_values: what stands where a value is missing, beside :data:`~src.data.own.cells.MISSING`: words, or
            numbers however written.

    Raises:
        UserError: when there is no such file, or it is not a table.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"data.path={path} is not a file: give the path of a CSV file.")
    first, remarks = first_line(path, encoding)
    separator = SIGNS.get(separator or "", separator) or max(",;\t|", key=first.count)
    decimal = SIGNS.get(decimal or "", decimal)
    if len(separator) != 1 or decimal not in (None, ".", ","):
        raise UserError(
            f"data.separator={separator} and data.decimal={decimal} are impossible: they must be one character each, "
            f"or {', '.join(SIGNS)}."
        )
    cells, notes = _cells(path, separator, encoding, remarks)
    body = _named(path, cells, notes)
    if missing_values:
        body = body.apply(lambda column: column.mask(_stands_for_none(column, missing_values), ""))
    if not len(body):
        raise UserError(f"{path} has a line of names but no rows.")
    if remarks:
        notes.append(f"{remarks} line{'s' if remarks > 1 else ''} of remarks above the table were left out.")
    table = Table(body.reset_index(drop=True), [path], np.zeros(len(body), int), body.index.to_numpy() + 1 + remarks)
    table.decimal = decimal or decimal_of(table.frame, separator)
    if table.decimal != (decimal or "."):
        notes.append("Numbers were read with a decimal comma.")
    for sentence in notes:
        table.note(sentence)
    return table


def _cells(path: Path, separator: str, encoding: str, remarks: int) -> tuple[pd.DataFrame, list[str]]:
    """All cells below the remarks, stripped, the line of names being the first; and what was left out."""
    options = {
        "sep": r"\s+" if separator == " " else separator, "dtype": str, "keep_default_na": False, "na_filter": False,
        "encoding": encoding, "skip_blank_lines": False, "header": None, "index_col": False, "low_memory": False,
        "on_bad_lines": "error", "skiprows": remarks,
    }  # fmt: skip
    notes = []
    try:
        frame = pd.read_csv(path, **options)
    except pd.errors.ParserError as error:
        if (frame := without_row_names(path, options, error)) is None:
            raise UserError(no_table(path, separator, error, remarks)) from error
        notes.append("The first cell of each row, for which there is no name of a column, was left out.")
    except pd.errors.EmptyDataError:
        raise UserError(
            f"{path} is empty: it must be a table with a line of names and one row for each step."
        ) from None
    frame = frame.fillna("").apply(lambda column: column.str.strip())
    if str(frame.iloc[0, 0]).startswith(REMARK):
        frame.iloc[0, 0] = str(frame.iloc[0, 0]).lstrip(REMARK).strip()
    return frame, notes


def _named(path: Path, cells: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows under the columns' names, without what is empty; the index is that of ``cells``."""
    nameless = nameless_first_line(cells)
    heads = [f"column_{k + 1}" if nameless else str(name) for k, name in enumerate(cells.iloc[0])]
    body = cells if nameless else cells.iloc[1:]
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
    for name in names.values():
        if list(names.values()).count(name) > 1:
            raise UserError(f"{path} has two columns of the name {name}: rename one.")
    if nameless:
        some = ", ".join(list(names.values())[:3])
        notes.append(f"The first line holds no names but numbers, so the columns are called {some}, ...")
    return body[list(names)].set_axis(list(names.values()), axis=1)


def _stands_for_none(column: pd.Series, codes: Sequence[str | float]) -> pd.Series:
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    return column.isin([str(code) for code in codes]) | numbers.isin([c for c in codes if not isinstance(c, str)])
