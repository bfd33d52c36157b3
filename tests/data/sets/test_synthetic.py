"""Adding and copy memory: what the sequences are, and what can be had without memory."""

import math

import pytest
import torch

from src.config.errors import UserError
from src.data.module import SequenceData
from src.data.sets.synthetic import Adding, CopyMemory, adding, copy_memory

SIZES = (200, 40, 4000)


def test_adding_marks_two_steps_and_asks_for_their_sum():
    x, y = adding(500, 7, torch.Generator().manual_seed(0))
    assert x.shape == (500, 7, 2)
    assert (x[:, :, 1].sum(1) == 2).all()
    assert set(x[:, :, 1].unique().tolist()) == {0, 1}
    torch.testing.assert_close((x[:, :, 0] * x[:, :, 1]).sum(1), y)
    assert 0 <= float(x[:, :, 0].min()) < 0.01 < 0.99 < float(x[:, :, 0].max()) < 1


def test_adding_marks_every_pair_of_steps_equally_often():
    x, _ = adding(20000, 4, torch.Generator().manual_seed(0))
    pairs = (x[:, :, 1] * torch.tensor([1, 2, 4, 8])).sum(1)
    values, counts = pairs.unique(return_counts=True)
    assert values.tolist() == [3, 5, 6, 9, 10, 12]
    expected = 20000 / 6
    assert float(((counts - expected) ** 2 / expected).sum()) < 20.5  # chi square, 5 degrees of freedom, p = 0.001


def test_saying_one_has_the_variance_of_the_sum_of_two_uniform_numbers():
    data = Adding(length=10, sizes=SIZES)
    data.setup()
    assert data.baselines["one/mse"] == pytest.approx(1 / 6, abs=0.01)
    assert data.baselines["one/mae"] == pytest.approx(1 / 3, abs=0.01)
    targets = data.splits["test"][torch.arange(SIZES[2])].y
    assert data.baselines["one/mse"] == pytest.approx(float((targets - 1).square().mean()), abs=1e-6)


def test_copy_memory_by_hand():
    x, y = copy_memory(300, 5, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (300, 25)
    assert set(x[:, :10].unique().tolist()) == set(range(1, 9))
    assert (x[:, 10:14] == 0).all()
    assert (x[:, 14:] == 9).all()
    assert (y[:, :15] == 0).all()
    assert (y[:, 15:] == x[:, :10]).all()


def test_the_memoryless_answer_costs_what_the_paper_says():
    data = CopyMemory(length=1000, sizes=(2, 1, 50))
    data.setup()
    assert data.baselines["memoryless/nll"] == 10 * math.log(8) / 1020
    assert round(data.baselines["memoryless/nll"], 4) == 0.0204
    # The same by counting: certain of the blanks, one of eight for each of the ten symbols.
    y = data.splits["test"][torch.arange(50)].y
    said = torch.where(y == 0, 1.0, 1 / 8).double()
    assert float(-said.log().mean()) == pytest.approx(data.baselines["memoryless/nll"], abs=1e-12)
    assert data.baselines["memoryless/acc"] == pytest.approx(float(said.mean()), abs=1e-9)


@pytest.mark.parametrize("kind", [Adding, CopyMemory])
def test_contents_follow_from_split_seed_alone(kind: type[SequenceData]):
    def contents(**keywords: int) -> tuple[dict[str, torch.Tensor], str]:
        data = kind(length=12, sizes=(30, 20, 10), **keywords)
        data.setup()
        return {name: split[torch.arange(len(split))].x for name, split in data.splits.items()}, data.checksum

    torch.manual_seed(5)
    one, checksum = contents(split_seed=1)
    same, same_checksum = contents(split_seed=1, batch_size=7, seed=3)
    other, other_checksum = contents(split_seed=2)
    assert checksum == same_checksum != other_checksum
    assert [len(x) for x in one.values()] == [30, 20, 10]
    for name in one:
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name])
    assert not torch.equal(one["train"][:10], one["test"])


@pytest.mark.parametrize(
    ("kind", "keywords", "word"),
    [
        (Adding, {"length": 1}, "length"),
        (Adding, {"sizes": (10, 10)}, "sizes"),
        (CopyMemory, {"sizes": (10, 10)}, "sizes"),
    ],
)
def test_what_cannot_be_is_refused(kind, keywords, word):
    with pytest.raises(UserError, match=rf"data\.{word} must be"):
        kind(**keywords).setup()
