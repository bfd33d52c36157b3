"""Items are shared out among train, val and test by chance, by position or class by class."""

import pytest
import torch

from src.config.errors import UserError
from src.data.splits import by_fraction, by_position, check_fractions, held_out, stratified


def test_chance_gives_every_split_its_share():
    shares = by_fraction(range(40), (0.8, 0.1, 0.1), seed=1)
    assert {split: len(items) for split, items in shares.items()} == {"train": 32, "val": 4, "test": 4}
    assert sorted(i for items in shares.values() for i in items) == list(range(40))
    assert shares == by_fraction(range(40), (0.8, 0.1, 0.1), seed=1)
    assert shares != by_fraction(range(40), (0.8, 0.1, 0.1), seed=2)


@pytest.mark.parametrize("number", [3, 4, 5])
def test_every_split_has_an_item(number):
    shares = by_fraction(range(number), (0.1, 0.2, 0.7), seed=0)
    assert min(len(items) for items in shares.values()) >= 1
    assert sum(len(items) for items in shares.values()) == number


def test_two_files_are_too_few():
    with pytest.raises(UserError, match="at least 3"):
        by_fraction([1, 2], (0.8, 0.1, 0.1), seed=0)


def test_positions_are_cut_without_loss():
    shares = by_position("abcdefghij", (0.65, 0.2, 0.15))
    assert shares == {"train": "abcdef", "val": "gh", "test": "ij"}


@pytest.mark.parametrize(
    "fractions", [(0.9, 0.1), (0.9, 0.1, 0.0), (0.5, 0.4, 0.2), (1.2, -0.1, -0.1), 0.8, "abc", "a"]
)
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(UserError, match="three fractions"):
        check_fractions(fractions)


def test_stratified_takes_the_same_share_of_every_class_and_leaves_one() -> None:
    labels = torch.tensor([0] * 10 + [1] * 20 + [2])
    train, val = stratified(labels, 0.2, seed=3)
    assert torch.bincount(labels[val], minlength=3).tolist() == [2, 4, 0]
    assert torch.cat([train, val]).sort().values.tolist() == list(range(31))


@pytest.mark.parametrize(("classes", "fraction"), [([0, 0, 0, 1, 1, 1], 0.01), ([0, 1, 2], 0.9)])
def test_validation_without_a_row_is_refused(classes: list[int], fraction: float) -> None:
    with pytest.raises(UserError, match=rf"data\.val_fraction={fraction} holds out no sequence"):
        held_out(torch.tensor(classes), fraction, seed=0)
