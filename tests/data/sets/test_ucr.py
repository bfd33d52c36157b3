"""JapaneseVowels as the archive has it, and its validation split by seed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from src.config.errors import UserError
from src.data.describe import Classes, Features
from src.data.module import some
from src.data.sets.ucr import UCR


@pytest.fixture
def vowels(places: Path) -> Any:
    def make(**keywords: Any) -> UCR:
        data = UCR(data_dir=str(places / "data"), cache_dir=str(places / "derived"), **keywords)
        data.setup()
        return data

    return make


def test_the_official_sizes_and_lengths(vowels: Any) -> None:
    data = vowels()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 216, "val": 54, "test": 370}
    assert data.description.input == Features(12)
    assert isinstance(data.description.output, Classes)
    assert data.description.output.size == 9
    lengths = torch.cat([split.lengths for split in data.splits.values()])
    assert (int(lengths.min()), int(lengths.max())) == (7, 29)


def test_scaling_is_fitted_on_the_training_sequences_alone(vowels: Any) -> None:
    train, test = (vowels().splits[name].values for name in ("train", "test"))
    assert torch.allclose(train.mean(0), torch.zeros(12), atol=1e-5)
    assert torch.allclose(train.std(0, correction=0), torch.ones(12), atol=1e-5)
    assert not torch.allclose(test.mean(0), torch.zeros(12), atol=1e-3)


def test_split_seed_cuts_validation_and_leaves_the_test_set_alone(vowels: Any) -> None:
    a, b, c = (vowels(seed=s, split_seed=k, standardise=False) for s, k in ((0, 0), (1, 0), (0, 1)))
    assert torch.equal(a.splits["val"].values, b.splits["val"].values)
    assert a.splits["val"].values.tolist() != c.splits["val"].values.tolist()
    assert a.checksum == b.checksum != c.checksum
    assert a.items["test"].tolist() == c.items["test"].tolist() == list(range(370))
    assert sorted([*a.items["train"], *a.items["val"]]) == list(range(270))
    assert torch.equal(a.splits["test"].values, c.splits["test"].values)


def test_an_unknown_set_is_refused_with_the_nearest_name(vowels: Any) -> None:
    with pytest.raises(UserError, match=r"did you mean JapaneseVowels\?"):
        vowels(name="JapaneseVowel")


def test_a_fraction_that_holds_out_nothing_is_refused(vowels: Any) -> None:
    with pytest.raises(UserError, match=r"data\.val_fraction=0\.001 holds out no sequence"):
        vowels(val_fraction=0.001)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    UCR(data_dir="~/data", cache_dir="~/derived").setup()
    assert [path.name for path in tmp_path.iterdir()] == ["derived"]


def test_another_set_of_the_wheel(vowels: Any) -> None:
    data = vowels(name="BasicMotions")
    assert not data.description.varying_length
    assert data.description.input == Features(6)


def test_some_rows_are_drawn_once_for_a_seed() -> None:
    assert some(10, None, 0) is None
    assert some(10, 10, 0) is None
    a, b = some(10, 3, 0), some(10, 3, 1)
    assert a is not None
    assert b is not None
    assert a.tolist() != b.tolist()
