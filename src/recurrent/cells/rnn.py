"""Units without gates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice
from .base import CellState, Equations, Gates, WeightBlocks, from_state


@dataclass(frozen=True, kw_only=True)
class RNNEquations(Equations):
    """The network of Elman 1990, as in nn.RNN: ``tanh(W x + U h + b)``; its only "gate" is the candidate.

    With ``nonlinearity="relu"`` the units are rectified linear ones (Le et al. 2015, arXiv 1504.00941), unbounded.
    """

    kind = "rnn"
    gates = ("candidate",)

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("nonlinearity", self.nonlinearity, "tanh", "relu")

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """Compute one step; see the class."""
        activation = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        h = activation(inputs + from_state(seen, blocks[0]))
        return (h,), {"candidate": h}
