"""A table's cells as text, with the place that each row came from: numbers are read, what is broken is named."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from src.config.errors import UserError, nearest
from src.data.own.notation import LOOKS, Notation, evidence, of_column, plain, readings, ungrouped

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "none", "-", "?"})
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hints:
    """What a form says of its columns, where the user does not."""

    group: str | None = None
    target: list[str] = field(default_factory=list)
    text: str | None = None  # the column that is read as characters or words


@dataclass
class Table:
    """The cells of one or more files."""

    frame: pd.DataFrame  # columns of text, stripped, of numbers or of times; the index counts rows from 0
    files: list[Path]
    file: np.ndarray  # (rows,) which of the files each row came from
    line: np.ndarray  # (rows,) its line there, the first line being 1
    word: str = "line"  # what a line is called
    part: np.ndarray | None = None  # (rows,) 0 train, 1 validation, 2 test, where files say it
    hints: Hints = field(default_factory=Hints)
    decimal: str = ""  # what stands before fractions by the user's word; "": found out
    separator: str = ""  # between its cells
    notes: list[str] = field(default_factory=list)  # what was inferred or left out, in sentences
    # What stood before the fractions of a column in the training file, and how each column writes its numbers.
    trained: dict[str, str] = field(default_factory=dict)
    notations: dict[str, Notation] = field(default_factory=dict)

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
        return f"{self.files[self.file[row]]}, {self.word} {self.line[row]}"

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

    def refuse(self, bad: np.ndarray | pd.Series, name: str, words: str) -> None:
        """Refuse the first of the rows (rows,) that are ``bad``, by file, line and column.

        Raises:
            UserError: with ``words``, in which ``{cell}`` stands for what the column holds there.
        """
        if bad.any():
            row = int(np.asarray(bad).argmax())
            cell = repr(self.text(name).iloc[row])
            raise UserError(f"{self.where(row)}, column {name}: {words.replace('{cell}', cell)}.")

    def take(self, rows: np.ndarray) -> Table:
        """The table with some rows only, or in another order."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        part = None if self.part is None else self.part[rows]
        return replace(self, frame=frame, file=self.file[rows], line=self.line[rows], part=part)

    def where_not_empty(self, name: str) -> Table:
        """The rows in which a column of text holds something."""
        return self.take(np.flatnonzero(self.frame[name] != ""))

    def text(self, name: str) -> pd.Series:
        """The cells of a column as text; a missing number or time is empty."""
        return self.as_text(self.frame[name])

    @staticmethod
    def as_text(cells: pd.Series) -> pd.Series:
        """Cells of any kind as text."""
        if pd.api.types.is_datetime64_any_dtype(cells):
            return cells.astype("str").mask(cells.isna(), "")
        if not pd.api.types.is_numeric_dtype(cells):
            return cells
        whole = cells.dropna()
        if pd.api.types.is_float_dtype(cells) and bool((whole % 1 == 0).all()) and bool((whole.abs() < 2**53).all()):
            cells = cells.astype("Int64")
        return cells.astype("str").mask(cells.isna(), "")

    def notation(self, name: str) -> Notation:
        """How a column of text writes its numbers; all columns decide together where one leaves it open."""
        if name not in self.notations:
            found = {n: evidence(cells.drop_duplicates().tolist()) for n, cells in self._written_numbers().items()}
            sure = {
                n: of_column(f, "", ",").decimal
                for n, f in found.items()
                if any((*f.decimal.values(), *f.group.values()))
            }
            signs = {sign for sign in sure.values() if sign}
            in_file = signs.pop() if len(signs) == 1 else ""
            for n, f in found.items():
                known = self.trained.get(n) or in_file
                self.notations[n] = of_column(f, known, self.separator, self.decimal)
        return self.notations.setdefault(name, Notation())

    def _written_numbers(self) -> dict[str, pd.Series]:
        """The columns of text, some of whose first 1,000 cells look like numbers, with ASCII signs."""
        kinds = (pd.api.types.is_numeric_dtype, pd.api.types.is_datetime64_any_dtype)
        text = [name for name in self.names if not any(kind(self.frame[name]) for kind in kinds)]
        some = {name: plain(self.frame[name].head(1000)).str.fullmatch(LOOKS).any() for name in text}
        return {name: plain(self.frame[name]) for name in text if some[name]}

    def say_notations(self, names: Sequence[str]) -> None:
        """Note how those columns write their numbers, where that is not as Python does."""
        told = {name: self.notations[name] for name in names if name in self.notations}
        if any(notation.decimal == "," for notation in told.values()):
            self.note("Numbers were read with a decimal comma.")
        for name, notation in told.items():
            if cell := notation.grouped:
                number = ungrouped(plain(pd.Series([cell])), notation.decimal)[0]
                self.note(f"{name} has signs between thousands: {cell} was read as {number}.")

    def parsed(self, name: str, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Of the ``first`` cells of a column (None: all): float64, NaN where one is no number; which are missing."""
        text = self.frame[name].head(len(self.frame) if first is None else first)
        if pd.api.types.is_numeric_dtype(text):
            numbers = text.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
            return numbers, np.isnan(numbers)
        if pd.api.types.is_datetime64_any_dtype(text):
            return np.full(len(text), np.nan), text.isna().to_numpy()
        lower = text.str.lower()
        missing = lower.isin(MISSING).to_numpy()
        text = text.mask(lower == "true", "1").mask(lower == "false", "0").mask(missing)
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, copy=True)
        if np.isnan(numbers[~missing]).any() or (numbers[~missing] % 1 != 0).any():
            text = ungrouped(plain(text), self.notation(name).decimal)
            numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, copy=True)
        # pandas says which cells are numbers but may miss the last digit of one.
        known = ~np.isnan(numbers)
        numbers[known] = text_array(text[known]).astype(np.float64)
        return numbers, missing

    def is_numeric(self, name: str) -> bool:
        """Whether most of a column's first 1,000 cells are numbers, so that one that is not is a fault and no word."""
        numbers, missing = self.parsed(name, 1000)
        there = ~missing
        return bool(there.any()) and bool((~np.isnan(numbers[there])).mean() > 0.5)

    def numbers(self, names: Sequence[str], missing: str = "refuse", groups: np.ndarray | None = None) -> np.ndarray:
        """The columns as (rows, columns) float64, finite where nothing is missing.

        A missing value is refused (``refuse``, or ``never``, which offers nothing), is NaN (``leave``) or becomes the
        one ``before``; where there is none, the first one there is. It is never taken from another series by ``groups``
        (rows,).

        Raises:
            UserError: names the first cell, by line, that is no finite number.
        """
        columns: list[np.ndarray] = []
        broken: list[tuple[int, str, bool]] = []
        for name in names:
            numbers, empty = self.parsed(name)
            if name in self.notations and (cell := self.notations[name].doubtful):
                self.refuse(plain(self.frame[name]) == cell, name, f"{{cell}} may be {readings(cell)}; say which")
            if missing == "before" and empty.any():
                numbers = self._filled(name, numbers, empty, groups)
            if (bad := ~(np.isfinite(numbers) | (empty & (missing == "leave")))).any():
                row = int(bad.argmax())
                broken.append((row, name, bool(empty[row])))
            columns.append(numbers)
        if broken:
            raise self._broken_cell(*min(broken), missing)
        self.say_notations(names)
        return np.stack(columns, 1)

    def _filled(self, name: str, numbers: np.ndarray, empty: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        keys = np.zeros(len(numbers), int) if groups is None else groups
        filled = pd.Series(numbers).groupby(keys).ffill()
        if first := int(filled.isna().sum()):
            self.note(f"{first} missing values of {name}, with none before them, took the first one after them.")
            filled = filled.groupby(keys).bfill()
        self.note(f"{int(empty.sum()) - first} missing values of {name} took the value before them.")
        return np.where(empty, filled.to_numpy(), numbers)

    def _broken_cell(self, row: int, name: str, empty: bool, missing: str) -> UserError:
        cell, more = self.text(name).iloc[row], ""
        place = f"{self.where(row)}, column {name}"
        if empty and missing == "before":
            return UserError(f"{place}: the value is missing and there is none in its series to take instead.")
        if empty:
            if missing != "never":
                more = "; fill it in, or let the value before it stand there with data.missing=before"
            return UserError(f"{place}: the value is missing ({cell!r}){more}.")
        if "," in cell and self.decimal == ".":
            more = ", given data.decimal=point"
        return UserError(f"{place}: {cell!r} is not a finite number{more}.")


def has_units(frame: pd.DataFrame) -> bool:
    """Whether the first row of a table says what its numbers are in (``°C,hPa``): words where all below are numbers.

    >>> has_units(pd.DataFrame({"time": ["", "2024-01-01"], "load": ["kW", "3.5"]}))
    True
    """
    units = False
    for name in frame if len(frame) > 1 else ():
        first, *below = plain(Table.as_text(as_cells(frame[name].head(100)))).tolist()
        known = [cell for cell in below if cell.lower() not in MISSING]
        if known and all(LOOKS.fullmatch(cell) for cell in known):
            if LOOKS.fullmatch(first):
                return False
            units |= first.lower() not in MISSING
        elif first in below or any(sign.isdigit() for sign in first):
            return False
    return units


def as_cells(column: pd.Series) -> pd.Series:
    """A column of a data frame as a table has it: numbers and times as they are, all else as text, "" for nothing."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype("float64")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return column.astype("str").str.strip().mask(column.isna(), "")


def text_array(cells: pd.Series) -> np.ndarray:
    """Cells as an array of text; by way of objects, since pandas with pyarrow cuts all to the length of a missing one.

    >>> text_array(pd.Series(["long", None], dtype="str")).tolist()
    ['long', 'nan']
    """
    return cells.to_numpy(dtype=object).astype(str)


def join(tables: Sequence[Table], parts: Sequence[int] | None = None) -> Table:
    """One or several files with the same columns as one table, in the order given.

    ``parts`` say of each file whether it is for train (0), validation (1) or test (2).

    Raises:
        UserError: when one lacks a column of the first.
    """
    first, *rest = tables
    for table in rest:
        for name in first.names:
            if name not in table.names:
                raise UserError(f"{table.files[0]} has no column {name}, which {first.files[0]} has.")
    begins = np.cumsum([0, *(len(table.files) for table in tables)])
    rows = [len(table.frame) for table in tables]
    return replace(
        first,
        frame=pd.concat([table.frame[first.names] for table in tables], ignore_index=True),
        files=[file for table in tables for file in table.files],
        file=np.concatenate([table.file + begin for table, begin in zip(tables, begins, strict=False)]),
        line=np.concatenate([table.line for table in tables]),
        part=first.part if parts is None else np.repeat(parts, rows),
        notations={},
    )
