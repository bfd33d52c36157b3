"""Gated recurrent units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_choice, check_flag
from .base import CellParameters, CellState, Equations, Gates, WeightBlocks, from_state


@dataclass(frozen=True, kw_only=True)
class GRUEquations(Equations):
    """The gated recurrent unit, as defined by PyTorch and in the papers.

    With ``reset_after=False`` the candidate is that of Cho et al. 2014 (arXiv 1406.1078, v3, eq. 8) and Chung et al.
    2014 (arXiv 1412.3555, section 3.2), ``tanh(W x + U (r*h) + b)``; with ``reset_after=True`` it is that of cuDNN
    and nn.GRU, ``tanh(W x + b + r * (U h + b'))``. With ``update_gate="keeps"`` the new state is ``z h + (1-z) n``
    (Cho, eq. 7), with "takes" ``(1-z) h + z n`` (Chung). Both define the same family of functions, because sigmoid(-a)
    is 1 - sigmoid(a), so that negating the update gate's weights converts one into the other.
    """

    kind = "gru"
    gates = ("reset", "update", "candidate")
    keep_gate = "update"
    gates_by_block = (2, 1)  # with reset_after=False the candidate's product waits for the reset gate

    reset_after: bool = True
    update_gate: str = "keeps"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("reset_after", self.reset_after)
        check_choice("update_gate", self.update_gate, "keeps", "takes")

    def step(self, inputs: Tensor, seen: Tensor, state: CellState, blocks: WeightBlocks) -> tuple[CellState, Gates]:
        """Compute one step; see the class."""
        (h,) = state
        gates, candidate = blocks
        to_gates, to_candidate = inputs.split([2 * h.shape[-1], h.shape[-1]], dim=-1)
        r, z = torch.sigmoid(to_gates + from_state(seen, gates)).chunk(2, dim=-1)
        reset = r * from_state(seen, candidate) if self.reset_after else from_state(r * seen, candidate)
        n = torch.tanh(to_candidate + reset)
        h = z * h + (1 - z) * n if self.update_gate == "keeps" else (1 - z) * h + z * n
        return (h,), {"reset": r, "update": z, "candidate": n}

    @property
    def keep_sign(self) -> int:
        """-1 if the update gate takes the new state."""
        return 1 if self.update_gate == "keeps" else -1

    @property
    def convention(self) -> str:
        """What an open update gate does."""
        return "1 keeps" if self.update_gate == "keeps" else "1 takes new"

    @property
    def gates_with_two_biases(self) -> int:
        """The candidate with ``reset_after``, because the reset gate multiplies only its second vector."""
        return int(self.reset_after)

    @property
    def standard(self) -> GRUEquations:
        """The GRU whose update gate keeps."""
        return self if self.update_gate == "keeps" else replace(self, update_gate="keeps")

    def standard_weights(self, parameters: CellParameters) -> CellParameters:
        """Return the weights for an update gate that keeps."""
        return parameters if self.update_gate == "keeps" else flip_update_gate(parameters)


def flip_update_gate(parameters: CellParameters) -> CellParameters:
    """Convert a GRU to the other update convention without changing its function: sigmoid(-a) = 1 - sigmoid(a).

    All terms of the update gate's pre-activation change sign: its rows of the weights and biases, or of the gains and
    biases if the product is normalised.
    """
    hidden_size = parameters.weight_hh.shape[1]
    sign = torch.ones(3 * hidden_size, device=parameters.weight_hh.device, dtype=parameters.weight_hh.dtype)
    sign[hidden_size : 2 * hidden_size] = -1
    normalised = parameters.gain_ih is not None
    flipped = {
        name: tensor * (sign[:, None] if tensor.dim() == 2 else sign)
        for name, tensor in parameters._asdict().items()
        if tensor is not None and not (normalised and tensor.dim() == 2)
    }
    return parameters._replace(**flipped)
