"""Memory that forward saves for backward, reused by the next training step.

New memory costs a page fault for every 4 KiB: on long sequences that took as long as the computation itself. A block
lent here returns when autograd frees the tensor, so graphs may be retained (``retain_graph``) and several layers may
use blocks at once.
"""

from __future__ import annotations

import ctypes
import weakref

import torch
from torch import Tensor

SMALLEST = 1 << 20
"""Bytes below which the C library's own allocator is equally fast."""


class Pool:
    """Blocks for reuse, at most as much as was lent at one time.

    >>> pool = Pool()
    >>> first = pool.empty(1 << 20, torch.float32)
    >>> address = first.data_ptr()
    >>> del first
    >>> pool.empty(1 << 20, torch.float32).data_ptr() == address
    True
    """

    def __init__(self) -> None:
        self.waiting: list[Tensor] = []
        self.lent = 0
        self.most = 0

    def empty(self, size: int, dtype: torch.dtype) -> Tensor:
        """Return a vector of `size` uninitialised numbers on the CPU."""
        wanted = size * dtype.itemsize
        if wanted < SMALLEST:
            return torch.empty(size, dtype=dtype)
        fitting = [i for i, block in enumerate(self.waiting) if wanted <= len(block) <= 2 * wanted]
        if fitting:
            block = self.waiting.pop(min(fitting, key=lambda i: len(self.waiting[i])))
        else:
            self.trim(wanted)
            block = torch.empty(wanted, dtype=torch.uint8)
        self.lent += len(block)
        self.most = max(self.most, self.lent)
        # Only the tensor references the lease: when its storage is freed, so is the lease.
        lease = (ctypes.c_char * len(block)).from_address(block.data_ptr())
        weakref.finalize(lease, self.give_back, block).atexit = False
        return torch.frombuffer(lease, dtype=dtype, count=size)

    def give_back(self, block: Tensor) -> None:
        """Take back a block whose tensor was freed."""
        self.lent -= len(block)
        self.waiting.append(block)

    def trim(self, wanted: int) -> None:
        """Free the blocks that have waited longest until `wanted` more bytes fit below the peak."""
        held = self.lent + sum(map(len, self.waiting))
        while self.waiting and held + wanted > self.most:
            held -= len(self.waiting.pop(0))
