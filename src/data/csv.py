"""The user's own table: series to forecast, or sequences with a class or values for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from src.config import Mistake
from src.data import labelled, parts, times
from src.data.batches import FlatSplit
from src.data.describe import Description, Features, Horizon
from src.data.module import NewData, SequenceData, checksum
from src.data.plain import kept
from src.data.series import Scaling, Series, forecasting
from src.data.table import Table, join, read_table

TASKS = ("forecasting", "classification", "regression")
log = logging.getLogger(__name__)


@kept
@dataclass(frozen=True)
class Roles:
    """What each column is for: fixed on the training file, the same for new ones."""

    kind: str
    features: list[str]
    targets: list[str]
    time: list[str]
    group: str | None


@dataclass(frozen=True)
class Rows:
    """A table in order: by group as they come in the file, by time within each."""

    table: Table
    names: list[str]
    groups: np.ndarray
    lengths: np.ndarray
    times: pd.Series | None

    @property
    def first(self) -> np.ndarray:
        """(groups,) the first row of each group."""
        return np.cumsum(self.lengths) - self.lengths


class CSV(SequenceData):
    """A CSV file, read as docs/own_data.md says.

    >>> # python -m src.train data=csv data.path=load.csv data.horizon=24
    >>> # python -m src.train data=csv data.path=gestures.csv data.group_column=take data.target=gesture

    Args:
        path: the file.
        task: ``forecasting``, ``classification`` or ``regression``; None: found out from the columns, and said.
        target: the column (or columns) to predict. Forecasting: None is all features.
        features: the columns to read; None: every numeric one that has no other part to play.
        time_column: of time stamps (or two, of dates and clocks); None: one that is called so (date, time, ...), or a
            first one of dates.
        group_column: which series or sequence a row belongs to. None: forecasting has one series, otherwise each row
            of the file is a sequence of one value at each step.
        lookback: rows read by a forecast.
        horizon: rows forecast.
        season: rows after which a season repeats, for the seasonal naive forecast; None: a day of hours, a week of
            days, a year of months, ... from the time stamps.
        splits: three fractions; two times at which validation and test begin; the name of a column, or of a file of
            ``NAME,PART`` lines, that says train, val or test; or two further files, for validation and test.
        missing: ``refuse`` a missing value, or put the one ``before`` it there.
        separator, decimal, encoding: see :func:`~src.data.table.read_table`.
        day_first: see :func:`~src.data.times.read_times`.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    fitted = ("roles", "scaling")
    roles: Roles
    scaling: Scaling

    def __init__(
        self,
        *,
        path: str,
        task: str | None = None,
        target: str | Sequence[str] | None = None,
        features: str | Sequence[str] | None = None,
        time_column: str | Sequence[str] | None = None,
        group_column: str | None = None,
        lookback: int = 48,
        horizon: int = 24,
        season: int | None = None,
        splits: Any = (0.7, 0.15, 0.15),
        missing: str = "refuse",
        separator: str | None = None,
        decimal: str | None = None,
        encoding: str = "utf-8-sig",
        day_first: bool | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        if task is not None and task not in TASKS:
            raise Mistake(f"data.task={task} is unknown to data=csv: it must be one of {', '.join(TASKS)}.")
        if missing not in ("refuse", "before"):
            raise Mistake(f"data.missing={missing} is unknown: it must be refuse or before.")
        self.path, self.kind = path, task
        self.target, self.features = _listed(target), _listed(features)
        self.time_column, self.group_column = _listed(time_column), group_column
        self.lookback, self.horizon, self.season = lookback, horizon, season
        self.splits_wanted, self.missing = splits, missing
        self.dialect: dict[str, Any] = {"separator": separator, "decimal": decimal, "encoding": encoding}
        self.day_first = day_first

    # ---------------------------------------------------------------------------------------------------- reading

    def read(self) -> Description:
        """Read the file, find out what its columns are for, split, fit and scale."""
        table = join([read_table(file, **self.dialect) for file in [self.path, *parts.files_of(self.splits_wanted)]])
        of_names = self.splits_wanted if isinstance(self.splits_wanted, str) else ""
        files = [*table.files, *([Path(of_names).expanduser()] if of_names and of_names not in table.names else [])]
        self.checksum = checksum(*(file.read_bytes() for file in files if file.is_file()))
        self.roles = self._roles(table)
        rows = self._rows(table, self.roles)
        fill = self._forecasting if self.roles.kind == "forecasting" else self._sequences
        description = fill(rows)
        self.notes |= {f"note_{k + 1}": sentence for k, sentence in enumerate(table.notes)}
        return description

    def _roles(self, table: Table) -> Roles:
        group, split = self.group_column, self.splits_wanted
        for option, names in (
            ("data.time_column", self.time_column), ("data.group_column", [group]), ("data.target", self.target),
            ("data.features", self.features),
        ):  # fmt: skip
            table.need([name for name in names if name is not None], option)
        time = self.time_column or times.time_columns(table, group)
        if time and not self.time_column:
            time = [name for name in time if name not in self.target + self.features]
            if time:
                table.note(f"The column {' and '.join(time)} was taken for the times; data.time_column names another.")
        kind = self.kind or self._inferred(table)
        if kind != "forecasting" and not self.target:
            raise Mistake(f"data.target must be given for data.task={kind}: the column that holds what is predicted.")
        taken = {*time, group, split if isinstance(split, str) else None}
        taken |= set(self.target) if kind != "forecasting" else set()
        features = self.features
        if not features:
            left = [name for name in table.names if name not in taken]
            features = [name for name in left if table.is_numeric(name) or name in self.target]
            if ignored := [name for name in left if name not in features]:
                table.note(f"Columns without numbers were left out: {', '.join(ignored)}.")
        if both := [name for name in features if name in taken]:
            raise Mistake(f"data.features={both[0]} already has another part to play (target, time, group or split).")
        if kind == "forecasting":
            features = features + [name for name in self.target if name not in features]
        if not features:
            raise Mistake(
                f"{table.files[0]} has no column of numbers to read; its columns are {', '.join(table.names)}."
            )
        return Roles(kind, features, self.target or features, time, group)

    def _inferred(self, table: Table) -> str:
        groups = table.frame.groupby(self.group_column, sort=False) if self.group_column is not None else None
        labels = ", ".join(self.target)
        kind, why = "forecasting", "there is no target that is the same within every group"
        if self.target and not table.is_numeric(self.target[0]):
            kind, why = "classification", f"{labels} holds no numbers"
        elif groups is None:
            why = "there is no column of groups"
        elif self.target and bool((groups[self.target].nunique() <= 1).all(axis=None)):
            kind = _kind_of_labels(groups[self.target[0]].first(), len(self.target))
            why = f"{labels} is the same within every group"
        table.note(f"data.task was taken as {kind}, since {why}; data.task=... says otherwise.")
        return kind

    def _rows(self, table: Table, roles: Roles) -> Rows:
        groups, names = np.zeros(len(table.frame), int), ["series"]
        if roles.group is not None:
            empty = (table.frame[roles.group] == "").to_numpy()
            if empty.any():
                raise Mistake(f"{table.where(int(empty.argmax()))}, column {roles.group}: the group is missing.")
            groups, found = pd.factorize(table.frame[roles.group])
            names = [str(name) for name in found]
        elif roles.kind != "forecasting":
            groups, names = np.arange(len(groups)), [str(line) for line in table.line]
        if roles.group is None and not roles.time and len(table.files) > 1 and roles.kind == "forecasting":
            groups, names = table.file, [file.name for file in table.files]
        stamps = times.read_times(table, roles.time, self.day_first) if roles.time else None
        order = np.argsort(groups, kind="stable") if stamps is None else np.lexsort((stamps.to_numpy(), groups))
        if (np.diff(order)[np.diff(groups[order]) == 0] < 0).any():
            table.note(f"The rows were not in order and have been sorted by {' and '.join(roles.time)}.")
        table, groups = table.take(order), groups[order]
        if stamps is not None:
            stamps = stamps.iloc[order].reset_index(drop=True)
            times.refuse_twice(table, stamps, groups, roles.time, roles.group is not None)
            usual, other = times.spacing(stamps, groups)
            if other:
                table.note(
                    f"{other} of {len(stamps)} rows do not follow at the usual distance in {' and '.join(roles.time)} "
                    f"({usual})."
                )
        return Rows(table, names, groups, np.bincount(groups, minlength=len(names)), stamps)

    # ------------------------------------------------------------------------------------------------- forecasting

    def _forecasting(self, rows: Rows) -> Description:
        stated = parts.stated(self.splits_wanted, rows.table, rows.groups, rows.names, rows.times)
        part = parts.by_order(self.splits_wanted, rows.lengths) if stated is None else stated
        back = (np.diff(part) < 0) & (np.diff(rows.groups) == 0)
        if back.any():
            raise Mistake(
                f"{rows.table.where(int(back.argmax()) + 1)}: a row for {parts.PARTS[part[int(back.argmax()) + 1]]} "
                "comes "
                "after a later part of its series; within a series train comes first, then val, then test."
            )
        values = rows.table.numbers(self.roles.features, self.missing, rows.groups)
        short = [n for n, k in zip(rows.names, rows.lengths, strict=True) if k < self.lookback + self.horizon]
        if 0 < len(short) < len(rows.names):
            rows.table.note(f"{len(short)} series are too short for a single window, e.g. {short[0]}.")
        season = self.season
        if season is None and rows.times is not None:
            season = times.season_of(times.spacing(rows.times, rows.groups)[0])
            if season is not None:
                rows.table.note(
                    f"The season was taken as {season} rows from the time stamps; data.season=... says otherwise."
                )
        series = Series(values, rows.lengths, part, self.roles.features, self.roles.targets)
        description, self.scaling = forecasting(
            self, series, lookback=self.lookback, horizon=self.horizon, season=season
        )
        return description

    # --------------------------------------------------------------------------------------------- whole sequences

    def _sequences(self, rows: Rows) -> Description:
        values, lengths = self._values(rows)
        y = self._targets(rows)
        stated = parts.stated(self.splits_wanted, rows.table, rows.groups, rows.names, rows.times)
        if stated is not None:
            _refuse_two(rows, np.array([*parts.PARTS, "no part"])[stated], "parts")
            part = stated[rows.first]
        else:
            classes = self.roles.kind == "classification"
            keys = np.unique(y, return_inverse=True)[1] if classes else np.zeros(len(y), int)
            part = parts.by_chance(keys, self.splits_wanted, self.seed)
        train = values[np.repeat(part == 0, lengths)]
        if not len(train):
            raise Mistake(f"{self.path}: no sequence is for train; data.splits must leave some.")
        self.scaling = Scaling.fit(train)
        x = self.scaling.apply(values)
        return labelled.fill(self, self.roles.kind, Features(x.shape[1]), x, lengths, y, part, names=self.roles.targets)

    def _values(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """(steps in all, features) and (sequences,) lengths; without groups each row is a sequence of one feature."""
        if self.roles.group is not None:
            return rows.table.numbers(self.roles.features, self.missing, rows.groups), rows.lengths
        # Sequences of different length leave cells at the end of their row empty.
        empty = np.stack([rows.table.parsed(name)[1] for name in self.roles.features], 1)
        lengths = empty.shape[1] - empty[:, ::-1].cumprod(1).sum(1)
        steps = np.arange(empty.shape[1])
        short = rows.table.frame[self.roles.features].mask(steps[None, :] >= np.maximum(lengths, 1)[:, None], "0")
        whole = Table(short, rows.table.files, rows.table.file, rows.table.line, rows.table.decimal, rows.table.notes)
        values = whole.numbers(self.roles.features, "never")
        return values[steps[None, :] < lengths[:, None]][:, None], lengths

    def _targets(self, rows: Rows) -> np.ndarray:
        """(sequences,) classes as text, or (sequences, values) float64, the same within every group."""
        names = self.roles.targets
        if self.roles.kind == "regression":
            values = rows.table.numbers(names, "never")
            for k, name in enumerate(names):
                _refuse_two(rows, values[:, k], f"values of {name}")
            return values[rows.first]
        if len(names) > 1:
            raise Mistake(f"data.target names {len(names)} columns ({', '.join(names)}): a class is one column.")
        labels = rows.table.frame[names[0]].to_numpy(dtype=str)
        if (labels == "").any():
            raise Mistake(f"{rows.table.where(int((labels == '').argmax()))}, column {names[0]}: the class is missing.")
        _refuse_two(rows, labels, f"classes in {names[0]}")
        return labels[rows.first]

    # ------------------------------------------------------------------------------------------------- new files

    def new_data(self, path: str) -> NewData:
        """The sequences of a new file, scaled as the training file was; its targets where it has them."""
        description, roles = self.description, self.roles
        table = read_table(path, **self.dialect)
        known = [name for name in (*roles.time, roles.group) if name is not None]
        table.need([*roles.features, *known], "The run's column")
        rows = self._rows(table, roles)
        if isinstance(description.output, Horizon):
            return self._last_windows(rows, description.output)
        values, lengths = self._values(rows)
        there = all(name in table.names for name in roles.targets)
        y = self._targets(rows) if there else None
        split = labelled.new_split(roles.kind, description.output, self.scaling.apply(values), lengths, y, str(path))
        return NewData(split, rows.names, labelled=there)

    def _last_windows(self, rows: Rows, output: Horizon) -> NewData:
        for name, length in zip(rows.names, rows.lengths, strict=True):
            if length < self.lookback:
                raise Mistake(
                    f"{rows.table.files[0]}: {'the series' if rows.names == ['series'] else name} has {length} rows, "
                    "but "
                    f"a forecast reads data.lookback={self.lookback}."
                )
        values = self.scaling.apply(rows.table.numbers(self.roles.features, self.missing, rows.groups))
        ends = np.cumsum(rows.lengths)
        last = torch.cat([values[end - self.lookback : end] for end in ends.tolist()])
        split = FlatSplit(
            last, torch.full((len(ends),), self.lookback), torch.zeros(len(ends), output.steps, output.size)
        )

        def following(row: int, number: int) -> list[str]:
            if rows.times is None:
                return [""] * number
            return times.following(rows.times[rows.groups == row].reset_index(drop=True), number)

        return NewData(split, rows.names, labelled=False, following=following)


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [] if names is None else [str(names)] if isinstance(names, str | int) else [str(name) for name in names]


def _kind_of_labels(labels: pd.Series, number: int) -> str:
    values = pd.to_numeric(labels, errors="coerce")
    whole = not values.isna().any() and bool((values == values.round()).all())
    classes = values.isna().any() or (whole and values.nunique() <= 20)
    return "classification" if classes and number == 1 else "regression"


def _refuse_two(rows: Rows, values: np.ndarray, what: str) -> None:
    differs = (values[1:] != values[:-1]) & (rows.groups[1:] == rows.groups[:-1])
    if differs.any():
        row = int(differs.argmax()) + 1
        raise Mistake(
            f"{rows.table.where(row)}: the group {rows.names[rows.groups[row]]} has two different {what}, "
            f"{values[row - 1]} "
            f"and {values[row]}; each group must have one."
        )
