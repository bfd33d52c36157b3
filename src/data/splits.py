"""Training, validation and test: their names, and how sequences are shared out among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from src.config.errors import UserError
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
            f"data.splits={fractions if listed is None else listed} is impossible: it must be three fractions, for "
            "train, val and test, each above 0, that add up to 1, e.g. [0.9,0.05,0.05]."
        )


def by_fraction(items: Sequence[Item], fractions: Sequence[float], seed: int, *more: int) -> dict[str, list[Item]]:
    """Share items out by chance (stream ``split``): val and test get their share rounded, and at least one item each.

    Args:
        items: e.g. files.
        fractions: for train, val and test.
        seed, more: the run's, and further numbers for the stream, e.g. the class.

    Raises:
        UserError: when there are fewer than three items.
    """
    if len(items) < len(SPLITS):
        raise UserError(f"{len(items)} files cannot be split into train, val and test: at least 3 are needed.")
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
    """Cut a share of the rows off, class by class, by chance (stream ``split``).

    Args:
        labels: (n,) whole numbers.
        fraction: share of each class that is cut off, rounded to the nearest row; one row at least stays.
        seed: the run's seed.

    Returns:
        The rows that stay and the rows that are cut off, both sorted.
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
