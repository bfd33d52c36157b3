"""Training, validation and test: their names, and how sequences are divided among them."""

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
# Common names for them.
SPLIT_OF = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)
Item = TypeVar("Item")


def are_numbers(splits: Any) -> bool:
    """Return whether ``data.splits`` has fractions or numbers of rows."""
    return isinstance(splits, Sequence) and not isinstance(splits, str) and all(
        isinstance(s, int | float) and not isinstance(s, bool) for s in splits
    )  # fmt: skip


def check_fractions(splits: Any) -> None:
    """Check that three fractions are above 0 and add up to 1."""
    three = are_numbers(splits) and len(splits) == 3
    if not (three and all(0 < f < 1 for f in splits) and abs(sum(splits) - 1) < 1e-6):
        raise UserError(
            "data.splits must be three fractions above 0 (train, val, test) that add up to 1, such as "
            f"[0.9,0.05,0.05], got {list(splits) if isinstance(splits, tuple) else splits}."
        )


def by_fraction(items: Sequence[Item], fractions: Sequence[float], seed: int, *more: int) -> dict[str, list[Item]]:
    """Divide items at random (stream ``split``); val and test get their rounded shares, and at least one item each.

    Further numbers for the stream, such as a class, follow the seed.

    Raises:
        UserError: there are fewer than three items.
    """
    if len(items) < len(SPLITS):
        raise UserError(
            f"{counted(len(items), 'file')} cannot be split into train, val and test, which needs at least 3."
        )
    generator = torch.Generator().manual_seed(derive(seed, "split", *more))
    order = torch.randperm(len(items), generator=generator).tolist()
    val, test = (max(1, round(fraction * len(items))) for fraction in fractions[1:])
    val = min(val, len(items) - 2)
    test = min(test, len(items) - 1 - val)
    rows = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return {split: [items[i] for i in sorted(rows[split])] for split in SPLITS}


def by_position(items: Any, fractions: Sequence[float]) -> dict[str, Any]:
    """Cut a text, list or array into train, val and test, in this order; boundaries are rounded down."""
    first, second = int(len(items) * fractions[0]), int(len(items) * (fractions[0] + fractions[1]))
    return {"train": items[:first], "val": items[first:second], "test": items[second:]}


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the remaining rows, and those held out at random from each class (stream ``split``), both sorted.

    ``labels`` are (n,) whole numbers; the number held out is rounded, and at least one row of each class remains.
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


def held_out(labels: Tensor, val_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return :func:`stratified`: the rows left for training, and those for validation.

    Raises:
        UserError: no class has a row for validation.
    """
    train, val = stratified(labels, val_fraction, seed)
    if not len(val):
        raise UserError(
            f"data.val_fraction={val_fraction} holds out no sequence: it is rounded in each class, of which one "
            "sequence stays for training; set a larger fraction, or use data with more sequences of each class."
        )
    return train, val


def leaked(pieces: Mapping[str, Sequence[np.ndarray]]) -> dict[str, list[int]]:
    """Return rows of ``val`` and ``test`` whose sequence is identical to one in ``train``, without empty lists."""

    def digest(piece: np.ndarray) -> bytes:  # storing the pieces themselves would double the memory
        return hashlib.blake2b(piece.tobytes(), digest_size=16).digest()

    seen = {digest(piece) for piece in pieces["train"]}
    twice = {s: [i for i, piece in enumerate(pieces[s]) if digest(piece) in seen] for s in ("val", "test")}
    return {split: rows for split, rows in twice.items() if rows}


def find_files(folder: Path, suffix: str) -> list[Path]:
    """List all files below a folder with the ``suffix`` (in either case), sorted, without hidden ones.

    Raises:
        UserError: the folder does not exist, or has no such file.
    """
    if not folder.is_dir():
        raise UserError(f"data.path={folder} does not exist: it must be a file or a folder of {suffix} files.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == suffix
        and path.is_file()
        and not any(name.startswith(".") for name in path.relative_to(folder).parts)
    ]
    if not files:
        raise UserError(f"data.path={folder} has no {suffix} files.")
    return files


def named_splits(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]] | None:
    """Return the splits stated by names: folders ``train/ val/ test/``, or files like ``ptb.train.txt``; else None.

    The name is that of the first folder below ``folder``, or for a file directly in it, a word in its name; val,
    valid, validation and dev all mean validation.

    Raises:
        UserError: there are files for train and test but none for val, or others that belong to no split.
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
            f"{files_of[None][0]} belongs to no split, although {files_of['train'][0]} is named for training: name all "
            "files (or their folders) train, val or test, or none of them."
        )
    if "val" not in files_of:
        raise UserError(f"{folder} has files named train and test, but none named val: name all three or none.")
    return {split: files_of[split] for split in SPLITS}
