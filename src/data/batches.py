"""Build padded batches from flat arrays, and choose which sequences go into which batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import Sampler

from src.config.errors import UserError

SeedOfEpoch = Callable[[int], int]  # maps an epoch's number to the seed of its batch order


class Units(NamedTuple):
    """Divisors of standardisation and scaled errors, (batch, targets) each, if each series has its own."""

    mean: Tensor  # a value in its own unit = target * scale + mean
    scale: Tensor
    naive_error: Tensor  # MASE's denominator, in the unit of the targets; 0 if the target never changes
    share: Tensor  # (batch, 1) one over the number of the split's windows in the same series


@dataclass  # not frozen: Lightning's precision plugins set the fields of a copy
class Batch:
    """A padded batch of sequences."""

    x: Tensor  # inputs, (batch, time, features) float or (batch, time) whole numbers for tokens; 0 past a length
    y: Tensor  # targets, (batch, ...) for one per sequence or (batch, time, ...) for one per step; 0 past a length
    lengths: Tensor  # (batch,) whole numbers of 1 or more, always on the CPU (packing needs them there)
    rows: Tensor  # (batch,) the sequences' positions in their split, always on the CPU
    # (batch,) whether each row starts a sequence, always on the CPU; None: all do, and all are whole. Where False, the
    # row continues the same row of the previous batch (truncated BPTT), and the task carries the state over.
    starts: Tensor | None = None
    units: Units | None = None  # for forecasts of several series
    known: Tensor | None = None  # (batch, horizon, features) for forecasts: what is known in advance

    def to(self, device: torch.device | str) -> Batch:
        """Copy the tensors used in computation to ``device``; row indices stay on the CPU.

        The CPU does not wait for the copy; later GPU work does.
        """
        ahead = torch.device(device).type != "cpu"
        x, y = (tensor.to(device, non_blocking=ahead) for tensor in (self.x, self.y))
        units = self.units and Units(*(tensor.to(device, non_blocking=ahead) for tensor in self.units))
        known = None if self.known is None else self.known.to(device, non_blocking=ahead)
        return replace(self, x=x, y=y, units=units, known=known)

    def pin_memory(self) -> Batch:
        """Copy the batch to page-locked memory, for faster transfer to a GPU."""
        return replace(self, x=self.x.pin_memory(), y=self.y.pin_memory())

    @property
    def mask(self) -> Tensor:
        """(batch, time), True at steps that exist."""
        steps = torch.arange(self.x.shape[1], device=self.x.device)
        return steps[None, :] < self.lengths.to(self.x.device, non_blocking=True)[:, None]


class Chunk(NamedTuple):
    """The steps of sequences that make a batch, if sequences are read in pieces (see ``src/data/tbptt.py``)."""

    rows: Tensor  # (batch,) the stream of each row, the same in consecutive chunks
    sequences: Tensor  # (batch,) the position of each row's sequence in its split
    offsets: Tensor  # (batch,) the first step within the sequence
    lengths: Tensor  # (batch,) steps, 1 or more
    starts: Tensor  # (batch,) whether the stream begins here


class Split(Protocol):
    """The interface of a split for a loader: its number of sequences, their lengths, and batches of them."""

    lengths: Tensor

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor) -> Batch: ...


class FlatSplit:
    """Sequences stored end to end in one array, so that building a batch is one indexing operation.

    >>> split = FlatSplit(torch.arange(10.)[:, None], torch.tensor([4, 6]), torch.tensor([0, 1]))
    >>> split[torch.tensor([1, 0])].x.shape
    torch.Size([2, 6, 1])

    Args:
        values: (total steps, features) of any dtype, converted to float32 (music is kept in bytes), or (total steps,)
            tokens, converted to int64.
        lengths: (sequences,) steps of each, in order; they sum to the total number of steps.
        targets: (sequences, ...) one per sequence, or, with ``per_step``, aligned with ``values``.
        per_step: targets are aligned with the steps.
        shift: the target of step t is ``targets[t + shift]`` of the same sequence, and the last ``shift`` steps are
            not inputs: 1 for next-step prediction with ``targets`` equal to ``values``.
    """

    def __init__(
        self, values: Tensor, lengths: Tensor, targets: Tensor, *, per_step: bool = False, shift: int = 0
    ) -> None:
        if int(lengths.sum()) != len(values):
            raise ValueError(f"lengths add up to {int(lengths.sum())}, but there are {len(values)} steps.")
        if len(lengths) and int(lengths.min()) <= shift:
            raise ValueError(f"a sequence must have at least {shift + 1} steps, got {int(lengths.min())}.")
        self.values, self.targets, self.per_step, self.shift = values, targets, per_step, shift
        self.dtype = torch.int64 if values.dim() == 1 else torch.float32
        self.begins = torch.cumsum(lengths, 0) - lengths
        self.lengths = lengths - shift

    @classmethod
    def of_next_steps(cls, pieces: Sequence[np.ndarray]) -> FlatSplit:
        """Predict each step of the pieces, (steps, features) or (steps,) tokens, from those before it."""
        values = torch.from_numpy(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))
        return cls(values, torch.tensor([len(piece) for piece in pieces]), values, per_step=True, shift=1)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, chosen: Tensor | Chunk) -> Batch:
        """Return the batch of some rows, whole, or of a chunk of them."""
        if isinstance(chosen, Chunk):
            rows, sequences, offsets, lengths, starts = chosen
            begins = self.begins[sequences] + offsets
        else:
            rows = sequences = torch.as_tensor(chosen)
            begins, lengths, starts = self.begins[rows], self.lengths[rows], None
        steps = torch.arange(int(lengths.max()))
        inside = steps[None, :] < lengths[:, None]
        where = begins[:, None] + torch.where(inside, steps[None, :], 0)
        x = self.inputs(where, inside)
        y = self.outputs(where + self.shift, inside) if self.per_step else self.targets[sequences]
        return Batch(x, y, lengths, rows, starts)

    def inputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """Return inputs at the steps ``where`` (batch, time) of ``values``, 0 where not ``inside``."""
        return padded(self.values[where].to(self.dtype), inside)

    def outputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """Return targets at the steps ``where`` (batch, time) of ``targets``, 0 where not ``inside``."""
        out = self.targets[where]
        next_tokens = self.targets is self.values and self.values.dim() == 1
        return padded(out.to(torch.int64) if next_tokens else out, inside)


def padded(out: Tensor, inside: Tensor) -> Tensor:
    """Zero (batch, time, ...) where not ``inside`` (batch, time)."""
    if bool(inside.all()):
        return out
    return out * inside.view(*inside.shape, *[1] * (out.dim() - 2)).to(out.dtype)


class BatchOrder(Sampler[Tensor]):
    """The rows of each batch, as a function of seed and epoch alone.

    Shuffled batches are drawn from pools: a pool of ``pool * batch_size`` random sequences is sorted by length and cut
    into batches, which are then shuffled, which keeps padding small and the order random. Without
    shuffling, rows are sorted by length, on which results do not depend.

    In distributed training the processes share the batches of the shuffled order (:func:`shares`), so that all take
    the same number of steps. In evaluation every process reads all batches, so that the means agree and none waits for
    another.

    Args:
        lengths: (sequences,) steps of each.
        seed_of_epoch: the seed of an epoch's order; None: no shuffling.
        pool: batches in a pool; 0 or 1: no sorting by length.
        rows: the sequences to use; None: all.
    """

    def __init__(
        self,
        lengths: Tensor,
        batch_size: int,
        seed_of_epoch: SeedOfEpoch | None,
        pool: int = 50,
        rows: Tensor | None = None,
    ) -> None:
        self.lengths, self.batch_size, self.seed_of_epoch, self.pool = lengths, batch_size, seed_of_epoch, pool
        self.rows = torch.arange(len(lengths)) if rows is None else rows
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch (called by Lightning at the start of every epoch)."""
        self.epoch = epoch

    def batches(self) -> list[Tensor]:
        """Return all batches of this epoch, over all processes, in order."""
        if not len(self.rows):
            return []
        if self.seed_of_epoch is None:
            return list(self.rows[torch.argsort(self.lengths[self.rows], stable=True)].split(self.batch_size))
        generator = torch.Generator().manual_seed(self.seed_of_epoch(self.epoch))
        order = self.rows[torch.randperm(len(self.rows), generator=generator)]
        if self.pool <= 1:
            return list(order.split(self.batch_size))
        batches: list[Tensor] = []
        if bool((self.lengths == self.lengths[:1]).all()):  # sorting would change nothing but takes long for windows
            batches += order.split(self.batch_size)
        else:
            for pool in order.split(self.pool * self.batch_size):
                batches += pool[torch.argsort(self.lengths[pool], stable=True)].split(self.batch_size)
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def __iter__(self) -> Iterator[Tensor]:
        rank, world = place(self.seed_of_epoch)
        yield from shares(self.batches(), world)[rank]

    def __len__(self) -> int:
        return len(shares(self.batches(), place(self.seed_of_epoch)[1])[0])


def shares(batches: list[Tensor], world: int) -> list[list[Tensor]]:
    """Divide an epoch's batches among ``world`` processes: every item once, and equally many batches for each.

    Process ``rank`` takes the batches ``rank, rank + world, ...``. An incomplete last round is divided anew into one
    part for each process; if it has fewer items than there are processes, together with the round before it. The items
    of a batch are along its last dimension.

    >>> shares([torch.tensor([4, 1]), torch.tensor([0, 3]), torch.tensor([5, 2])], world=2)
    [[tensor([4, 1]), tensor([5])], [tensor([0, 3]), tensor([2])]]

    Raises:
        UserError: there are fewer items than processes.
    """
    whole = len(batches) // world * world
    if world == 1 or whole == len(batches):
        return [batches[rank::world] for rank in range(world)]
    first, rest = batches[:whole], batches[whole:]
    if first and sum(part.shape[-1] for part in rest) < world:
        # Move the one smaller batch, so that the number of rounds does not depend on chance.
        small = min(range(len(rest)), key=lambda i: rest[i].shape[-1])
        first[0], rest[small] = rest[small], first[0]
        if sum(part.shape[-1] for part in rest) < world:
            first, rest = first[:-world], first[-world:] + rest
    items = torch.cat(rest, dim=-1)
    if items.shape[-1] < world:
        raise UserError(f"{world} processes cannot share {items.shape[-1]} training sequences: use trainer=cpu.")
    parts = items.tensor_split(world, dim=-1)
    return [[*first[rank::world], parts[rank]] for rank in range(world)]


def padding(batches: Sequence[Tensor]) -> float:
    """Return the fraction of padding among all steps, from 0 to 1, in batches of rows with these lengths."""
    steps = sum(len(lengths) * int(lengths.max()) for lengths in batches)
    return 1 - sum(int(lengths.sum()) for lengths in batches) / steps if steps else 0.0


def place(seed_of_epoch: SeedOfEpoch | None) -> tuple[int, int]:
    """Return this process's rank and the number that share the batches: (0, 1) outside distributed training.

    The same holds in evaluation (no ``seed_of_epoch``), where every process reads everything.
    """
    if seed_of_epoch is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
