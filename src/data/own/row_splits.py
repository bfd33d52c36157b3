"""Assign rows of a table, or sequences of a file, to training, validation and test: 0, 1 and 2."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from src.config.errors import UserError, counted, nearest
from src.data.own.roles import Rows
from src.data.splits import SPLIT_OF, SPLITS, are_numbers, by_fraction, check_fractions, stratified

NUMBER_OF = {word: SPLITS.index(split) for word, split in SPLIT_OF.items()}

FILES = (
    *(".csv", ".tsv", ".txt", ".gz", ".npz", ".npy", ".parquet", ".feather", ".xlsx", ".json", ".jsonl"),
    *(".arff", ".ts"),
)


def files_of(splits: Any) -> list[str]:
    """Return the validation and test files if ``data.splits`` names two, else an empty list."""
    if isinstance(splits, Sequence) and not isinstance(splits, str) and len(splits) == 2:
        places = [Path(str(split)).expanduser() for split in splits]
        if any(place.suffix.lower() in FILES or place.is_dir() for place in places):
            return [str(place) for place in places]
    return []


def by_order(splits: Sequence[float], lengths: np.ndarray) -> np.ndarray:
    """Return each row's split (rows,): the first share of every series is for training, the next for validation, ...

    Args:
        splits: three fractions that add up to 1, or three numbers of rows (further rows belong to no split).
        lengths: (series,) rows of each.

    Raises:
        UserError: ``splits`` is neither.
    """
    counts = all(isinstance(s, int) for s in splits)
    if not counts:
        check_fractions(splits)
    elif len(splits) != 3 or min(splits) < 1:
        raise UserError(f"data.splits must be three numbers of rows of at least 1, got {list(splits)}.")
    pieces = []
    for length in lengths.tolist():
        if counts and sum(splits) > length:
            raise UserError(f"data.splits={list(splits)} needs {sum(splits)} rows, but one series has {length}.")
        borders = np.cumsum(splits) if counts else np.round(np.cumsum(splits) * length)
        pieces.append(np.searchsorted(borders, np.arange(length), side="right"))
    split_of = np.concatenate(pieces)
    return split_of if counts else np.minimum(split_of, 2)


def stated(splits: Any, rows: Rows) -> np.ndarray | None:
    """Return each row's split (rows,) if ``data.splits`` states it, or None if it gives fractions.

    Raises:
        UserError: a cell, line or group has no split; the message names the first one.
    """
    table = rows.table
    if table.part is not None:
        return table.part
    if are_numbers(splits) and len(splits) == 3:
        return None
    if not isinstance(splits, str):
        return _by_time(splits, rows.times)
    if splits in table.names:
        numbers = table.text(splits).str.lower().map(NUMBER_OF)
        table.refuse(numbers.isna(), splits, "the split must be train, val or test, got {cell}")
        return numbers.to_numpy().astype(int)
    path = Path(splits).expanduser()
    if not path.is_file():
        raise UserError(
            f"data.splits={splits} must be a column of {table.files[0]}{nearest(splits, table.names)} or a file of "
            "names; fractions are written as [0.8,0.1,0.1]."
        )
    return np.array(_by_names(path, rows.names))[rows.groups]


def _by_time(splits: Any, times: pd.Series | None) -> np.ndarray:
    if (
        not isinstance(splits, Sequence)
        or len(splits) != 2
        or (are_numbers(splits) and (times is None or max(splits) < 1))
    ):
        raise UserError(
            "data.splits must be three fractions (train, val, test), the two times at which validation and test begin, "
            f"the files of validation and test, a column's name, or a file of names, got {splits}."
        )
    if times is None:
        raise UserError(f"data.splits={splits} splits by time, which needs a time column: set data.time_column.")
    words = pd.Series([str(split) for split in splits])
    if pd.api.types.is_datetime64_any_dtype(times):
        borders = pd.to_datetime(words, errors="coerce", utc=True, format="mixed").dt.tz_convert(None)
    else:
        borders = pd.to_numeric(words, errors="coerce")
    if borders.isna().any() or not borders.is_monotonic_increasing:
        raise UserError(
            f"data.splits={list(splits)} must be two times, the earlier first, e.g. [2017-07-01,2017-11-01]."
        )
    return (times >= borders[0]).to_numpy().astype(int) + (times >= borders[1]).to_numpy()


def _by_names(path: Path, names: Sequence[str]) -> list[int]:
    """Return the split of each group, from a file with a line ``NAME,SPLIT`` for each."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be lines NAME,SPLIT in UTF-8 ({error}).") from error
    split_of: dict[str, int] = {}
    for number, cells in enumerate(csv.reader(lines), start=1):
        stated = NUMBER_OF.get(cells[1].strip().lower()) if len(cells) == 2 else None
        if stated is not None:
            split_of[cells[0].strip()] = stated
        elif cells and not (number == 1 and len(cells) == 2):
            raise UserError(
                f"{path}, line {number}: the line must be NAME,SPLIT with train, val or test, got {','.join(cells)!r}."
            )
    for name in names:
        if name not in split_of:
            raise UserError(f"{path} has no line for {name}{nearest(name, list(split_of))}: every group needs a split.")
    return [split_of[name] for name in names]


def with_validation(split_of: np.ndarray, keys: np.ndarray, splits: Any, seed: int) -> np.ndarray:
    """Return splits (items,), with validation drawn from train stratified by key if there is none."""
    if not are_numbers(splits) or (split_of == 1).any():
        return split_of
    train = np.flatnonzero(split_of == 0)
    _, val = stratified(torch.from_numpy(keys[train]), splits[1] / (splits[0] + splits[1]), seed)
    split_of = split_of.copy()
    split_of[train[val.numpy()]] = 1
    return split_of


def by_owner(owners: np.ndarray, splits: Any, seed: int) -> np.ndarray:
    """Return each item's split (items,), drawn by seed, with all items of each of the ``owners`` (items,) together.

    Owners are persons, machines, ...; the fractions refer to their number.

    Raises:
        UserError: the fractions are invalid, or there are fewer than three owners.
    """
    check_fractions(splits)
    names, number = np.unique(owners, return_inverse=True)
    if len(names) < len(SPLITS):
        raise UserError(
            f"data.split_by has {len(names)} values ({', '.join(map(str, names))}): train, val and test need one each."
        )
    split_of = np.zeros(len(names), int)
    for split, some in by_fraction(range(len(names)), splits, seed).items():
        split_of[some] = SPLITS.index(split)
    return split_of[number]


def refuse_shared(owners: np.ndarray, split_of: np.ndarray) -> None:
    """Refuse a stated split with items (items,) of one owner in two splits.

    Raises:
        UserError: an owner's items are in two splits; the message names both.
    """
    for owner in np.unique(owners).tolist():
        parts = [SPLITS[k] for k in np.unique(split_of[owners == owner]) if k < len(SPLITS)]
        if len(parts) > 1:
            raise UserError(f"data.splits has {owner} in {' and '.join(parts)}, which data.split_by forbids.")


def by_chance(keys: np.ndarray, splits: Any, seed: int) -> np.ndarray:
    """Return each item's split (items,), drawn by seed and stratified by key.

    Keys are (items,) whole numbers such as classes, all equal for no stratification.

    Raises:
        UserError: the fractions are invalid, or leave a split empty.
    """
    if not are_numbers(splits) or all(isinstance(s, int) for s in splits):
        raise UserError(f"data.splits must be three fractions such as [0.7,0.15,0.15], got {splits}.")
    check_fractions(splits)
    kept, test = stratified(torch.from_numpy(keys), splits[2], seed)
    train, val = stratified(torch.from_numpy(keys)[kept], splits[1] / (splits[0] + splits[1]), seed)
    split_of = np.zeros(len(keys), int)
    for number, rows in enumerate((kept[train], kept[val], test)):
        if not len(rows):
            rarest = np.unique(keys, return_counts=True)[1].min()
            raise UserError(
                f"data.splits={list(splits)} leaves no sequences for {SPLITS[number]} out of "
                f"{counted(len(keys), 'sequence')}, of which {rarest} of the rarest class: give it a larger share, "
                "or add sequences."
            )
        split_of[rows.numpy()] = number
    return split_of
