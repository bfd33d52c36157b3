"""The state that goes on from batch to batch: the network's half of truncated back-propagation through time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.recurrent import detach_state, select_rows

State = Any  # a tensor or nested tuples of tensors, the batch at dimension 1; the network knows


class TBPTTState:
    """Each row's state at the end of the last batch, without its history, for the batch that goes on from there.

    Nothing is remembered but the last batch's state, and rows that start forget it, so that an epoch depends on none
    before it. Training and evaluation need a TBPTTState each.
    """

    def __init__(self) -> None:
        self.rows = torch.empty(0, dtype=torch.int64)
        self.state: State = None

    def before(self, batch: Batch, network: Any) -> State:
        """The state that each row of a batch starts from: the initial one, or that of the same row one batch ago.

        Raises:
            UserError: when the network also reads backwards, from steps that are not there yet.
            RuntimeError: when a row goes on that was not in the last batch.
        """
        if getattr(network, "num_directions", 1) > 1:
            raise UserError(
                "A bidirectional network cannot be trained on sequences in chunks, since its backward direction starts "
                "at a step that is not there yet: take the one-directional model (e.g. model=gru for model=gru_bi), or "
                "data.chunk=null."
            )
        initial = network.initial_state(len(batch.rows))
        if batch.starts is None or bool(batch.starts.all()):
            return initial
        same = batch.rows[:, None] == self.rows[None, :]
        if not bool((same.any(1) | batch.starts).all()):
            raise RuntimeError("a batch goes on from rows that the batch before it did not have.")
        kept = self.state if torch.equal(batch.rows, self.rows) else select_rows(self.state, same.int().argmax(1))
        return _where(batch.starts, initial, kept) if bool(batch.starts.any()) else kept

    def after(self, batch: Batch, state: State) -> None:
        """Remember the state at the end of a batch."""
        self.rows, self.state = batch.rows, detach_state(state)


def _where(rows: Tensor, one: State, other: State) -> State:
    """``one`` for the rows that are True, ``other`` for the rest."""
    if isinstance(one, Tensor):
        return torch.where(rows.to(one.device, non_blocking=True)[None, :, None], one, other)
    return tuple(_where(rows, *pair) for pair in zip(one, other, strict=True))
