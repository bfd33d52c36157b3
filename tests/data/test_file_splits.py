"""Files of a folder go to train, val and test as their names say, or by chance."""

from pathlib import Path

import pytest

from src.config.errors import UserError
from src.data.file_splits import by_fraction, by_position, check_splits, find_files, named_parts


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def names_of(parts: dict[str, list[Path]] | None, folder: Path) -> dict[str, list[str]]:
    assert parts is not None
    return {part: [str(f.relative_to(folder)) for f in files] for part, files in parts.items()}


def test_files_are_found_below_a_folder_and_hidden_ones_left_out(tmp_path):
    touch(tmp_path, "b/x.TXT", "a.txt", ".hidden.txt", ".git/y.txt", "c.wav")
    assert [str(f.relative_to(tmp_path)) for f in find_files(tmp_path, ".txt")] == ["a.txt", "b/x.TXT"]


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not there"):
        find_files(tmp_path / "nowhere", ".txt")
    with pytest.raises(UserError, match=r"no file whose name ends in \.wav"):
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
    parts = named_parts(tmp_path, touch(tmp_path, train, val, test))
    assert names_of(parts, tmp_path) == {"train": [train], "val": [val], "test": [test]}


def test_other_names_state_none(tmp_path):
    assert named_parts(tmp_path, touch(tmp_path, "a.txt", "training_day.txt", "latest.txt")) is None
    assert named_parts(tmp_path, touch(tmp_path, "train/a.wav", "bus/test.wav")) is None  # classes: trains and buses


def test_a_split_stated_by_halves_is_refused(tmp_path):
    files = touch(tmp_path, "train.txt", "val.txt", "test.txt")
    with pytest.raises(UserError, match=r"other\.txt belongs to no part"):
        named_parts(tmp_path, [*files, *touch(tmp_path, "other.txt")])
    with pytest.raises(UserError, match=r"none named val"):
        named_parts(tmp_path, [files[0], files[2]])


def test_chance_gives_every_part_its_share():
    parts = by_fraction(range(40), (0.8, 0.1, 0.1), seed=1)
    assert {part: len(items) for part, items in parts.items()} == {"train": 32, "val": 4, "test": 4}
    assert sorted(i for items in parts.values() for i in items) == list(range(40))
    assert parts == by_fraction(range(40), (0.8, 0.1, 0.1), seed=1)
    assert parts != by_fraction(range(40), (0.8, 0.1, 0.1), seed=2)


@pytest.mark.parametrize("number", [3, 4, 5])
def test_every_part_has_an_item(number):
    parts = by_fraction(range(number), (0.1, 0.2, 0.7), seed=0)
    assert min(len(items) for items in parts.values()) >= 1
    assert sum(len(items) for items in parts.values()) == number


def test_two_files_are_too_few():
    with pytest.raises(UserError, match="at least 3"):
        by_fraction([1, 2], (0.8, 0.1, 0.1), seed=0)


def test_positions_are_cut_without_loss():
    parts = by_position("abcdefghij", (0.65, 0.2, 0.15))
    assert parts == {"train": "abcdef", "val": "gh", "test": "ij"}


@pytest.mark.parametrize("splits", [(0.9, 0.1), (0.9, 0.1, 0.0), (0.5, 0.4, 0.2), (1.2, -0.1, -0.1), 0.8, "abc", "a"])
def test_impossible_fractions_are_refused(splits):
    with pytest.raises(UserError, match="three fractions"):
        check_splits(splits)
