"""The roles of a table's columns, given or inferred and noted, and its rows in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from src.config.errors import UserError, agreeing
from src.data.own import times
from src.data.own.cell_sequences import names_sounds
from src.data.own.cells import Table, text_array, unit_in_cells
from src.data.own.csv_table import counts
from src.data.own.forms import is_prose
from src.data.plain import kept

NO_GROUP = "none"  # data.group_column=none: no groups
# Usual names of columns that identify series, and of those that identify sequences, persons or machines.
SERIES = ("unique_id", "series_id", "series", "ts_id", "item_id", "sequence_id", "recording_id")
ITEMS: tuple[str, ...] = (
    "sequence",
    "recording",
    "take",
    "trial",
    "trial_id",
    "episode",
    "episode_id",
    "session",
    "session_id",
)
ITEMS += (
    "sample_id",
    "track_id",
    "group",
    "group_id",
    "id",
    "subject",
    "subject_id",
    "machine_id",
    "device_id",
    "user_id",
)
WIDE = 8  # with this many columns and a target of few whole numbers, rows without times and groups are sequences


@kept
class Roles:
    """The role of each column, fixed by the training file."""

    kind: str  # forecasting, classification or regression
    features: list[str]  # input columns
    targets: list[str]  # columns to predict
    time: list[str]  # timestamp columns: none, one, a date and a clock, or year, month, day, ...
    group: str | None  # the series or sequence of a row
    text: str | None = None  # has a sequence in each cell: a text, or the name of an audio file
    sounds: bool = False  # it has names of audio files
    known: list[str] = field(default_factory=list)  # features known in advance
    static: list[str] = field(default_factory=list)  # have one value per series


def find_roles(table: Table, given: Roles, splits: set[str | None]) -> Roles:
    """Determine each column's role: as ``given``, or if open ("", [] or None), inferred from its content.

    Columns that state ``splits`` have no other role, except as groups.

    Raises:
        UserError: a column does not exist or has two roles, or no input column is left.
    """
    features, target, time, group = given.features, given.targets, given.time, given.group
    target, group, text = target or table.hints.target, group or table.hints.group, given.text or table.hints.text
    groups = [group] if group and (group != NO_GROUP or group in table.names) else []
    options = {"time_column": time, "group_column": groups, "target": target, "features": features}
    options |= {"text_column": [text] if text else [], "known": given.known, "static": given.static}
    for option, names in options.items():
        table.need(names, f"data.{option}")
    sounds = [n for n in table.names if n not in target and names_sounds(table, n)] if target and not text else []
    if target and not (text or sounds or given.features or given.kind == "forecasting"):
        text = _only_words(table, {*target, *time, group, *splits})
    if text or sounds:
        return _of_whole_cells(table, given, target, text or sounds[0], not text)
    if group == NO_GROUP and group not in table.names:
        group = None
    elif group is None:
        group = _guessed_group(table, time, {*target, *features, *splits, *given.known, *given.static})
    if not time:
        played = (*target, *features, *given.known, *given.static)
        time = [name for name in times.time_columns(table, group) if name not in played]
        _say_time(table, time)
    ahead = given.known + given.static
    kind = given.kind or ("forecasting" if ahead else _inferred(table, target, group, bool(time)))
    if ahead and kind != "forecasting":
        raise UserError(f"data.known and data.static are for forecasting: use data.features for {' and '.join(ahead)}.")
    if kind != "forecasting" and not target:
        raise UserError(f"data.task={kind} needs data.target, the column to predict.")
    if not time and (kind == "forecasting" or group is not None):  # else the order of the rows has no effect
        time = _only_dates(table, group, {*target, *features, *ahead, *splits, group})
    taken = {*time, group, *splits, *given.static} | (set(target) if kind != "forecasting" else set())
    for option, names, others in (
        ("known", given.known, {*time, group, *target}),
        ("static", given.static, {*time, group, *target, *given.known}),
    ):
        if both := [name for name in names if name in others]:
            raise UserError(f"data.{option}={both[0]} already has another role (target, time, group or known).")
    if not features:
        features = _columns_of_numbers(table, [*target, *given.known], taken)
    if both := [name for name in features if name in taken]:
        raise UserError(f"data.features={both[0]} already has another role (target, time, group or split).")
    if kind == "forecasting":
        features = features + [name for name in (*target, *given.known) if name not in features]
        target = target or [name for name in features if name not in given.known]
    if not features or not target:
        cell = table.text(table.names[-1]).iloc[0]
        more = "; use data.separator=space if spaces separate columns" if len(table.names) == 1 and " " in cell else ""
        more = "; use data=text for plain text" if is_prose(table.files[0]) else more
        if not more and len(table.names) > 1 and not any(sign.isdigit() for sign in cell):
            words = [name for name in table.names if name not in (*target, *time)]
            more = f"; use data.text_column={(words or table.names)[0]} data.target=COLUMN for texts and their classes"
        raise UserError(
            f"{table.files[0]} has no numeric column left as input; its columns are {', '.join(table.names)}, and "
            f"{table.where(0)}, column {table.names[-1]}, is {cell!r}{more}."
        )
    return replace(given, kind=kind, features=features, targets=target, time=time, group=group, text=None)


def _only_words(table: Table, taken: set[str | None]) -> str | None:
    """Return the one column besides the target, if it has words and no times: texts to classify."""
    left = [name for name in table.names if name not in taken]
    if len(left) != 1 or table.is_numeric(left[0]) or times.time_columns(table, None):
        return None
    return None if times.columns_of_dates(table, taken) else left[0]


def _say_time(table: Table, time: list[str]) -> None:
    if time:
        named = f"The columns {', '.join(time)} were" if len(time) > 2 else f"The column {' and '.join(time)} was"
        table.note(f"{named} read as time; set data.time_column to change that.")


def _only_dates(table: Table, group: str | None, taken: set[str | None]) -> list[str]:
    """Return the only column of dates that may order the rows, or none; note which order they have.

    Raises:
        UserError: there are several.
    """
    dates = times.columns_of_dates(table, taken)
    time = [name for name in dates if times.mostly_differ(table, name, group)]
    if len(time) > 1:
        raise UserError(
            f"{table.files[0]}: the columns {' and '.join(time)} all have dates, any of which may order the rows: "
            f"choose one with data.time_column, e.g. data.time_column={time[0]}."
        )
    _say_time(table, time)
    if not time and (group is None or group != table.hints.group):  # a format with sequences has their order
        why = f" (the dates in {' and '.join(dates)} recur)" if dates else ""
        table.note(f"No time column was found{why}: rows are in the order of the file; data.time_column sets one.")
    return time


def _guessed_group(table: Table, time: list[str], taken: set[str | None]) -> str | None:
    """Infer the column that identifies series or sequences, by its name and repeated values or by its blocks; note it.

    If all times in the file differ, it may be a single series, so only unambiguous names count. Blocks count if they
    are of words, because numbers in blocks may be values.
    """
    times_alone = time or times.time_columns(table, None)
    one_series = bool(times_alone) and not times.stands_twice(table, times_alone)
    left = [name for name in table.names if name not in taken and name not in time]
    called = {name.lower(): name for name in reversed(left)}
    for word in (*SERIES, *(() if one_series else ITEMS)):
        if word in called and _repeats(table, called[word]):
            return _said(table, called[word], "of its name and its repeated values")
    if one_series:
        return None
    for name in left:
        if name not in times_alone and not table.is_numeric(name) and _repeats(table, name) and _in_blocks(table, name):
            return _said(table, name, "its values are in blocks")
    return None


def _said(table: Table, name: str, why: str) -> str:
    table.note(f"The column {name} was read as groups, because {why}; data.group_column sets another, or {NO_GROUP}.")
    return name


def _repeats(table: Table, name: str) -> bool:
    """Return whether a column has at least two distinct words or whole numbers, most of them in several rows."""
    cells = table.frame[name]
    if table.is_numeric(name) and (table.parsed(name)[0] % 1 != 0).any():
        return False
    return not (cells.isna() | (cells == "")).any() and 2 <= cells.nunique() <= len(cells) / 2


def _in_blocks(table: Table, name: str) -> bool:
    cells = text_array(table.text(name))
    return int((cells[1:] != cells[:-1]).sum()) + 1 == len(np.unique(cells))


def _of_whole_cells(table: Table, given: Roles, target: list[str], name: str, sounds: bool) -> Roles:
    """Return the roles if each row is a sequence: a text, or the name of an audio file."""
    if not target:
        raise UserError(f"The texts in {name} need data.target, the column to predict.")
    if given.kind == "forecasting":
        raise UserError(f"data.task=forecasting needs series of numbers, but {name} has a text in each row.")
    what = "names of audio files, which are classified by their log-mel energies" if sounds else "texts"
    table.note(f"The column {name} was read as {what}.")
    kind = given.kind or _kind_of_labels(table, target[0], len(target))
    return Roles(kind, [name], target, [], None, name, sounds)


def _columns_of_numbers(table: Table, target: list[str], taken: set[str | None]) -> list[str]:
    left = [name for name in table.names if name not in taken]
    features = [name for name in left if table.is_numeric(name) or name in target]
    if ignored := [name for name in left if name not in features]:
        table.note(f"Columns without numbers were ignored: {', '.join(ignored)}.")
        for name in ignored:
            if (unit := unit_in_cells(table.text(name).head(1000))) is not None:
                table.note(f"Most cells of {name} have a unit ({unit}); if it is removed, the column becomes an input.")
    counting = [name for name in features if name not in target and _counts(table, name)]
    if counting and len(counting) < len(features):
        features = [name for name in features if name not in counting]
        table.note(f"Columns that count the rows were ignored: {', '.join(counting)}; data.features adds them.")
    return features


def _counts(table: Table, name: str) -> bool:
    """Return whether a column's cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    cells = table.frame[name]
    if not pd.api.types.is_numeric_dtype(cells):
        return cells.iloc[0] in ("0", "1") and counts(cells.tolist())
    numbers = cells.to_numpy()
    return numbers[0] in (0, 1) and bool((numbers == np.arange(len(numbers)) + numbers[0]).all())


def _inferred(table: Table, target: list[str], group: str | None, timed: bool) -> str:
    groups = table.frame.groupby(group, sort=False) if group is not None else None
    labels = ", ".join(target)
    kind, why = "forecasting", "no target is constant within every group"
    wide = groups is None and not timed and len(target) == 1 and len(table.names) > WIDE
    if target and not table.is_numeric(target[0]):
        kind, why = "classification", f"{labels} has no numbers"
    elif wide and _kind_of_labels(table, target[0], 1) == "classification":
        kind, why = "classification", f"there are no times, and {labels} has few different whole numbers"
    elif groups is None:
        why = "there is no group column"
    elif target and bool((groups[target].nunique() <= 1).all(axis=None)):
        kind = _kind_of_labels(table, target[0], len(target))
        why = f"{labels} is constant within every group"
    elif not target and (label := _label_of_groups(table, group)):
        why = f"data.target was not given (data.target={label}, constant within every group, would be classified)"
    table.note(f"data.task={kind} was inferred, because {why}; set data.task to change it.")
    return kind


def _label_of_groups(table: Table, group: str | None) -> str | None:
    """The first column of words with one value in each group, and several in all."""
    groups = table.frame.groupby(group, sort=False)
    words = [name for name in table.names if not table.is_numeric(name) and name != group]
    return next((n for n in words if table.frame[n].nunique() > 1 and (groups[n].nunique() <= 1).all()), None)


def _kind_of_labels(table: Table, name: str, number: int) -> str:
    numbers, missing = table.parsed(name)
    values = numbers[~missing]
    words = bool(np.isnan(values).any())
    whole = not words and bool((values == values.round()).all()) and len(np.unique(values)) <= 20
    return "classification" if (words or whole) and number == 1 else "regression"


@dataclass(frozen=True)
class Rows:
    """The rows of a table, with groups in file order and each sorted by time."""

    table: Table
    names: list[str]  # of the groups
    groups: np.ndarray  # (rows,) the group of each row
    lengths: np.ndarray  # (groups,) rows of each
    times: pd.Series | None  # (rows,) timestamps or numbers, if there are any

    @property
    def first(self) -> np.ndarray:
        """The first row of each group, (groups,)."""
        return np.cumsum(self.lengths) - self.lengths

    def where(self, chosen: np.ndarray) -> Rows:
        """Select rows by a mask (rows,); a group may become empty."""
        groups = self.groups[chosen]
        stamps = None if self.times is None else self.times[chosen].reset_index(drop=True)
        lengths = np.bincount(groups, minlength=len(self.names))
        return Rows(self.table.take(np.flatnonzero(chosen)), self.names, groups, lengths, stamps)


def in_order(table: Table, roles: Roles, day_first: bool | None) -> Rows:
    """Sort the rows of a table by group, and by time within each group.

    Raises:
        UserError: a group or a time is missing, or a time occurs twice in a group.
    """
    groups, names = _groups(table, roles)
    stamps = times.read_times(table, roles.time, day_first) if roles.time else None
    order = np.argsort(groups, kind="stable") if stamps is None else np.lexsort((stamps.to_numpy(), groups))
    if (np.diff(order)[np.diff(groups[order]) == 0] < 0).any():
        table.note(f"The rows were not in order and were sorted by {' and '.join(roles.time)}.")
    if (np.diff(order) != 1).any():  # most files are in order and need no copy
        table, groups = table.take(order), groups[order]
    if stamps is not None:
        stamps = stamps.iloc[order].reset_index(drop=True)
        times.refuse_twice(table, stamps, groups, roles.time, roles.group is not None)
        usual, other = times.spacing(stamps, groups)
        if other:
            table.note(
                f"{other} of {len(stamps)} rows {agreeing('are', other)} not at the usual interval in "
                f"{' and '.join(roles.time)} ({times.distance(usual)}); {table.setting('data.resample')} to make "
                "the intervals equal."
            )
    return Rows(table, names, groups, np.bincount(groups, minlength=len(names)), stamps)


def _groups(table: Table, roles: Roles) -> tuple[np.ndarray, list[str]]:
    """Return each row's group (rows,) and the groups' names; without a group column, one series or one per row."""
    if roles.group is not None:
        cells = table.text(roles.group)
        table.refuse(cells == "", roles.group, "the group is missing")
        # A series may continue in the next file; sequences with their own labels may not.
        keys = cells if roles.kind == "forecasting" else cells + "\n" + pd.Series(table.file).astype(str)
        groups, names = pd.factorize(keys)
        return groups, [str(name).partition("\n")[0] for name in names]
    if roles.kind != "forecasting":
        return np.arange(len(table.frame)), [str(line) for line in table.line]
    if not roles.time and len(table.files) > 1:
        return table.file, [file.name for file in table.files]
    return np.zeros(len(table.frame), int), ["series"]


def refuse_two(rows: Rows, values: np.ndarray, what: str) -> None:
    """Refuse a group whose rows have different values.

    Raises:
        UserError: a group has two values; the message names the row and both values.
    """
    differs = (values[1:] != values[:-1]) & (rows.groups[1:] == rows.groups[:-1])
    if differs.any():
        row = int(differs.argmax()) + 1
        raise UserError(
            f"{rows.table.where(row)}: the group {rows.names[rows.groups[row]]} has two different {what}, "
            f"{values[row - 1]} and {values[row]}, but must have one."
        )
