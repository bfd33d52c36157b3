"""The files of a user's folder, and which of them are for training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from src.config.errors import UserError
from src.data.splits import SPLIT_OF, SPLITS


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
