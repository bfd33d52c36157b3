"""Which files of a user's folder are for training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from src.config.errors import UserError
from src.rng import derive

PARTS = ("train", "val", "test")
_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
_NAMES |= {"test": "test", "testing": "test"}
Item = TypeVar("Item")


def find_files(folder: Path, suffix: str) -> list[Path]:
    """All files below a folder whose names end in ``suffix`` (in either case), sorted; hidden ones are left out.

    Raises:
        UserError: when there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise UserError(f"data.path={folder} is not there: it must be a file or a folder of {suffix} files.")
    found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() == suffix and p.is_file()]
    found = [p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    if not found:
        raise UserError(f"data.path={folder} has no file whose name ends in {suffix}.")
    return found


def named_parts(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]] | None:
    """The split that names state: folders ``train/ val/ test/``, or files like ``ptb.train.txt``; None: they do not.

    What counts is the first folder below ``folder``, or, of a file directly in it, a word of its name; the words for
    validation are val, valid, validation and dev.

    Raises:
        UserError: when there are files for train and for test, but none for val, or others that belong to no part.
    """
    parts: dict[str | None, list[Path]] = {}
    for file in files:
        first, *below = file.relative_to(folder).parts
        words = [first.lower()] if below else re.split(r"[^a-z]+", file.stem.lower())
        parts.setdefault(next((_NAMES[word] for word in words if word in _NAMES), None), []).append(file)
    if "train" not in parts or "test" not in parts:
        return None
    if None in parts:
        raise UserError(
            f"{parts[None][0]} belongs to no part, while {parts['train'][0]} is named for training: name every file "
            "(or its folder) train, val or test, or none of them."
        )
    if "val" not in parts:
        raise UserError(f"{folder} has files named train and test, but none named val: it must have all three or none.")
    return {part: parts[part] for part in PARTS}


def by_fraction(items: Sequence[Item], splits: Sequence[float], seed: int, *more: int) -> dict[str, list[Item]]:
    """Share items out by chance (stream ``split``): val and test get their share rounded, and at least one item each.

    Args:
        items: e.g. files.
        splits: fractions for train, val and test.
        seed: the run's seed.
        more: further numbers for the stream, e.g. the class.

    Raises:
        UserError: when there are fewer than three items.
    """
    if len(items) < len(PARTS):
        raise UserError(f"{len(items)} files cannot be split into train, val and test: at least 3 are needed.")
    generator = torch.Generator().manual_seed(derive(seed, "split", *more))
    order = torch.randperm(len(items), generator=generator).tolist()
    val, test = (max(1, round(fraction * len(items))) for fraction in splits[1:])
    val, test = min(val, len(items) - 2), min(test, len(items) - 1 - min(val, len(items) - 2))
    rows = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return {part: [items[i] for i in sorted(rows[part])] for part in PARTS}


def by_position(items: Any, splits: Sequence[float]) -> dict[str, Any]:
    """Cut a text, list or array into train, val and test, one after the other; borders are rounded down."""
    first, second = int(len(items) * splits[0]), int(len(items) * (splits[0] + splits[1]))
    return {"train": items[:first], "val": items[first:second], "test": items[second:]}


def check_splits(splits: Sequence[float]) -> None:
    """Refuse what is not three fractions above 0 that add up to 1."""
    listed = list(splits) if isinstance(splits, Sequence) and not isinstance(splits, str) else splits
    numbers = isinstance(listed, list) and all(isinstance(s, int | float) for s in listed)
    good = numbers and len(splits) == 3 and all(0 < s < 1 for s in splits) and abs(sum(splits) - 1) < 1e-6
    if not good:
        raise UserError(f"data.splits={listed} is impossible: it must be three fractions, for train, val and test, "
                      "each above 0, that add up to 1, e.g. [0.9,0.05,0.05].")  # fmt: skip
