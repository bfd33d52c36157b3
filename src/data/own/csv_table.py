"""A CSV file as somebody has it: dialect found out, cells checked, what is broken named by file, line and column."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.config.errors import UserError, nearest
from src.data.own.dialect import (
    REMARK,
    counts,
    decimal_of,
    first_line,
    nameless_first_line,
    no_table,
    without_row_names,
)

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "none", "-", "?"})
# Names that need no quoting on a command line.
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " ", "point": "."}
log = logging.getLogger(__name__)


@dataclass
class Table:
    """The cells of one or more files as text, with the place that each row came from.

    Args:
        frame: text cells, stripped; the index counts rows from 0.
        files: the files.
        file: (rows,) which of the files each row came from.
        line: (rows,) its line there, the first line being 1.
        decimal: the decimal point of its numbers.
        notes: what was found out or left out, in sentences.
    """

    frame: pd.DataFrame
    files: list[Path]
    file: np.ndarray
    line: np.ndarray
    decimal: str = "."
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self.frame.columns)

    def note(self, sentence: str) -> None:
        """Say something about the data once, and keep it for the record."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            log.info("%s: %s", self.files[0].name, sentence)

    def where(self, row: int) -> str:
        """The place of a row, for a sentence."""
        return f"{self.files[self.file[row]]}, line {self.line[row]}"

    def need(self, names: Sequence[str], option: str) -> None:
        """Refuse names that are no columns.

        Raises:
            UserError: names the option, the column and the nearest one.
        """
        for name in names:
            if name not in self.frame.columns:
                raise UserError(
                    f"{option}={name} is not a column of {self.files[0]}{nearest(str(name), self.names)}; its columns "
                    f"are {', '.join(self.names)}."
                )

    def take(self, rows: np.ndarray) -> Table:
        """The table with some rows only, or in another order."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Table(frame, self.files, self.file[rows], self.line[rows], self.decimal, self.notes)

    # -------------------------------------------------------------------------------------------------------- numbers

    def parsed(self, name: str, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Of the ``first`` cells of a column (None: all): float64, NaN where one is no number; which are missing."""
        text = self.frame[name].head(len(self.frame) if first is None else first)
        lower = text.str.lower()
        missing = lower.isin(MISSING).to_numpy()
        text = text.mask(lower == "true", "1").mask(lower == "false", "0")
        if self.decimal == ",":
            text = text.str.replace(",", ".", regex=False)
        numbers = pd.to_numeric(text.mask(missing), errors="coerce").to_numpy(dtype=np.float64, copy=True)
        # pandas says which cells are numbers but may miss the last digit of one.
        known = ~np.isnan(numbers)
        numbers[known] = text.to_numpy(dtype=str)[known].astype(np.float64)
        return numbers, missing

    def is_numeric(self, name: str) -> bool:
        """Whether most of a column's first 1,000 cells are numbers, so that one that is not is a fault and no word."""
        numbers, missing = self.parsed(name, 1000)
        there = ~missing
        return bool(there.any()) and bool((~np.isnan(numbers[there])).mean() > 0.5)

    def numbers(self, names: Sequence[str], missing: str = "refuse", groups: np.ndarray | None = None) -> np.ndarray:
        """The columns as (rows, columns) float64, all finite.

        Args:
            names: which columns.
            missing: ``refuse`` a cell without a value, or take the one ``before`` it, at the beginning of a series the
                first one there is; ``never``: refuse, and offer nothing.
            groups: (rows,) the series of each row; a value is never taken from another series.

        Raises:
            UserError: names the first cell, by line, that is no finite number.
        """
        out = np.empty((len(self.frame), len(names)))
        broken: list[tuple[int, str, bool]] = []
        for k, name in enumerate(names):
            numbers, empty = self.parsed(name)
            if missing == "before" and empty.any():
                series = pd.Series(np.where(empty, np.nan, numbers))
                keys = np.zeros(len(series), int) if groups is None else groups
                filled = series.groupby(keys).ffill()
                if first := int(filled.isna().sum()):
                    self.note(
                        f"{first} missing values of {name}, with none before them, took the first one after them."
                    )
                    filled = filled.groupby(keys).bfill()
                self.note(f"{int(empty.sum()) - first} missing values of {name} took the value before them.")
                numbers = np.where(empty, filled.to_numpy(), numbers)
            if (bad := ~np.isfinite(numbers)).any():
                row = int(bad.argmax())
                broken.append((row, name, bool(empty[row])))
            out[:, k] = numbers
        if broken:
            row, name, empty_cell = min(broken)
            raise self._broken_cell(row, name, empty_cell, missing)
        return out

    def _broken_cell(self, row: int, name: str, empty: bool, missing: str) -> UserError:
        cell = self.frame[name].iloc[row]
        place = f"{self.where(row)}, column {name}"
        if empty and missing == "before":
            return UserError(f"{place}: the value is missing and there is none in its series to take instead.")
        if empty and missing == "never":
            return UserError(f"{place}: the value is missing ({cell!r}).")
        if empty:
            return UserError(
                f"{place}: the value is missing ({cell!r}); fill it in, or let the value before it stand there with "
                f"data.missing=before."
            )
        if "," in cell and self.decimal == ".":
            return UserError(
                f"{place}: {cell!r} is not a number; where it is a decimal comma, give data.decimal=comma."
            )
        return UserError(f"{place}: {cell!r} is not a finite number.")


# ------------------------------------------------------------------------------------------------------------- reading


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
        missing_values: what stands where a value is missing, beside :data:`MISSING`: words, or numbers however written.

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
            "or "
            f"{', '.join(SIGNS)}."
        )
    options: dict[str, Any] = {
        "sep": r"\s+" if separator == " " else separator, "dtype": str, "keep_default_na": False, "na_filter": False,
        "encoding": encoding, "skip_blank_lines": False, "header": None, "index_col": False, "low_memory": False,
        "on_bad_lines": "error", "skiprows": remarks,
    }  # fmt: skip
    found: list[str] = []
    try:
        frame = pd.read_csv(path, **options)
    except pd.errors.ParserError as error:
        if (frame := without_row_names(path, options, error)) is None:
            raise UserError(no_table(path, separator, error, remarks)) from error
        found.append("The first cell of each row, for which there is no name of a column, was left out.")
    except pd.errors.EmptyDataError:
        raise UserError(
            f"{path} is empty: it must be a table with a line of names and one row for each step."
        ) from None
    frame = frame.fillna("").apply(lambda column: column.str.strip())
    if str(frame.iloc[0, 0]).startswith(REMARK):
        frame.iloc[0, 0] = str(frame.iloc[0, 0]).lstrip(REMARK).strip()
    nameless = nameless_first_line(frame)
    names = [f"column_{k + 1}" for k in range(frame.shape[1])] if nameless else [str(n) for n in frame.iloc[0]]
    body = frame if nameless else frame.iloc[1:]
    lines = np.arange(len(frame))[0 if nameless else 1 :] + 1
    body.columns = pd.Index(range(len(names)))
    body, names, notes = _without_empty(body, names, lines)
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path} has two columns of the name {name}: rename one.")
    body.columns = pd.Index(names)
    if nameless:
        notes.append(
            f"The first line holds no names but numbers, so the columns are called {', '.join(names[:3])}, ..."
        )
    lines = body.index.to_numpy() + 1 + remarks
    if missing_values:
        body = body.apply(lambda column: column.mask(_stands_for_none(column, missing_values), ""))
    table = Table(body.reset_index(drop=True), [path], np.zeros(len(body), int), lines)
    if not len(body):
        raise UserError(f"{path} has a line of names but no rows.")
    if remarks:
        notes.append(f"{remarks} line{'s' if remarks > 1 else ''} of remarks above the table were left out.")
    for sentence in (*found, *notes):
        table.note(sentence)
    table.decimal = decimal or decimal_of(table.frame, separator)
    if table.decimal != (decimal or "."):
        table.note("Numbers were read with a decimal comma.")
    return table


def join(tables: Sequence[Table]) -> Table:
    """One or several files with the same columns as one table, in the order given.

    Raises:
        UserError: when one lacks a column of the first.
    """
    first, *rest = tables
    for table in rest:
        for name in first.names:
            if name not in table.names:
                raise UserError(f"{table.files[0]} has no column {name}, which {first.files[0]} has.")
    both = [first, *rest]
    frame = pd.concat([table.frame[first.names] for table in both], ignore_index=True)
    file = np.concatenate([np.full(len(table.frame), k) for k, table in enumerate(both)])
    line = np.concatenate([table.line for table in both])
    return Table(frame, [table.files[0] for table in both], file, line, first.decimal, first.notes)


def _stands_for_none(column: pd.Series, codes: Sequence[str | float]) -> pd.Series:
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    return column.isin([str(code) for code in codes]) | numbers.isin([c for c in codes if not isinstance(c, str)])


def _without_empty(
    frame: pd.DataFrame, names: list[str], lines: np.ndarray
) -> tuple[pd.DataFrame, list[str], list[str]]:
    notes = []
    empty = (frame == "").all(axis=1).to_numpy()
    # In a table of one column an empty line is a missing value, but for those at the end.
    last = len(frame) - int(empty[::-1].cumprod().sum())
    gone = empty & ((np.arange(len(frame)) >= last) | (frame.shape[1] > 1))
    if inner := int(gone[:last].sum()):
        notes.append(f"{inner} empty lines were left out.")
    frame = frame[~gone]
    for k, name in enumerate(names):
        column = frame[k]
        if not name and counts(list(column)):
            notes.append(f"Column {k + 1}, which has no name and counts the rows, was left out.")
        elif not name and bool((column == "").all()):
            pass
        else:
            continue
        frame = frame.drop(columns=k)
    left = [names[k] or f"column_{k + 1}" for k in frame.columns]
    return frame, left, notes
