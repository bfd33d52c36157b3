"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_flag
from .base import CellState, Equations, Gates, WeightBlocks, from_state


@dataclass(frozen=True, kw_only=True)
class LSTMEquations(Equations):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in nn.LSTM.

    With ``peepholes`` the input and the forget gate see c_{t-1} and the output gate sees c_t, each through a diagonal
    matrix (Graves 2013, arXiv 1308.0850, eq. 7-11; Chung et al. 2014, section 3.1).
    """

    kind = "lstm"
    gates = ("input", "forget", "candidate", "output")
    states = ("hidden", "cell")
    keep_gate = "forget"

    peepholes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("peepholes", self.peepholes)

    @property
    def peephole_gates(self) -> tuple[str, ...]:
        """Input, forget and output."""
        return ("input", "forget", "output") if self.peepholes else ()

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """One step; see the class."""
        _, c = state
        (weights,) = blocks
        i, f, g, o = (inputs + from_state(seen, weights)).chunk(4, dim=-1)
        if weights.weight_peephole is not None:
            p_i, p_f, p_o = weights.weight_peephole.chunk(3)
            i, f = i + p_i * c, f + p_f * c
        i, f, g = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g)
        c = f * c + i * g
        if weights.weight_peephole is not None:
            o = o + p_o * c
        o = torch.sigmoid(o)
        return (o * torch.tanh(c), c), {"input": i, "forget": f, "candidate": g, "output": o}

    def fill_chrono(self, bias: Tensor, steps: int) -> None:
        """As in every cell; the bias of the input gate is minus that of the forget gate."""
        super().fill_chrono(bias, steps)
        self.rows(bias, "input").copy_(-self.rows(bias, "forget"))
