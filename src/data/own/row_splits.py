"""Which rows of a table are for training, validation and test."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.config.errors import UserError, nearest
from src.data.file_splits import PARTS, check_splits
from src.data.own.csv_table import Table

NONE = 3  # rows that belong to no part
WORDS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2}


def files_of(splits: Any) -> list[str]:
    """The files of validation and test, where ``data.splits`` names two, else none."""
    if isinstance(splits, Sequence) and not isinstance(splits, str) and len(splits) == 2:
        places = [Path(str(split)).expanduser() for split in splits]
        if any(place.suffix in (".csv", ".tsv", ".txt", ".gz", ".npz") for place in places):
            return [str(place) for place in places]
    return []


def are_numbers(splits: Any) -> bool:
    """Whether ``data.splits`` are fractions or numbers of rows."""
    return isinstance(splits, Sequence) and not isinstance(splits, str) and all(
        isinstance(s, int | float) and not isinstance(s, bool) for s in splits
    )  # fmt: skip


def by_order(splits: Sequence[float], lengths: np.ndarray) -> np.ndarray:
    """(rows,) the part of each row: the first share of every series is for training, the next for validation, ...

    Args:
        splits: three fractions that add up to 1, or three whole numbers of rows (those after them belong to no part).
        lengths: (series,) rows of each.

    Raises:
        UserError: when they are neither.
    """
    counts = all(isinstance(s, int) for s in splits)
    if not counts:
        check_splits(splits)
    elif len(splits) != 3 or min(splits) < 1:
        raise UserError(f"data.splits={list(splits)} is impossible: it must be three numbers of rows, each 1 or more.")
    pieces = []
    for length in lengths.tolist():
        if counts and sum(splits) > length:
            raise UserError(f"data.splits={list(splits)} asks for {sum(splits)} rows, but a series has {length}.")
        borders = np.cumsum(splits) if counts else np.round(np.cumsum(splits) * length)
        pieces.append(np.searchsorted(borders, np.arange(length), side="right"))
    parts = np.concatenate(pieces)
    return parts if counts else np.minimum(parts, 2)


def by_date(splits: Sequence[Any], times: pd.Series | None) -> np.ndarray:
    """(rows,) by two times: validation begins at the first, test at the second.

    Raises:
        UserError: when there are no times, or the two are none.
    """
    if times is None:
        raise UserError(f"data.splits={splits} goes by time, so the column of times must be given: data.time_column.")
    if not isinstance(splits, Sequence) or len(splits) != 2:
        raise UserError(
            f"data.splits={splits} is impossible: it must be three fractions (train, val, test), the two times "
            "at "
            "which validation and test begin, the files of validation and test, a column's name, or a file of names."
        )
    if pd.api.types.is_datetime64_any_dtype(times):
        each = [pd.to_datetime(str(split), errors="coerce", utc=True) for split in splits]
        borders = pd.Series(each).dt.tz_convert(None)
    else:
        borders = pd.to_numeric(pd.Series([str(s) for s in splits]), errors="coerce")
    if borders.isna().any() or not borders.is_monotonic_increasing:
        raise UserError(
            f"data.splits={list(splits)} must be two times, the earlier first, e.g. [2017-07-01,2017-11-01]."
        )
    return (times >= borders[0]).to_numpy().astype(int) + (times >= borders[1]).to_numpy()


def by_column(name: str, table: Table) -> np.ndarray:
    """(rows,) by a column that says train, val or test in every row.

    Raises:
        UserError: names the first cell that says something else.
    """
    words = table.frame[name].str.lower().map(WORDS)
    if words.isna().any():
        row = int(words.isna().to_numpy().argmax())
        raise UserError(
            f"{table.where(row)}, column {name}: {table.frame[name].iloc[row]!r} is no part; it must be train, val or "
            "test."
        )
    return words.to_numpy().astype(int)


def by_names(path: Path, groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(rows,) by a file with a line ``NAME,PART`` for each group.

    Raises:
        UserError: names the group that is missing, or the line that is broken.
    """
    part_of: dict[str, int] = {}
    for number, cells in enumerate(csv.reader(path.read_text("utf-8-sig").splitlines()), start=1):
        if not cells or (number == 1 and len(cells) == 2 and cells[1].strip().lower() not in WORDS):
            continue
        if len(cells) != 2 or cells[1].strip().lower() not in WORDS:
            raise UserError(
                f"{path}, line {number}: {','.join(cells)!r} must be NAME,PART with train, val or test as part."
            )
        part_of[cells[0].strip()] = WORDS[cells[1].strip().lower()]
    for name in names:
        if name not in part_of:
            raise UserError(f"{path} has no line for {name}{nearest(name, list(part_of))}: each group needs its part.")
    return np.array([part_of[name] for name in names])[groups]


def stated(
    splits: Any, table: Table, groups: np.ndarray, names: Sequence[str], times: pd.Series | None
) -> np.ndarray | None:
    """(rows,) the part of each row where ``data.splits`` states it; None where they are fractions.

    Args:
        splits: ``data.splits``.
        table: the rows.
        groups: (rows,) which of ``names`` each row belongs to.
        names: of the groups.
        times: of the rows.
    """
    if are_numbers(splits) and len(splits) == 3:
        return None
    if len(table.files) > 1:
        return table.file
    if not isinstance(splits, str):
        return by_date(splits, times)
    if splits in table.names:
        return by_column(splits, table)
    path = Path(splits).expanduser()
    if not path.is_file():
        raise UserError(
            f"data.splits={splits} is neither a column of {table.files[0]}{nearest(splits, table.names)} nor a file "
            "of "
            "names."
        )
    return by_names(path, groups, names)


def by_chance(keys: np.ndarray, splits: Sequence[float], seed: int) -> np.ndarray:
    """(items,) the part of each, by chance and seed, each key's items shared out alike.

    Args:
        keys: (items,) whole numbers, e.g. classes; all equal where nothing is to be shared out alike.
        splits: three fractions.
        seed: the run's seed (stream ``split``).

    Raises:
        UserError: when the fractions are none, or leave a part empty.
    """
    import torch

    from src.data.module import stratified

    if not are_numbers(splits) or all(isinstance(s, int) for s in splits):
        raise UserError(f"data.splits={splits} is impossible: it must be three fractions, e.g. [0.7,0.15,0.15].")
    check_splits(splits)
    kept, test = stratified(torch.from_numpy(keys), splits[2], seed)
    train, val = stratified(torch.from_numpy(keys)[kept], splits[1] / (splits[0] + splits[1]), seed)
    parts = np.full(len(keys), NONE)
    parts[kept[train].numpy()], parts[kept[val].numpy()], parts[test.numpy()] = 0, 1, 2
    for part, name in enumerate(PARTS):
        if not (parts == part).any():
            raise UserError(
                f"data.splits={list(splits)} leaves no sequence for {name}: there are {len(keys)} sequences, the "
                "rarest "
                f"class with {np.unique(keys, return_counts=True)[1].min()}; give that part a larger share."
            )
    return parts
