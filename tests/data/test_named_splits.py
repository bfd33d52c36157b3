"""Files of a folder go to train, val and test as their names say."""

from pathlib import Path

import pytest

from src.config.errors import UserError
from src.data.splits import find_files, named_splits


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def names_of(splits: dict[str, list[Path]] | None, folder: Path) -> dict[str, list[str]]:
    assert splits is not None
    return {split: [str(f.relative_to(folder)) for f in files] for split, files in splits.items()}


def test_files_are_found_below_a_folder_and_hidden_ones_left_out(tmp_path):
    touch(tmp_path, "b/x.TXT", "a.txt", ".hidden.txt", ".git/y.txt", "c.wav")
    assert [str(f.relative_to(tmp_path)) for f in find_files(tmp_path, ".txt")] == ["a.txt", "b/x.TXT"]


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        find_files(tmp_path / "nowhere", ".txt")
    with pytest.raises(UserError, match=r"has no \.wav files"):
        find_files(tmp_path, ".wav")


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("train/a.txt", "validation/a.txt", "test/deep/a.txt"),
        ("Training/a.txt", "dev/a.txt", "TEST/a.txt"),
    ],
)
def test_names_state_the_split(tmp_path, train, val, test):
    splits = named_splits(tmp_path, touch(tmp_path, train, val, test))
    assert names_of(splits, tmp_path) == {"train": [train], "val": [val], "test": [test]}


def test_other_names_state_none(tmp_path):
    assert named_splits(tmp_path, touch(tmp_path, "a.txt", "training_day.txt", "latest.txt")) is None
    assert named_splits(tmp_path, touch(tmp_path, "train/a.wav", "bus/test.wav")) is None  # classes: trains and buses


def test_a_split_stated_by_halves_is_refused(tmp_path):
    files = touch(tmp_path, "train.txt", "val.txt", "test.txt")
    with pytest.raises(UserError, match=r"other\.txt belongs to no split"):
        named_splits(tmp_path, [*files, *touch(tmp_path, "other.txt")])
    with pytest.raises(UserError, match=r"none named val"):
        named_splits(tmp_path, [files[0], files[2]])
