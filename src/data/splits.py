"""Training, validation and test: their names, and how sequences are shared out among them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError, counted
from src.rng import derive

SPLITS = ("train", "val", "test")
# What people call them.
SPLIT_OF = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)
Item = TypeVar("Item")


def check_fractions(fractions: Any) -> None:
    """Refuse what is not three fractions above 0 that add up to 1."""
    listed = list(fractions) if isinstance(fractions, Sequence) and not isinstance(fractions, str) else None
    numbers = listed is not None and len(listed) == 3 and all(isinstance(f, int | float) for f in listed)
    if not (numbers and all(0 < f < 1 for f in listed or ()) and abs(sum(listed or ()) - 1) < 1e-6):
        raise UserError(
            "data.splits must be three fractions, for train, val and test, each above 0, that add up to 1, e.g. "
            f"[0.9,0.05,0.05], got {fractions if listed is None else listed}."
        )


def by_fraction(items: Sequence[Item], fractions: Sequence[float], seed: int, *more: int) -> dict[str, list[Item]]:
    """Share items out by chance (stream ``split``): val and test get their share rounded, and at least one item each.

    Further numbers for the stream follow the seed, e.g. the class.

    Raises:
        UserError: when there are fewer than three items.
    """
    if len(items) < len(SPLITS):
        raise UserError(
            f"{counted(len(items), 'file')} cannot be split into train, val and test: at least 3 are needed."
        )
    generator = torch.Generator().manual_seed(derive(seed, "split", *more))
    order = torch.randperm(len(items), generator=generator).tolist()
    val, test = (max(1, round(fraction * len(items))) for fraction in fractions[1:])
    val = min(val, len(items) - 2)
    test = min(test, len(items) - 1 - val)
    rows = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return {split: [items[i] for i in sorted(rows[split])] for split in SPLITS}


def by_position(items: Any, fractions: Sequence[float]) -> dict[str, Any]:
    """Cut a text, list or array into train, val and test, one after the other; borders are rounded down."""
    first, second = int(len(items) * fractions[0]), int(len(items) * (fractions[0] + fractions[1]))
    return {"train": items[:first], "val": items[first:second], "test": items[second:]}


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """The rows that stay, and those of each class's share that is cut off by chance (stream ``split``), both sorted.

    ``labels`` are (n,) whole numbers; the share is rounded to the nearest row, and one row at least stays.
    """
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    keep, cut = [], []
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        number = min(round(fraction * len(rows)), len(rows) - 1)
        cut.append(rows[:number])
        keep.append(rows[number:])
    return torch.cat(keep).sort().values, torch.cat(cut).sort().values


def leaked(pieces: Mapping[str, Sequence[np.ndarray]]) -> dict[str, list[int]]:
    """Rows of ``val`` and ``test`` whose sequence also stands, step for step, in ``train``; no empty lists."""

    def digest(piece: np.ndarray) -> bytes:  # the pieces themselves would be held twice
        return hashlib.blake2b(piece.tobytes(), digest_size=16).digest()

    seen = {digest(piece) for piece in pieces["train"]}
    twice = {s: [i for i, piece in enumerate(pieces[s]) if digest(piece) in seen] for s in ("val", "test")}
    return {split: rows for split, rows in twice.items() if rows}


def find_files(folder: Path, suffix: str) -> list[Path]:
    """All files below a folder whose names end in ``suffix`` (in either case), sorted; hidden ones are left out.

    Raises:
        UserError: when there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise UserError(f"data.path={folder} is not there: it must be a file or a folder of {suffix} files.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == suffix
        and path.is_file()
        and not any(name.startswith(".") for name in path.relative_to(folder).parts)
    ]
    if not files:
        raise UserError(f"data.path={folder} has no file whose name ends in {suffix}.")
    return files


def named_splits(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]] | None:
    """The split that names state: folders ``train/ val/ test/``, or files like ``ptb.train.txt``; None: they do not.

    What counts is the first folder below ``folder``, or, of a file directly in it, a word of its name; the words for
    validation are val, valid, validation and dev.

    Raises:
        UserError: when there are files for train and for test, but none for val, or others that belong to no split.
    """
    files_of: dict[str | None, list[Path]] = {}
    for file in files:
        first, *below = file.relative_to(folder).parts
        words = [first.lower()] if below else re.split(r"[^a-z]+", file.stem.lower())
        files_of.setdefault(next((SPLIT_OF[word] for word in words if word in SPLIT_OF), None), []).append(file)
    if "train" not in files_of or "test" not in files_of:
        return None
    if None in files_of:
        raise UserError(
            f"{files_of[None][0]} belongs to no split, while {files_of['train'][0]} is named for training: name every "
            "file (or its folder) train, val or test, or none of them."
        )
    if "val" not in files_of:
        raise UserError(f"{folder} has files named train and test, but none named val: it must have all three or none.")
    return {split: files_of[split] for split in SPLITS}
