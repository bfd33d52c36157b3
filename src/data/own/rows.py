"""The rows of a user's table in order: by group, and by time within each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.config.errors import UserError
from src.data.own import times
from src.data.own.cells import Table
from src.data.own.roles import Roles


@dataclass(frozen=True)
class Rows:
    """A table in order: by group as they come in the file, by time within each."""

    table: Table
    names: list[str]  # of the groups
    groups: np.ndarray  # (rows,) which of them each row belongs to
    lengths: np.ndarray  # (groups,) rows of each
    times: pd.Series | None  # (rows,) time stamps or numbers; None: there are none

    @property
    def first(self) -> np.ndarray:
        """(groups,) the first row of each group."""
        return np.cumsum(self.lengths) - self.lengths


def in_order(table: Table, roles: Roles, day_first: bool | None) -> Rows:
    """The rows of a table by group, and by time within each.

    Raises:
        UserError: when a group or a time is missing, or a time stands twice in a group.
    """
    groups, names = _groups(table, roles)
    stamps = times.read_times(table, roles.time, day_first) if roles.time else None
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


def _groups(table: Table, roles: Roles) -> tuple[np.ndarray, list[str]]:
    """(rows,) the group of each row, and their names; without a column of groups: one series, or each row by itself."""
    if roles.group is not None:
        cells = table.frame[roles.group]
        table.refuse(cells == "", roles.group, "the group is missing")
        # A series goes on from file to file; sequences that are labelled one by one do not.
        keys = cells if roles.kind == "forecasting" else cells + "\n" + pd.Series(table.file).astype(str)
        groups, names = pd.factorize(keys)
        return groups, [str(name).partition("\n")[0] for name in names]
    if roles.kind != "forecasting":
        return np.arange(len(table.frame)), [str(line) for line in table.line]
    if not roles.time and len(table.files) > 1:
        return table.file, [file.name for file in table.files]
    return np.zeros(len(table.frame), int), ["series"]


def refuse_two(rows: Rows, values: np.ndarray, what: str) -> None:
    """Refuse a group whose rows do not all have the same value.

    Raises:
        UserError: names the row, the group and both values.
    """
    differs = (values[1:] != values[:-1]) & (rows.groups[1:] == rows.groups[:-1])
    if differs.any():
        row = int(differs.argmax()) + 1
        raise UserError(
            f"{rows.table.where(row)}: the group {rows.names[rows.groups[row]]} has two different {what}, "
            f"{values[row - 1]} and {values[row]}; each group must have one."
        )
