"""Long sequences in consecutive chunks: the data side of truncated back-propagation through time.

Each batch holds the next ``chunk`` steps of each of its rows, and the following batch continues the same rows until
they are exhausted. ``src/tasks/tbptt_state.py`` carries the state from one batch to the next.
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
    """The chunks of a split in reading order, as a function of seed and epoch alone.

    >>> order = ChunkOrder(torch.tensor([10]), batch_size=2, seed_of_epoch=None, chunk=4)
    >>> [(c.rows.tolist(), c.offsets.tolist(), c.lengths.tolist(), c.starts.tolist()) for c in order]
    [([0], [0], [4], [True]), ([0], [4], [4], [False]), ([0], [8], [2], [False])]

    Evaluation (no ``seed_of_epoch``) reads every sequence from start to end, in groups of ``batch_size`` of similar
    length; results depend neither on ``chunk`` nor on ``batch_size``.

    Training reads ``batch_size`` streams at a time in every process. If there are fewer sequences than streams, they
    are cut into contiguous streams of nearly equal length (see :func:`cut`): a single text into exactly ``batch_size``
    streams per process. Which streams are read together is drawn once and then fixed, because the number of batches
    must not change between epochs (Lightning counts them once); only the order of the groups changes with the epoch.

    In distributed training every process has its own groups of streams, and stops after as many steps as the process
    with the fewest; ``left_out`` is the share of an epoch's steps that are not read for that reason.

    Args:
        lengths, batch_size, seed_of_epoch, pool: as in :class:`~src.data.batches.BatchOrder`, for streams.
        chunk: steps of a batch.
        rows_of: maps the number of streams to those that are used, None being all.
        most: number of first steps read from a training stream; None: all.
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
        """Set the epoch (called by Lightning at the start of every epoch)."""
        self.epoch = epoch

    def groups(self, rank: int, world: int) -> list[Tensor]:
        """Return what one process reads in parallel, (4, rows) each: rows, sequences, offsets, lengths of streams."""
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
        """Return the share of batches that distributed training does not read, from 0 to 1; 0 in one process."""
        world = place(self.seed_of_epoch)[1]
        batches = sum(self._steps(group) for rank in range(world) for group in self.groups(rank, world))
        return 1 - world * len(self) / batches


def cut(lengths: Tensor, streams: int) -> Tensor:
    """Cut sequences into contiguous streams, so that ``streams`` of them can be read in parallel.

    >>> cut(torch.tensor([9, 3]), 4)  # three streams of the first, one of the second
    tensor([[0, 0, 0, 1],
            [0, 3, 6, 0],
            [3, 3, 3, 3]])

    Repeatedly, the sequence with the longest streams gets one more, while some are longer than a ``streams``-th of
    all steps and the number is not a multiple of ``streams``. Thus fewer sequences than ``streams`` give exactly
    ``streams``, many sequences of similar length stay whole, and every step is in exactly one stream.

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
