"""Tanh units."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import CellState, Equations, Gates, WeightBlocks, from_state


class RNNEquations(Equations):
    """The network of Elman 1990, as in nn.RNN: ``tanh(W x + U h + b)``; its only "gate" is the candidate."""

    kind = "rnn"
    gates = ("candidate",)

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """One step; see the class."""
        h = torch.tanh(inputs + from_state(seen, blocks[0]))
        return (h,), {"candidate": h}
