"""The state carried from batch to batch: the network side of truncated back-propagation through time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.recurrent import detach_state, select_rows

State = Any  # a tensor or nested tuples of tensors, with the batch at dimension 1, defined by the network


class TBPTTState:
    """Each row's detached state at the end of the last batch, for the batch that continues from there.

    Only the last batch's state is kept, and rows that start a sequence reset it, so that epochs are independent.
    Training and evaluation need separate instances.
    """

    def __init__(self) -> None:
        self.rows = torch.empty(0, dtype=torch.int64)
        self.state: State = None

    def before(self, batch: Batch, network: Any) -> State:
        """Return the initial state of each row of a batch: a fresh one, or that of the same row in the previous batch.

        Raises:
            UserError: the network also reads backwards, from steps not yet available.
            RuntimeError: a row continues that was not in the last batch.
        """
        if getattr(network, "num_directions", 1) > 1:
            raise UserError(
                "A bidirectional network cannot be trained on sequences in chunks, as its backward direction starts "
                "at a step that is not available yet: use a unidirectional model (e.g. model=gru for model=gru_bi), or "
                "data.chunk=null."
            )
        initial = network.initial_state(len(batch.rows))
        if batch.starts is None or bool(batch.starts.all()):
            return initial
        same = batch.rows[:, None] == self.rows[None, :]
        if not bool((same.any(1) | batch.starts).all()):
            raise RuntimeError("A batch continues rows that the previous batch did not have.")
        kept = self.state if torch.equal(batch.rows, self.rows) else select_rows(self.state, same.int().argmax(1))
        return _where(batch.starts, initial, kept) if bool(batch.starts.any()) else kept

    def after(self, batch: Batch, state: State) -> None:
        """Store the state at the end of a batch."""
        self.rows, self.state = batch.rows, detach_state(state)


def _where(rows: Tensor, one: State, other: State) -> State:
    """Select ``one`` for the rows that are True, ``other`` for the rest."""
    if isinstance(one, Tensor):
        return torch.where(rows.to(one.device, non_blocking=True)[None, :, None], one, other)
    return tuple(_where(rows, *pair) for pair in zip(one, other, strict=True))
