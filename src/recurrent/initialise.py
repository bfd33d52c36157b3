"""Weight initialisation schemes, by name."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import init

from .cells.base import CellParameters, Equations
from .checks import check_choice, check_finite, check_size


@torch.no_grad()
def initialise(
    cell: Equations,
    parameters: CellParameters,
    name: str = "pytorch",
    keep_gate_bias: float = 0.0,
    chrono_steps: int | None = None,
) -> None:
    """Draw the parameters of one layer in one direction, in place, from torch's default generator.

    ``name`` is "pytorch" (nn.GRU: everything U(-k, k), k = 1/sqrt(hidden_size)), "xavier" (the concatenated map of
    each gate Xavier-uniform, biases 0), "chung" (inputs U(-0.1, 0.1), recurrent orthogonal per gate, biases 0) or
    "chrono" (Tallec and Ollivier 2018). Gains of a layer normalisation start at 1.

    ``keep_gate_bias`` is then added to ``bias_ih`` of the gate that keeps the old state, as its mean bias: the LSTM's
    forget gate, the GRU's update gate (subtracted if the gate takes the new state). Positive values keep more. Cells
    without such a gate are unchanged, by chrono as well.

    Raises:
        ValueError: the name or a number is impossible; chrono without ``chrono_steps`` > 2 or with a
            ``keep_gate_bias``; or a bias is set in a layer without biases.
    """
    check_choice("initialisation", name, *INITIALISATIONS)
    check_finite("keep_gate_bias", keep_gate_bias)
    if chrono_steps is not None:
        check_size("chrono_steps", chrono_steps)
    for gain in (parameters.gain_ih, parameters.gain_hh):
        if gain is not None:
            gain.fill_(1)
    INITIALISATIONS[name](cell, parameters)
    if cell.keep_gate is None or not (keep_gate_bias or name == "chrono"):
        return
    bias = parameters.bias_ih
    if bias is None:
        what = f"keep_gate_bias={keep_gate_bias}" if keep_gate_bias else "initialisation=chrono"
        raise ValueError(f"bias: {what} needs a bias vector, got bias=False; expected True or 'single'")
    if name != "chrono":
        cell.rows(bias, cell.keep_gate).add_(cell.keep_sign * keep_gate_bias)
        return
    if keep_gate_bias:
        raise ValueError(f"keep_gate_bias: chrono sets the keeping gate itself, expected 0, got {keep_gate_bias}")
    if chrono_steps is None or chrono_steps <= 2:
        raise ValueError(f"chrono_steps: chrono needs the longest dependency, above 2 steps, got {chrono_steps}")
    zero(bias, parameters.bias_hh)
    cell.fill_chrono(bias, chrono_steps)


def pytorch(cell: Equations, parameters: CellParameters) -> None:
    """Initialise like nn.GRU: weights, biases and peepholes U(-k, k) with k = 1/sqrt(hidden_size)."""
    k = 1 / math.sqrt(parameters.weight_hh.shape[0] // len(cell.gates))
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peephole"):
        tensor = getattr(parameters, name)
        if tensor is not None:
            tensor.uniform_(-k, k)


def xavier(cell: Equations, parameters: CellParameters) -> None:
    """Initialise one map per gate from [x, h] and a projection as in Glorot and Bengio 2010; biases 0."""
    hidden_size = parameters.weight_hh.shape[0] // len(cell.gates)
    bound = math.sqrt(6 / (parameters.weight_ih.shape[1] + parameters.weight_hh.shape[1] + hidden_size))
    parameters.weight_ih.uniform_(-bound, bound)
    parameters.weight_hh.uniform_(-bound, bound)
    if parameters.weight_hr is not None:
        init.xavier_uniform_(parameters.weight_hr)
    zero(parameters.bias_ih, parameters.bias_hh, parameters.weight_peephole)


def chung(cell: Equations, parameters: CellParameters) -> None:
    """Initialise like the authors' code for Chung et al. 2014: inputs U(-0.1, 0.1), recurrent orthogonal, biases 0.

    It does not state initial peepholes, which are 0 here, i.e. the LSTM without them; a projection is orthogonal.
    """
    parameters.weight_ih.uniform_(-0.1, 0.1)
    for gate in parameters.weight_hh.chunk(len(cell.gates)):
        init.orthogonal_(gate)
    if parameters.weight_hr is not None:
        init.orthogonal_(parameters.weight_hr)
    zero(parameters.bias_ih, parameters.bias_hh, parameters.weight_peephole)


INITIALISATIONS: dict[str, Callable[[Equations, CellParameters], None]] = {
    "pytorch": pytorch,
    "xavier": xavier,
    "chung": chung,
    "chrono": pytorch,
}


def zero(*tensors: Tensor | None) -> None:
    """Fill tensors with zeros, ignoring None."""
    for tensor in tensors:
        if tensor is not None:
            tensor.zero_()
