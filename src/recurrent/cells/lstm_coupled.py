"""Long short-term memory with coupled input and forget gates."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import CellParameters, CellState, Equations, Gates, WeightBlocks, from_state
from .lstm import LSTMEquations


class CoupledLSTMEquations(Equations):
    """CIFG of Greff et al. 2017 ("LSTM: A Search Space Odyssey", arXiv 1503.04069), here without peepholes.

    The input gate is ``1 - f``, so that the new cell ``f c + (1-f) g`` is between the old one and the candidate, like a
    GRU's state; it has three quarters of an LSTM's parameters and multiply-adds.
    """

    kind = "lstm_coupled"
    gates = ("forget", "candidate", "output")
    states = ("hidden", "cell")
    keep_gate = "forget"

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """Compute one step; see the class."""
        f, g, o = (inputs + from_state(seen, blocks[0])).chunk(3, dim=-1)
        f, g, o = torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * state[1] + (1 - f) * g
        return (o * torch.tanh(c), c), {"forget": f, "candidate": g, "output": o}

    @property
    def standard(self) -> Equations:
        """The LSTM; or itself with layer normalisation, which spans the rows of three gates rather than four."""
        return self if self.layer_norm else LSTMEquations(zoneout=self.zoneout)

    def standard_weights(self, parameters: CellParameters) -> CellParameters:
        """Return weights whose input gate is minus the forget gate before the sigmoid: sigmoid(-a) = 1 - sigmoid(a)."""
        if self.layer_norm:
            return parameters
        hidden_size = parameters.weight_hh.shape[1]
        given = {name: tensor for name, tensor in parameters._asdict().items() if tensor is not None}
        return CellParameters(**{name: torch.cat([-tensor[:hidden_size], tensor]) for name, tensor in given.items()})
