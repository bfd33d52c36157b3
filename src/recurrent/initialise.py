"""How weights start, by name."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import init

from .backends.spec import CellParameters, CellSpec

KEEPING_GATE = {"gru": "update", "lstm": "forget"}
"""The gate that decides how much of the old state stays; a tanh network has none."""


@torch.no_grad()
def initialise(
    cell: CellSpec,
    parameters: CellParameters,
    name: str = "pytorch",
    retain_bias: float = 0.0,
    chrono_steps: int | None = None,
) -> None:
    """Draw the parameters of one layer in one direction, in place, from torch's default generator.

    ``name`` is "pytorch" (nn.GRU: everything U(-k, k), k = 1/sqrt(hidden_size)), "xavier" (the concatenated map of
    each gate Xavier-uniform, biases 0), "chung" (inputs U(-0.1, 0.1), recurrent orthogonal per gate, biases 0) or
    "chrono" (Tallec and Ollivier 2018). Gains of a layer normalisation start at 1.

    ``retain_bias`` is then added to ``bias_ih`` of the gate that keeps the old state, so that it is the mean of that
    gate's bias: the LSTM's forget gate, the GRU's update gate (subtracted where the gate takes the new state). A
    positive value keeps more. A tanh network has no such gate and is left as it is.

    Raises:
        ValueError: the name is unknown; chrono without ``chrono_steps`` > 2 or with a ``retain_bias``; a bias is
            asked of a layer without biases.
    """
    if name not in INITIALISATIONS:
        raise ValueError(f"initialisation: expected one of {', '.join(INITIALISATIONS)}, got {name!r}")
    for gain in (parameters.gain_ih, parameters.gain_hh):
        if gain is not None:
            gain.fill_(1)
    INITIALISATIONS[name](cell, parameters)
    if cell.kind not in KEEPING_GATE:
        return
    if parameters.bias_ih is None and (retain_bias or name == "chrono"):
        what = f"retain_bias={retain_bias}" if retain_bias else "initialisation=chrono"
        raise ValueError(f"bias: {what} needs a bias vector, got bias=False; expected True or 'single'")
    if name == "chrono":
        chrono_biases(cell, parameters, retain_bias, chrono_steps)
    elif retain_bias:
        gate_rows(cell, parameters.bias_ih, KEEPING_GATE[cell.kind]).add_(keeping_sign(cell) * retain_bias)


def pytorch(cell: CellSpec, parameters: CellParameters) -> None:
    """nn.GRU's: weights, biases and peepholes U(-k, k) with k = 1/sqrt(hidden_size)."""
    k = 1 / math.sqrt(parameters.weight_hh.shape[1])
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_peephole"):
        tensor = getattr(parameters, name)
        if tensor is not None:
            tensor.uniform_(-k, k)


def xavier(cell: CellSpec, parameters: CellParameters) -> None:
    """Glorot and Bengio 2010 on one map per gate from [x, h] (input_size + hidden_size) to hidden_size; biases 0."""
    hidden_size, input_size = parameters.weight_hh.shape[1], parameters.weight_ih.shape[1]
    bound = math.sqrt(6 / (input_size + hidden_size + hidden_size))
    parameters.weight_ih.uniform_(-bound, bound)
    parameters.weight_hh.uniform_(-bound, bound)
    zero(parameters.bias_ih, parameters.bias_hh, parameters.weight_peephole)


def chung(cell: CellSpec, parameters: CellParameters) -> None:
    """The authors' release for Chung et al. 2014: inputs U(-0.1, 0.1), recurrent orthogonal per gate, biases 0.

    The peepholes' start is not stated there; here it is 0, the LSTM without them.
    """
    parameters.weight_ih.uniform_(-0.1, 0.1)
    for gate in parameters.weight_hh.chunk(len(cell.gates)):
        init.orthogonal_(gate)
    zero(parameters.bias_ih, parameters.bias_hh, parameters.weight_peephole)


INITIALISATIONS: dict[str, Callable[[CellSpec, CellParameters], None]] = {
    "pytorch": pytorch,
    "xavier": xavier,
    "chung": chung,
    "chrono": pytorch,
}


def chrono_biases(cell: CellSpec, parameters: CellParameters, retain_bias: float, chrono_steps: int | None) -> None:
    """Tallec and Ollivier 2018 (arXiv 1804.11188): the bias of the keeping gate is log U(1, T-1).

    T is ``chrono_steps``, the longest dependency expected, in steps. The bias of the LSTM's input gate is minus that;
    the other biases are 0.
    """
    if retain_bias:
        raise ValueError(f"retain_bias: chrono sets the keeping gate itself, expected 0, got {retain_bias}")
    if chrono_steps is None or chrono_steps <= 2:
        raise ValueError(f"chrono_steps: chrono needs the longest dependency, above 2 steps, got {chrono_steps}")
    zero(parameters.bias_ih, parameters.bias_hh)
    keeping = gate_rows(cell, parameters.bias_ih, KEEPING_GATE[cell.kind])
    keeping.uniform_(1, chrono_steps - 1).log_()
    if cell.kind == "lstm":
        gate_rows(cell, parameters.bias_ih, "input").copy_(-keeping)
    keeping.mul_(keeping_sign(cell))


def keeping_sign(cell: CellSpec) -> int:
    """-1 where the keeping gate's bias has to fall for the cell to keep more, else 1."""
    return -1 if cell.kind == "gru" and cell.update_gate == "takes" else 1


def gate_rows(cell: CellSpec, vector: Tensor | None, gate: str) -> Tensor:
    """The gate's part of a vector (G*hidden_size,), as a view."""
    assert vector is not None
    return vector.chunk(len(cell.gates))[cell.gates.index(gate)]


def zero(*tensors: Tensor | None) -> None:
    """Fill with zeros what is there."""
    for tensor in tensors:
        if tensor is not None:
            tensor.zero_()
