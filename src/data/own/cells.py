"""The cells of a table as text with each row's origin; reads numbers, and reports invalid cells by place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from src.config.errors import UserError, agreeing, counted, nearest
from src.data.own.notation import LOOKS, Notation, evidence, of_column, plain, readings, ungrouped

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "nat", "null", "none", "-", "?"})
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hints:
    """What a file format implies about columns, used where the user gives nothing."""

    group: str | None = None
    target: list[str] = field(default_factory=list)
    text: str | None = None  # the column to read as characters or words


@dataclass
class Table:
    """The cells of one or more files."""

    frame: pd.DataFrame  # columns of text, stripped, of numbers or of times; the index counts rows from 0
    files: list[Path]
    file: np.ndarray  # (rows,) which of the files each row came from
    line: np.ndarray  # (rows,) its line there, from 1
    word: str = "line"  # the word for a line in messages
    part: np.ndarray | None = None  # (rows,) 0 train, 1 validation, 2 test, if stated by files
    hints: Hints = field(default_factory=Hints)
    decimal: str = ""  # decimal sign given by the user; "": inferred
    separator: str = ""  # between its cells
    notes: list[str] = field(default_factory=list)  # what was inferred or skipped, in sentences
    of_run: bool = False  # whether a trained run reads it, whose data settings are fixed
    # Each column's decimal sign in the training file, and its number format.
    trained: dict[str, str] = field(default_factory=dict)
    notations: dict[str, Notation] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return list(self.frame.columns)

    def note(self, sentence: str) -> None:
        """Log a sentence about the data once, and keep it for the record."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            log.info("%s: %s", self.files[0].name, sentence)

    def setting(self, assignment: str) -> str:
        """Return how to change a data setting, for messages."""
        return f"train again with {assignment}" if self.of_run else f"set {assignment}"

    def where(self, row: int) -> str:
        """Return the place of a row, for messages."""
        return f"{self.files[self.file[row]]}, {self.word} {self.line[row]}"

    def need(self, names: Sequence[str], option: str | None = None) -> None:
        """Refuse names that are not columns, given by an option, or by the run that reads the table.

        Raises:
            UserError: a column does not exist; the message suggests the nearest name.
        """
        for name in names:
            if name not in self.frame.columns:
                file = self.files[0]
                wrong = f"{option}={name} is not a column of {file}" if option else f"{file} has no column {name}"
                more = "" if option else ", which the run reads"
                near, those = nearest(str(name), self.names), ", ".join(self.names)
                raise UserError(f"{wrong}{more}{near}; its columns are {those}.")

    def refuse(self, bad: np.ndarray | pd.Series, name: str, words: str) -> None:
        """Refuse the first ``bad`` row (rows,), naming file, line and column.

        Raises:
            UserError: a row is bad; the message has ``words``, with the cell's content in place of ``{cell}``.
        """
        if bad.any():
            row = int(np.asarray(bad).argmax())
            cell = repr(self.text(name).iloc[row])
            raise UserError(f"{self.where(row)}, column {name}: {words.replace('{cell}', cell)}.")

    def take(self, rows: np.ndarray) -> Table:
        """Return the table with some rows only, or reordered."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        part = None if self.part is None else self.part[rows]
        return replace(self, frame=frame, file=self.file[rows], line=self.line[rows], part=part)

    def text(self, name: str) -> pd.Series:
        """Return the cells of a column as text; missing numbers or times are empty."""
        return self.as_text(self.frame[name])

    @staticmethod
    def as_text(cells: pd.Series) -> pd.Series:
        """Convert cells of any type to text."""
        if pd.api.types.is_datetime64_any_dtype(cells):
            return cells.astype("str").mask(cells.isna(), "")
        if not pd.api.types.is_numeric_dtype(cells):
            return cells
        whole = cells.dropna()
        if pd.api.types.is_float_dtype(cells) and bool((whole % 1 == 0).all()) and bool((whole.abs() < 2**53).all()):
            cells = cells.astype("Int64")
        return cells.astype("str").mask(cells.isna(), "")

    def notation(self, name: str) -> Notation:
        """Return how a text column writes numbers; all columns together decide where one is ambiguous."""
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
        """Return the text columns with numbers among their first 1,000 cells, with ASCII signs."""
        kinds = (pd.api.types.is_numeric_dtype, pd.api.types.is_datetime64_any_dtype)
        text = [name for name in self.names if not any(kind(self.frame[name]) for kind in kinds)]
        some = {name: plain(self.frame[name].head(1000)).str.fullmatch(LOOKS).any() for name in text}
        return {name: plain(self.frame[name]) for name in text if some[name]}

    def say_notations(self, names: Sequence[str]) -> None:
        """Note how those columns write numbers, if unlike Python."""
        told = {name: self.notations[name] for name in names if name in self.notations}
        if any(notation.decimal == "," for notation in told.values()):
            self.note("Numbers were read with a decimal comma.")
        for name, notation in told.items():
            if cell := notation.grouped:
                number = ungrouped(plain(pd.Series([cell])), notation.decimal)[0]
                self.note(f"{name} has thousands separators: {cell} was read as {number}.")

    def parsed(self, name: str, first: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``first`` cells of a column (None: all) as float64, NaN if not a number, and which are missing."""
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
        # pandas recognises numbers but may get the last digit wrong.
        known = ~np.isnan(numbers)
        numbers[known] = text_array(text[known]).astype(np.float64)
        return numbers, missing

    def is_numeric(self, name: str) -> bool:
        """Return whether most of a column's first 1,000 cells are numbers, so that another cell there is an error."""
        numbers, missing = self.parsed(name, 1000)
        there = ~missing
        return bool(there.any()) and bool((~np.isnan(numbers[there])).mean() > 0.5)

    def numbers(self, names: Sequence[str], missing: str = "refuse", groups: np.ndarray | None = None) -> np.ndarray:
        """Return the columns as (rows, columns) float64, finite where nothing is missing.

        A missing value is an error (``refuse``, or ``never``, which suggests no alternative), NaN (``leave``), or
        filled with the value ``before`` it, or else the first one after it, never across series given by ``groups``
        (rows,).

        Raises:
            UserError: a cell is not a finite number; the message names the first one, by line.
        """
        columns: list[np.ndarray] = []
        broken: list[tuple[int, str, bool]] = []
        choose = "write it without thousands separators, or train again with one" if self.of_run else "choose one"
        for name in names:
            numbers, empty = self.parsed(name)
            if name in self.notations and (cell := self.notations[name].doubtful):
                self.refuse(plain(self.frame[name]) == cell, name, f"{{cell}} may be {readings(cell)}; {choose}")
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
            words = f"{counted(first, 'missing value')} of {name} at the start {agreeing('were', first)}"
            self.note(f"{words} filled with the first value.")
            filled = filled.groupby(keys).bfill()
        if others := int(empty.sum()) - first:
            words = f"{counted(others, 'missing value')} of {name} {agreeing('were', others)}"
            self.note(f"{words} filled with the previous value.")
        return np.where(empty, filled.to_numpy(), numbers)

    def _broken_cell(self, row: int, name: str, empty: bool, missing: str) -> UserError:
        cell, more = self.text(name).iloc[row], ""
        place = f"{self.where(row)}, column {name}"
        if empty and missing == "before":
            return UserError(f"{place}: the value is missing, and its series has no other value to fill it with.")
        if empty:
            if missing != "never":
                more = f"; fill it in, or {self.setting('data.missing=before')} to repeat the value before it"
            return UserError(f"{place}: the value is missing ({cell!r}){more}.")
        if "," in cell and self.decimal == ".":
            more = ", given data.decimal=point"
        return UserError(f"{place}: {cell!r} is not a finite number{more}.")


def has_units(frame: pd.DataFrame) -> bool:
    """Return whether a table's first row has units (``°C,hPa``): words where all cells below are numbers.

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


def unit_in_cells(cells: pd.Series) -> str | None:
    """Return the unit that follows the number in most cells, except missing ones; None if there is none.

    >>> unit_in_cells(pd.Series(["0.1144 g", "-3 g", "NA"])), unit_in_cells(pd.Series(["1st", "2nd"]))
    ('g', None)
    """
    known = plain(cells[~cells.str.lower().isin(MISSING)])
    parts = known.str.extract(r"^(?P<number>\S*\d\S*?) ?(?P<unit>[^\d\W]\S{0,9}|[%°$€£]\S{0,3})$")
    units = parts["unit"][parts["number"].str.fullmatch(LOOKS).fillna(False).astype(bool)]
    return str(units.mode()[0]) if len(units) and units.value_counts().max() > len(known) / 2 else None


def as_cells(column: pd.Series) -> pd.Series:
    """Return a data frame's column as table cells: numbers and times unchanged, all else as text, "" if missing."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype("float64")
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return column.astype("str").str.strip().mask(column.isna(), "")


def text_array(cells: pd.Series) -> np.ndarray:
    """Convert cells to a text array via objects, because pandas with pyarrow truncates to a missing value's length.

    >>> text_array(pd.Series(["long", None], dtype="str")).tolist()
    ['long', 'nan']
    """
    return cells.to_numpy(dtype=object).astype(str)


def join(tables: Sequence[Table], parts: Sequence[int] | None = None) -> Table:
    """Stack one or several files with the same columns into one table, in the given order.

    ``parts`` say for each file whether it is for train (0), validation (1) or test (2).

    Raises:
        UserError: a file lacks a column of the first.
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
