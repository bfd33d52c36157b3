"""The pool of memory between forward and backward."""

import gc

import torch

from src.recurrent.kernels.workspace import SMALLEST, Pool


def test_a_block_is_lent_again_only_when_its_tensor_is_gone() -> None:
    pool = Pool()
    first = pool.empty(SMALLEST, torch.float32)
    view, address = first[5:].view(-1), first.data_ptr()
    del first
    assert pool.empty(SMALLEST, torch.float32).data_ptr() != address
    del view
    assert address in {pool.empty(SMALLEST, torch.float32).data_ptr() for _ in range(1)} | {
        block.data_ptr() for block in pool.waiting
    }


def test_the_smallest_block_that_fits() -> None:
    pool = Pool()
    small, large = pool.empty(SMALLEST, torch.uint8), pool.empty(2 * SMALLEST, torch.uint8)
    addresses = small.data_ptr(), large.data_ptr()
    del small, large
    fits = pool.empty(SMALLEST, torch.uint8)
    assert fits.data_ptr() == addresses[0]
    assert pool.empty(SMALLEST + 1, torch.uint8).data_ptr() == addresses[1]


def test_no_more_waits_than_was_lent_at_one_time() -> None:
    pool = Pool()
    for size in (10, 3, 1, 7, 10, 2):
        block = pool.empty(size * SMALLEST, torch.uint8)
        block[-1] = 1
        del block
        assert pool.lent == 0
        assert sum(map(len, pool.waiting)) <= pool.most == 10 * SMALLEST


def test_small_ones_come_from_torch() -> None:
    pool = Pool()
    kept = pool.empty(10, torch.float64)
    assert kept.dtype == torch.float64
    assert pool.most == 0
    gc.collect()
