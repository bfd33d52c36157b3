"""The user's own table: series to forecast, or sequences with a class or values each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from src.config.errors import UserError, agreeing, counted
from src.data.describe import Description, Horizon
from src.data.module import NewData, files_checksum, say_large
from src.data.own import row_splits, times
from src.data.own.cell_sequences import spectra_of, tokens_of
from src.data.own.cells import join, text_array
from src.data.own.labelled import OwnData, has_labels
from src.data.own.roles import Roles, Rows, find_roles, in_order, refuse_two
from src.data.own.static import Static
from src.data.own.tables import read_table, to_train_on
from src.data.splits import SPLITS
from src.data.text import encode, learn_vocabulary
from src.data.windows import Series

NO_CLASS = ("", "nan", "n/a", "#n/a", "<na>", "nat", "null")  # "none", "na" and symbols may be class names
# Names of columns of persons or machines, whose sequences are similar.
OWNERS = (
    *("subject", "subject_id", "person", "speaker", "patient", "patient_id", "user", "user_id", "participant"),
    *("machine", "machine_id", "device", "device_id", "unit"),
)
NAMES = ("nan", "null")  # among words, these may be class names as well


class CSV(OwnData):
    """A table in any format; docs/file_formats.md describes all options.

    Without ``group_column``, forecasting has one series; otherwise each row of the file is a sequence with one value
    per step, a text or an audio file. See :func:`~src.data.own.tables.read_table` and
    :func:`~src.data.own.times.read_times` for how cells and times are read.
    """

    form = "csv"
    tasks: ClassVar[tuple[str, ...]] = ("forecasting", "classification", "regression")
    fitted: ClassVar[tuple[str, ...]] = ("roles", "scaling", "decimals", "vocabulary", "rate", "static")
    roles: Roles
    vocabulary: tuple[str, ...] = ()  # of texts
    rate: int | None = None  # samples per second of sounds
    static: Static | None = None  # per-series inputs of each step
    decimals: tuple[tuple[str, str], ...] = ()  # decimal signs of columns whose cells show it

    def __init__(
        self,
        *,
        target: str | Sequence[str] | None = None,
        features: str | Sequence[str] | None = None,
        time_column: str | Sequence[str] | None = None,
        group_column: str | None = None,
        known: str | Sequence[str] | None = None,
        static: str | Sequence[str] | None = None,
        text_column: str | None = None,
        level: str | None = None,
        min_count: int | None = None,
        season: int | None = None,
        resample: str | None = None,
        resample_by: str | None = None,
        missing: str = "refuse",
        missing_values: str | float | Sequence[str | float] | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        encoding: str = "utf-8-sig",
        day_first: bool | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        columns = (_listed(features), _listed(target), _listed(time_column), group_column, text_column)
        self.given = Roles(self.task or "", *columns, known=_listed(known), static=_listed(static))
        self.level, self.min_count = level or "char", min_count or 1
        self.season, self.missing, self.day_first = season, missing, day_first
        self.resample, self.resample_by = resample, resample_by or "mean"
        codes = [missing_values] if isinstance(missing_values, str | int | float) else list(missing_values or [])
        self.dialect: dict[str, Any] = {
            "separator": separator, "decimal": decimal, "encoding": encoding, "missing_values": codes,
        }  # fmt: skip

    def read(self) -> Description:
        """Read the file, infer the roles of its columns, split, fit and scale."""
        further = row_splits.files_of(self.splits_wanted)
        say_large(self.path)
        table = to_train_on(self.path, **self.dialect)
        if further:
            table = join([table, *(read_table(file, **self.dialect) for file in further)], [0, 1, 2])
        of_names = self.splits_wanted if isinstance(self.splits_wanted, str) else ""
        files = [*table.files, *([Path(of_names).expanduser()] if of_names and of_names not in table.names else [])]
        self.checksum = files_checksum(file for file in files if file.is_file())
        if self.split_by is not None:
            table.need([self.split_by], "data.split_by")
        self.roles = find_roles(table, self.given, {of_names, self.split_by})
        rows = in_order(table, self.roles, self.day_first)
        description = self._forecasting(rows) if self.roles.kind == "forecasting" else self._sequences(rows)
        self.decimals = tuple((name, notation.decimal) for name, notation in table.notations.items())
        self.note(table.notes)
        return description

    def _split_of(self, rows: Rows) -> np.ndarray | None:
        """Return the split of each row (rows,) if stated, or None; with ``data.split_by``, drawn for each owner."""
        split_of = row_splits.stated(self.splits_wanted, rows)
        if self.split_by is None:
            return split_of
        owners = text_array(rows.table.text(self.split_by))
        rows.table.refuse(owners == "", self.split_by, "the value is missing, but data.split_by needs it")
        refuse_two(rows, owners, f"values of {self.split_by}")
        of_groups = self.kept_together(owners[rows.first], None if split_of is None else split_of[rows.first])
        assert of_groups is not None
        return of_groups[rows.groups] if split_of is None else split_of

    def _numbers(self, rows: Rows, names: Sequence[str]) -> tuple[Rows, np.ndarray, np.ndarray]:
        """Return the rows, resampled if ``data.resample`` is set, their values (rows, names), and which were filled."""
        table = rows.table
        if self.resample is None:
            values = table.numbers(names, self.missing, rows.groups)
            return rows, values, np.stack([table.parsed(name)[1] for name in names], 1)
        if rows.times is None:
            raise UserError(f"data.resample={self.resample} needs a time column: name it with data.time_column.")
        if len(table.files) > 1 or self.splits_wanted in table.names:
            raise UserError(
                f"data.resample={self.resample} makes new rows, to which data.splits={self.splits_wanted} does not "
                "apply: give fractions, or the two times at which validation and test begin."
            )
        stamps, groups, values = times.resampled(
            rows.times, rows.groups, table.numbers(names, "leave"), self.resample, self.resample_by
        )
        lengths = np.bincount(groups, minlength=len(rows.names))
        empty = np.isnan(values)
        if empty.any():
            row = int(empty.any(1).argmax())
            if self.missing == "refuse":
                raise UserError(
                    f"{table.files[0]}: {int(empty.any(1).sum())} of the {len(values)} intervals of data.resample="
                    f"{self.resample} lack a value, the first at {stamps[row]} in {rows.names[groups[row]]}; "
                    f"{table.setting('a longer interval')}, or data.missing=before to repeat the value before."
                )
            values = self._filled(rows, names, groups, values)
        table.note(
            f"{counted(len(rows.groups), 'row')} {agreeing('were', len(rows.groups))} resampled to {len(values):,}, "
            f"one per {self.resample} ({self.resample_by})."
        )
        return replace(rows, groups=groups, lengths=lengths, times=stamps), values, empty

    def _filled(self, rows: Rows, names: Sequence[str], groups: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Fill the values (intervals, names) of empty intervals, and note how many there are.

        Raises:
            UserError: a series has no value in a column.
        """
        empty = np.isnan(values).any(1)
        filled = pd.DataFrame(values).groupby(groups).ffill()
        early = filled.isna().any(axis=1).to_numpy()
        filled = filled.groupby(groups).bfill()
        if (nothing := filled.isna().to_numpy()).any():
            row, column = np.argwhere(nothing)[0]
            raise UserError(f"{rows.table.files[0]}: {rows.names[groups[row]]} has no value of {names[column]}.")
        number, first = int(empty.sum()), int(early.sum())
        words = f"{number:,} of the {len(values):,} intervals lacked a value and {agreeing('were', number)}"
        at_start = f" ({first:,} at the start of a series: with the first one)" if first else ""
        rows.table.note(f"{words} filled with the previous one{at_start}.")
        return filled.to_numpy()

    def _say_scored(self, rows: Rows, filled: np.ndarray, split_of: np.ndarray) -> None:
        """Note how many targets of validation and test are ``filled`` (rows, targets), for these have no truth."""
        for part in (1, 2):
            here = filled[split_of == part]
            if number := int(here.sum()):
                rows.table.note(
                    f"{number:,} of {counted(here.size, 'value')} of the {SPLITS[part]} split "
                    f"{agreeing('were', number)} filled and count in its errors, and those of the naive forecasts, as "
                    "if measured."
                )

    def _cut(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Return the rows up to each series' last value and, if columns are known in advance, the rows after it.

        Raises:
            UserError: a series has no values at all.
        """
        if not self.roles.known:
            return rows, None
        empty = np.stack([rows.table.parsed(name)[1] for name in self.roles.targets], 1).min(1).astype(int)
        after = pd.Series(empty[::-1]).groupby(rows.groups[::-1]).cummin().to_numpy()[::-1] == 1
        history = rows.where(~after)
        if not history.lengths.all():
            name = rows.names[int(history.lengths.argmin())]
            raise UserError(f"{rows.table.files[0]}: {name} has no values of {' or '.join(self.roles.targets)}.")
        return history, rows.where(after)

    def _forecasting(self, rows: Rows) -> Description:
        rows, after = self._cut(rows)
        if after is not None and len(after.groups):
            rows.table.note(
                f"Rows after the last known value were skipped ({len(after.groups):,}); use predict to forecast them."
            )
        given, (rows, values, filled) = rows, self._numbers(rows, self.roles.features)
        split_of = self._split_of(rows if self.split_by is None else given)
        if split_of is not None and self.split_by is not None:
            split_of = split_of[given.first][rows.groups]  # data.resample makes other rows of the same series
        if split_of is None:
            split_of = row_splits.by_order(self.splits_wanted, rows.lengths)
            if unused := int((split_of > 2).sum()):
                rows.table.note(
                    f"Rows beyond those counted by data.splits={list(self.splits_wanted)} were skipped "
                    f"({unused:,} of {len(split_of):,})."
                )
        if (back := (np.diff(split_of) < 0) & (np.diff(rows.groups) == 0)).any():
            row = int(back.argmax()) + 1
            raise UserError(
                f"{rows.table.where(row)}: a {SPLITS[split_of[row]]} row follows a row of a later split in its series; "
                "within a series, train must come first, then val, then test."
            )
        targets = [self.roles.features.index(name) for name in self.roles.targets]
        self._say_scored(rows, filled[:, targets], split_of)
        short = [n for n, k in zip(rows.names, rows.lengths, strict=True) if k < self.lookback + self.horizon]
        if 0 < len(short) < len(rows.names):
            words = f"{counted(len(short), 'series')} {agreeing('are', len(short))}"
            rows.table.note(f"{words} too short for a single window, e.g. {short[0]}.")
        season: int | np.ndarray | None = self.season
        if season is None and rows.times is not None:
            season = times.seasons(rows.times, rows.groups)
            if len(found := np.unique(season[season > 0])):
                many = f"{' or '.join(str(k) for k in found)} rows{' (by series)' if len(found) > 1 else ''}"
                rows.table.note(f"A season of {many} was inferred from the timestamps; set data.season to change it.")
        self.times = rows.times
        static = None
        if self.roles.static:
            trained = np.unique(rows.groups[split_of == 0])
            self.static = Static.fit(self.roles.static, given, np.isin(np.arange(len(rows.names)), trained))
            static = self.static.of(given)
        roles = self.roles
        series = Series(
            values, rows.lengths, split_of, roles.features, roles.targets, rows.names, known=roles.known, static=static
        )
        return self.forecasting(series, season)

    def _sequences(self, rows: Rows) -> Description:
        split_of = self._split_of(rows)
        y = self._targets(rows)
        if split_of is not None:
            refuse_two(rows, np.array(SPLITS)[split_of], "splits")
            split_of = split_of[rows.first]
        split_of = self.shared_out(self.roles.kind, len(rows.lengths), y, split_of)
        if self.roles.text is not None and not self.roles.sounds:
            tokens = tokens_of(rows.table, self.roles.text, self.level)
            known = [tokens[k] for k in np.flatnonzero(split_of == 0)]
            self.vocabulary = learn_vocabulary(known, self.min_count)
        values, lengths = self._values(rows)
        items = rows.table.line[rows.first] if self.roles.group is None else np.array(rows.names)
        description = self.fill(self.roles.kind, values, lengths, y, split_of, items=items, names=self.roles.targets)
        self._say_shared(rows, dict(zip(items.tolist(), rows.first.tolist(), strict=True)))
        return description

    def _say_shared(self, rows: Rows, row_of: dict[Any, int]) -> None:
        """Note a column of persons or machines whose sequences are in several splits."""
        for name in rows.table.names:
            if name.lower() in OWNERS and name not in (self.split_by, self.roles.group, *self.roles.targets):
                owner = rows.table.text(name).tolist()
                in_parts = [{owner[row_of[item]] for item in self.items[split].tolist()} for split in SPLITS]
                if sum(map(len, in_parts)) > len(set.union(*in_parts)) and len(set(owner)) > 1:
                    rows.table.note(
                        f"sequences of the same {name} are in several splits; data.split_by={name} keeps them together."
                    )

    def _values(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Return (total steps, features) and lengths (sequences,); without groups each row is a one-feature sequence.

        Texts become (total steps,) tokens, audio files become spectra.
        """
        if self.roles.text is not None:
            return self._of_cells(rows, self.roles.text)
        if self.roles.group is not None:
            return rows.table.numbers(self.roles.features, self.missing, rows.groups), rows.lengths
        # Sequences of different length have empty cells at the end of their row.
        empty = np.stack([rows.table.parsed(name)[1] for name in self.roles.features], 1)
        lengths = empty.shape[1] - empty[:, ::-1].cumprod(1).sum(1)
        steps = np.arange(empty.shape[1])
        cells = pd.concat([rows.table.text(name) for name in self.roles.features], axis=1)
        short = cells.mask(steps[None, :] >= np.maximum(lengths, 1)[:, None], "0")
        values = replace(rows.table, frame=short).numbers(self.roles.features, "never")
        return values[steps[None, :] < lengths[:, None]][:, None], lengths

    def _of_cells(self, rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
        pieces: list[np.ndarray]
        if self.roles.sounds:
            self.rate, pieces = spectra_of(rows.table, name, self.rate)
        else:
            tokens = tokens_of(rows.table, name, self.level)
            pieces = [encode(piece, self.vocabulary).astype(np.int64) for piece in tokens]
        return np.concatenate(pieces), np.array([len(piece) for piece in pieces])

    def _targets(self, rows: Rows) -> np.ndarray:
        """Return (sequences,) classes as text, or (sequences, values) float64, constant within every group."""
        names = self.roles.targets
        if self.roles.kind == "regression":
            values = rows.table.numbers(names, "leave" if rows.table.of_run else "never")
            without = _unlabelled(rows, np.isnan(values).any(1))
            for k, name in enumerate(names):
                refuse_two(rows, np.where(without, 0.0, values[:, k]), f"values of {name}")
            return np.where(without[:, None], np.nan, values)[rows.first]
        if len(names) > 1:
            raise UserError(f"data.target must be one column for classification, got {', '.join(names)}.")
        labels = text_array(rows.table.text(names[0]))
        missing = np.isin(np.char.lower(labels), NO_CLASS)
        numbers = rows.table.parsed(names[0])[0][~missing]
        if not np.isfinite(numbers).all():
            for word in sorted({*NAMES} & {*labels.tolist()}):
                more = f"data.missing_values=[{word}] treats it as missing"
                rows.table.note(f"{names[0]} has a class called {word}; {more}.")
            missing &= ~np.isin(labels, NAMES)
        if rows.table.of_run:
            labels = np.where(_unlabelled(rows, missing), "", labels)
        else:
            rows.table.refuse(missing, names[0], "the class is missing")
        refuse_two(rows, labels, f"classes in {names[0]}")
        return labels[rows.first]

    def new_data(self, path: str) -> NewData:
        """Read the sequences of a new file, scaled like the training file, with targets if the file has them."""
        description, roles = self.description, self.roles
        table = read_table(path, **self.dialect)
        table.trained, table.of_run = dict(self.decimals), True
        places = [name for name in (*roles.time, roles.group) if name is not None]
        table.need([*roles.features, *roles.static, *places])
        rows = in_order(table, roles, self.day_first)
        if isinstance(description.output, Horizon):
            return self._last_windows(rows, description.output)
        values, lengths = self._values(rows)
        there = all(name in table.names and (rows.table.text(name) != "").any() for name in roles.targets)
        y = self._targets(rows) if there else None
        split = self.new_split(roles.kind, values, lengths, y, str(path))
        there = there and has_labels(split.targets)
        return NewData(split, rows.names, labelled=there)

    def _last_windows(self, rows: Rows, output: Horizon) -> NewData:
        given, after = self._cut(rows)
        rows, numbers, _ = self._numbers(given, self.roles.features)
        long = np.flatnonzero(rows.lengths >= self.lookback)
        if not len(long):
            first = "the series" if rows.names == ["series"] else rows.names[0]
            raise UserError(
                f"{rows.table.files[0]}: {first} has {counted(rows.lengths[0], 'row')}, but a forecast reads "
                f"data.lookback={self.lookback}."
            )
        if short := [name for k, name in enumerate(rows.names) if k not in long]:
            words = f"{counted(len(short), 'series')} {agreeing('are', len(short))}"
            rows.table.note(f"{words} shorter than data.lookback={self.lookback}, e.g. {short[0]}.")
        static = self.static.of(given) if self.static is not None else None
        ahead = None if after is None else self._known_ahead(rows, after, long, output.steps)
        split = self.last_rows(rows.names, numbers, rows.lengths, long, output, static=static, ahead=ahead)

        def following(row: int, number: int) -> list[str]:
            if rows.times is None:
                return [""] * number
            return times.following(rows.times[rows.groups == long[row]].reset_index(drop=True), number)

        return NewData(split, [rows.names[k] for k in long], labelled=False, following=following)

    def _known_ahead(self, read: Rows, after: Rows, chosen: np.ndarray, steps: int) -> np.ndarray:
        """Return the rows after those read of each chosen series, (chosen, steps, features), 0 where unknown.

        Raises:
            UserError: there are too few rows.
        """
        known, features = self.roles.known, self.roles.features
        if len(after.groups):
            after, numbers, _ = self._numbers(after, known)
            if self.resample is not None:  # the interval with the last value is read, not forecast
                assert read.times is not None
                assert after.times is not None
                last = read.times.groupby(read.groups).last()
                later = after.times.to_numpy() > last[after.groups].to_numpy()
                numbers, groups = numbers[later], after.groups[later]
                after = replace(after, groups=groups, lengths=np.bincount(groups, minlength=len(after.names)))
        for k in chosen.tolist():
            if after.lengths[k] < steps:
                there, target = counted(int(after.lengths[k]), "row"), " or ".join(self.roles.targets)
                raise UserError(
                    f"{after.table.files[0]}: {after.names[k]} has {there} after its last value of {target}, but a "
                    f"forecast of {steps} rows reads {' and '.join(known)} (data.known) in each: add rows that have "
                    f"these, and nothing in {target}."
                )
        ahead = np.zeros((len(chosen), steps, len(features)))
        for k, first in enumerate(after.first[chosen].tolist()):
            ahead[k][:, [features.index(name) for name in known]] = numbers[first : first + steps]
        return ahead


def _unlabelled(rows: Rows, missing: np.ndarray) -> np.ndarray:
    """Return the rows (rows,) of sequences in which a target is ``missing`` (rows,), and note how many these are."""
    without = np.bincount(rows.groups, missing, len(rows.names)) > 0
    if number := int(without.sum()):
        what = f"{counted(number, 'sequence')} of {len(without)}"
        rows.table.note(f"{what} {agreeing('have', number)} no target and {agreeing('are', number)} not scored.")
    return without[rows.groups]


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [] if names is None else [str(names)] if isinstance(names, str | int) else [str(name) for name in names]
