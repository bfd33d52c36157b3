"""Padding, buckets, and batch orders that depend on seed and epoch alone."""

from functools import partial

import pytest
import torch

from src.config.errors import UserError
from src.data.batches import BatchOrder, FlatSplit
from src.rng import derive

LENGTHS = torch.tensor([3, 1, 4, 2])
VALUES = torch.arange(10.0)[:, None] + 1


def test_a_batch_holds_each_sequence_and_zeros_behind_it() -> None:
    batch = FlatSplit(VALUES, LENGTHS, torch.arange(4))[torch.tensor([2, 1])]
    assert batch.x[..., 0].tolist() == [[5, 6, 7, 8], [4, 0, 0, 0]]
    assert batch.lengths.tolist() == [4, 1]
    assert batch.y.tolist() == [2, 1]
    assert batch.mask.tolist() == [[True] * 4, [True, False, False, False]]


def test_next_step_targets_are_the_inputs_one_step_on() -> None:
    lengths = torch.tensor([3, 2, 5])
    batch = FlatSplit(VALUES, lengths, VALUES, per_step=True, shift=1)[torch.tensor([0, 1])]
    assert batch.x[..., 0].tolist() == [[1, 2], [4, 0]]
    assert batch.y[..., 0].tolist() == [[2, 3], [5, 0]]
    assert batch.lengths.tolist() == [2, 1]


def test_lengths_must_cover_the_values() -> None:
    with pytest.raises(ValueError, match="lengths add up to 9, but there are 10 steps"):
        FlatSplit(VALUES, torch.tensor([9]), torch.zeros(1))


def test_a_sequence_too_short_to_predict_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 steps"):
        FlatSplit(VALUES, torch.tensor([9, 1]), VALUES, per_step=True, shift=1)


def batches(seed: int, epoch: int, n: int = 100, pool: int = 3) -> list[list[int]]:
    order = BatchOrder(torch.arange(n) % 17 + 1, 8, partial(derive, seed, "order"), pool)
    order.set_epoch(epoch)
    return [rows.tolist() for rows in order]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert batches(0, 0) == batches(0, 0)
    assert batches(0, 0) != batches(0, 1)
    assert batches(0, 0) != batches(1, 0)


@pytest.mark.parametrize("pool", [0, 1, 3, 50])
def test_every_sequence_comes_once_in_an_epoch(pool: int) -> None:
    assert sorted(row for batch in batches(0, 5, pool=pool) for row in batch) == list(range(100))


def test_pools_keep_padding_small() -> None:
    lengths = torch.randint(1, 200, (400,), generator=torch.Generator().manual_seed(0))

    def waste(pool: int) -> float:
        order = BatchOrder(lengths, 8, partial(derive, 0, "order"), pool)
        padded = sum(int(lengths[rows].max()) * len(rows) for rows in order)
        return 1 - int(lengths.sum()) / padded

    assert waste(50) < 0.06 < 0.3 < waste(0)


def test_evaluation_reads_every_sequence_in_a_fixed_order() -> None:
    order = BatchOrder(LENGTHS, 3, None)
    assert [rows.tolist() for rows in order] == [[1, 3, 0], [2]]
    assert len(order) == 2


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("pool", [0, 2, 50])
@pytest.mark.parametrize("sequences", [4, 5, 7, 12, 13, 26, 27, 40])
def test_processes_share_every_sequence_and_make_equal_steps(
    world: int, batch_size: int, pool: int, sequences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import src.data.batches as module

    order = BatchOrder(torch.arange(1, sequences + 1), batch_size, partial(derive, 0, "order"), pool)
    steps = set()
    for epoch in range(4):
        order.set_epoch(epoch)
        seen: list[int] = []
        for rank in range(world):
            monkeypatch.setattr(module, "place", lambda seed, rank=rank: (rank, world) if seed is not None else (0, 1))
            mine = list(order)
            steps |= {len(mine), len(order)}
            assert all(0 < len(rows) <= batch_size + 1 for rows in mine)
            seen += [row for rows in mine for row in rows.tolist()]
            assert sorted(torch.cat(list(BatchOrder(LENGTHS, 2, None))).tolist()) == [0, 1, 2, 3]
        assert sorted(seen) == list(range(sequences))
    assert len(steps) == 1  # in every process and every epoch


def test_fewer_sequences_than_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import src.data.batches as module

    monkeypatch.setattr(module, "place", lambda seed: (0, 3))
    with pytest.raises(UserError, match="3 processes cannot share 2 training sequences"):
        len(BatchOrder(torch.tensor([4, 4]), 8, partial(derive, 0, "order")))


def test_fewer_sequences_for_a_learning_curve() -> None:
    order = BatchOrder(LENGTHS, 2, partial(derive, 0, "order"), rows=torch.tensor([3, 0]))
    assert sorted(torch.cat(list(order)).tolist()) == [0, 3]
