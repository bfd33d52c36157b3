"""Convert weights from and to nn.GRU, nn.LSTM, nn.RNN, and the papers' form of one linear map of [x, h] per gate.

With nn.GRU's definition a state_dict can be used directly; these functions also translate differences, and refuse what
has no equivalent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .backends.builtin import beyond_pytorch, same_sizes, with_two_biases
from .cells.base import CellParameters, Equations
from .cells.gru import GRUEquations, flip_update_gate
from .cells.lstm import LSTMEquations
from .layers import GRU, LSTM, RNN
from .stack import StackedRNN

Concatenated = dict[str, tuple[Tensor, Tensor | None]]


def from_pytorch(theirs: nn.RNNBase, **options: Any) -> StackedRNN:
    """Return our network with the weights of an nn.GRU, nn.LSTM or nn.RNN, computing the same function.

    Args:
        theirs: the network to copy.
        options: further arguments of `GRU`, `LSTM` or `RNN` that do not change the function, such as ``backend``; with
            ``update_gate="takes"`` the update gate is negated.

    Raises:
        ValueError: the network is none of these, or an option is not that of ``theirs`` or would change the function.
    """
    kinds: dict[type[nn.RNNBase], type[GRU] | type[LSTM] | type[RNN]] = {nn.GRU: GRU, nn.LSTM: LSTM, nn.RNN: RNN}
    if type(theirs) not in kinds:
        raise ValueError(f"theirs: expected an nn.GRU, nn.LSTM or nn.RNN, got {type(theirs).__name__}")
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    names += ["nonlinearity"] * isinstance(theirs, nn.RNN) + ["proj_size"] * isinstance(theirs, nn.LSTM)
    weight = next(theirs.parameters())
    given = {name: getattr(theirs, name) for name in names} | {"device": weight.device, "dtype": weight.dtype}
    for name in names:
        if options.get(name, given[name]) != given[name]:
            raise ValueError(f"{name}: expected {given[name]!r} as in theirs, got {options[name]!r}")
    network = kinds[type(theirs)](**given | options)
    if missing := without_equivalent(network):
        raise ValueError(f"options: {missing[0]} would change what {type(theirs).__name__} computes, got {options}")
    network.load_state_dict(theirs.state_dict())
    cell = network.layers[0].cell
    if cell != cell.standard:
        for k in range(network.num_layers):
            for suffix, parameters in zip(network.suffixes(k), network.parameters_of(k), strict=True):
                assign(network, flip_update_gate(parameters), suffix)
    return network.train(theirs.training)


def to_pytorch(network: StackedRNN) -> nn.RNNBase:
    """Return the nn.GRU, nn.LSTM or nn.RNN that computes the same function in evaluation and in noise-free training.

    Raises:
        ValueError: PyTorch has no equivalent.
    """
    if missing := without_equivalent(network):
        raise ValueError(f"network: PyTorch has no equivalent of {missing[0]}")
    layer, weight = network.layers[0], network.weight_ih_l0
    theirs = same_sizes(network, device=weight.device, dtype=weight.dtype)
    for k in range(network.num_layers):
        for suffix, parameters in zip(network.suffixes(k), network.parameters_of(k), strict=True):
            assign(theirs, with_two_biases(layer.cell.standard_weights(parameters)), suffix)
    return theirs.train(network.training)


def without_equivalent(network: StackedRNN) -> list[str]:
    """Return features of a network for which PyTorch has no equivalent."""
    reasons = {
        "layers of different kinds or widths": not network.equal_layers,
        **dict.fromkeys(beyond_pytorch(network.layers[0].cell), True),
        "residual connections": network.residual and network.num_layers > 1,
        "a learned initial state (pass initial_state() as hx instead)": network.learn_initial_state,
    }
    return [reason for reason, there in reasons.items() if there]


def to_concatenated(cell: Equations, parameters: CellParameters) -> Concatenated:
    """Return the maps of [x, h] by gate: weight (hidden_size, input_size + hidden_size), bias (hidden_size,) or None.

    The candidate's map is applied to [x, r*h] in a GRU, as in Cho et al. 2014.

    Raises:
        ValueError: the cell is not linear in [x, h] before its gates.
    """
    check_concatenated(cell)
    weights = torch.cat([parameters.weight_ih, parameters.weight_hh], dim=1).chunk(len(cell.gates))
    biases = [bias for bias in (parameters.bias_ih, parameters.bias_hh) if bias is not None]
    summed = torch.stack(biases).sum(0).chunk(len(cell.gates)) if biases else [None] * len(cell.gates)
    return {gate: (w, b) for gate, w, b in zip(cell.gates, weights, summed, strict=True)}


def from_concatenated(cell: Equations, maps: Mapping[str, tuple[Tensor, Tensor | None]]) -> CellParameters:
    """Return parameters with a single bias from maps of [x, h] by gate; the inverse of `to_concatenated`.

    Raises:
        ValueError: a gate is missing or unknown, or the cell is not linear in [x, h] before its gates.
    """
    check_concatenated(cell)
    if set(maps) != set(cell.gates):
        raise ValueError(f"maps: expected the gates {', '.join(cell.gates)}, got {', '.join(maps)}")
    weight = torch.cat([maps[gate][0] for gate in cell.gates])
    biases = [bias for bias in (maps[gate][1] for gate in cell.gates) if bias is not None]
    if biases and len(biases) < len(cell.gates):
        raise ValueError(f"maps: expected a bias for every gate or for none, got {len(biases)} of {len(cell.gates)}")
    hidden_size = weight.shape[0] // len(cell.gates)
    input_size = weight.shape[1] - hidden_size
    return CellParameters(weight[:, :input_size], weight[:, input_size:], torch.cat(biases) if biases else None)


def check_concatenated(cell: Equations) -> None:
    """Refuse cells whose gates are not a function of one linear map of [x, h]."""
    after = isinstance(cell, GRUEquations) and cell.reset_after
    reasons = {
        "reset_after=True (the reset gate multiplies U h + b, not h)": after,
        "peepholes": bool(cell.peephole_gates),
        "layer_norm": cell.layer_norm,
        "projections": isinstance(cell, LSTMEquations) and cell.proj_size > 0,
    }
    for reason, there in reasons.items():
        if there:
            raise ValueError(f"cell: one linear map of [x, h] per gate has no equivalent of {reason}")


@torch.no_grad()
def assign(module: nn.Module, parameters: CellParameters, suffix: str = "") -> None:
    """Copy parameters into a module that stores them like `src.recurrent.parameters.register`.

    Raises:
        ValueError: the tensors of module and parameters differ in presence or shape.
    """
    for name, tensor in parameters._asdict().items():
        target = getattr(module, name + suffix, None)
        came, expected = (None if t is None else tuple(t.shape) for t in (tensor, target))
        if came != expected:
            raise ValueError(f"{name}: expected shape {expected}, got {came}")
        if target is not None:
            target.copy_(tensor)
