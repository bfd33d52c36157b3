"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..checks import check_flag, check_whole
from .base import CellState, Equations, Gates, WeightBlocks, from_state


@dataclass(frozen=True, kw_only=True)
class LSTMEquations(Equations):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in nn.LSTM.

    With ``peepholes`` the input and forget gates see c_{t-1} and the output gate sees c_t, each through a diagonal
    matrix (Graves 2013, arXiv 1308.0850, eq. 7-11; Chung et al. 2014, section 3.1). With ``proj_size`` the output,
    which is also the input of the next step's recurrent product, is ``W_hr (o * tanh(c))`` with that many features,
    fewer than the units (Sak et al. 2014, arXiv 1402.1128); 0: no projection.
    """

    kind = "lstm"
    gates = ("input", "forget", "candidate", "output")
    states = ("hidden", "cell")
    keep_gate = "forget"

    peepholes: bool = False
    proj_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("peepholes", self.peepholes)
        check_whole("proj_size", self.proj_size)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """Return the state sizes; h is as wide as its projection."""
        if self.proj_size >= hidden_size:
            raise ValueError(
                f"proj_size: expected a whole number below hidden_size={hidden_size}, got {self.proj_size}"
            )
        return self.proj_size or hidden_size, hidden_size

    @property
    def peephole_gates(self) -> tuple[str, ...]:
        """The input, forget and output gates."""
        return ("input", "forget", "output") if self.peepholes else ()

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """Compute one step; see the class."""
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
        h = o * torch.tanh(c)
        if weights.weight_hr is not None:
            h = linear(h, weights.weight_hr)
        return (h, c), {"input": i, "forget": f, "candidate": g, "output": o}

    def fill_chrono(self, bias: Tensor, steps: int) -> None:
        """Set chrono biases; the bias of the input gate is minus that of the forget gate."""
        super().fill_chrono(bias, steps)
        self.rows(bias, "input").copy_(-self.rows(bias, "forget"))
