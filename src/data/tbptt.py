"""Long sequences in chunks that go on from one another: the data's half of truncated back-propagation through time.

A batch then holds the next ``chunk`` steps of each of its rows, and the batch after it the steps that follow in the
same rows, until all of them are read. ``src/tasks/tbptt_state.py`` carries the state from one to the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import Sampler

from src.data.batches import BatchOrder, Chunk, SeedOfEpoch, place, shares


class ChunkOrder(Sampler[Chunk]):
    """The chunks of a split in the order in which they are read, as a function of seed and epoch alone.

    >>> order = ChunkOrder(torch.tensor([10]), batch_size=2, seed_of_epoch=None, chunk=4)
    >>> [(c.rows.tolist(), c.offsets.tolist(), c.lengths.tolist(), c.starts.tolist()) for c in order]
    [([0], [0], [4], [True]), ([0], [4], [4], [False]), ([0], [8], [2], [False])]

    Evaluation (no ``seed_of_epoch``) reads every sequence from its start to its end, in groups of ``batch_size`` of
    similar length; what is measured depends neither on ``chunk`` nor on ``batch_size``.

    Training reads ``batch_size`` streams at a time in every process. Where there are fewer sequences than streams,
    they are cut into contiguous streams of nearly equal length (see :func:`cut`): a single text into exactly
    ``batch_size`` of them for each process. Which streams are read together is drawn once and then stays, since the
    number of batches must not change from epoch to epoch (Lightning counts them once); what changes with the epoch is
    the order of the groups.

    Under distributed training every process has groups of its own, of all streams, and stops after as many steps as
    the one with the fewest; which share of an epoch's steps is not read for that reason is ``left_out``.

    Args:
        lengths, batch_size, seed_of_epoch, pool: as in :class:`~src.data.batches.BatchOrder`, streams being sequences.
        chunk: steps of a batch.
        rows_of: from the number of streams to those that are used, None being all.
        most: steps of a training stream that are read, from its start on; None: all.
    """

    def __init__(
        self,
        lengths: Tensor,
        batch_size: int,
        seed_of_epoch: SeedOfEpoch | None,
        chunk: int,
        pool: int = 50,
        rows_of: Callable[[int], Tensor | None] = lambda streams: None,
        most: int | None = None,
    ) -> None:
        self.lengths, self.batch_size, self.chunk, self.pool = lengths, batch_size, chunk, pool
        self.seed_of_epoch, self.rows_of, self.most = seed_of_epoch, rows_of, most
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def groups(self, rank: int, world: int) -> list[Tensor]:
        """What one process reads side by side: (4, rows) each, rows, sequences, offsets and lengths of the streams."""
        whole = torch.stack([torch.arange(len(self.lengths)), torch.zeros_like(self.lengths), self.lengths])
        streams = whole if self.seed_of_epoch is None else cut(self.lengths, self.batch_size * world)
        if self.most is not None:
            streams[2].clamp_(max=self.most)
        rows = self.rows_of(streams.shape[1])
        groups = BatchOrder(streams[2], self.batch_size, self.seed_of_epoch, self.pool, rows).batches()
        return [torch.cat([rows[None], streams[:, rows]]) for rows in shares(groups, world)[rank]]

    def _steps(self, group: Tensor) -> int:
        return -(-int(group[3].max()) // self.chunk)

    def _chunks(self, group: Tensor) -> Iterator[Chunk]:
        for step in range(self._steps(group)):
            rows, sequences, offsets, lengths = group[:, group[3] > step * self.chunk]
            size = (lengths - step * self.chunk).clamp(max=self.chunk)
            yield Chunk(rows, sequences, offsets + step * self.chunk, size, torch.full((len(rows),), step == 0))

    def __iter__(self) -> Iterator[Chunk]:
        groups = self.groups(*place(self.seed_of_epoch))
        if self.seed_of_epoch is not None:
            generator = torch.Generator().manual_seed(self.seed_of_epoch(self.epoch))
            groups = [groups[i] for i in torch.randperm(len(groups), generator=generator).tolist()]
        yield from islice((chunk for group in groups for chunk in self._chunks(group)), len(self))

    def __len__(self) -> int:
        world = place(self.seed_of_epoch)[1]
        return min(sum(self._steps(group) for group in self.groups(rank, world)) for rank in range(world))

    def left_out(self) -> float:
        """The share of the batches that distributed training does not read, from 0 to 1; 0 in one process."""
        world = place(self.seed_of_epoch)[1]
        batches = sum(self._steps(group) for rank in range(world) for group in self.groups(rank, world))
        return 1 - world * len(self) / batches


def cut(lengths: Tensor, streams: int) -> Tensor:
    """Cut sequences into contiguous streams, so that ``streams`` of them can be read side by side.

    >>> cut(torch.tensor([9, 3]), 4)  # three streams of the first, one of the second
    tensor([[0, 0, 0, 1],
            [0, 3, 6, 0],
            [3, 3, 3, 3]])

    Again and again the sequence with the longest streams gets one more, while some are longer than a ``streams``-th of
    all steps and the number is not a multiple of ``streams``. So fewer sequences than ``streams`` give exactly
    ``streams``; many sequences of similar length stay whole; every step is in exactly one stream.

    Returns:
        (3, n): each stream's sequence, first step within it, and number of steps.
    """
    streams_of = [1] * len(lengths)
    longest = [(-float(n), i) for i, n in enumerate(lengths.tolist())]
    heapq.heapify(longest)
    fair = max(float(lengths.sum()) / streams, 1.0)
    for _ in range(-len(lengths) % streams):
        size, i = longest[0]
        if -size <= fair:
            break
        streams_of[i] += 1
        heapq.heapreplace(longest, (-int(lengths[i]) / streams_of[i], i))
    pieces = []
    for i, n in enumerate(streams_of):
        borders = torch.arange(n + 1) * lengths[i] // n
        pieces.append(torch.stack([torch.full((n,), i), borders[:-1], borders.diff()]))
    return torch.cat(pieces, dim=1)
