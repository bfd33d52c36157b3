"""A `StackedRNN` as the ONNX operators GRU, LSTM and RNN, one node per layer.

ONNX orders the rows of its weights z, r, n (GRU) and i, o, f, g (LSTM, peepholes i, o, f), keeps the old state if z is
1, and reads (time, batch, features); ``linear_before_reset`` is our ``reset_after``
(https://onnx.ai/onnx/operators/onnx__GRU.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.exporting.graph import Graph
from src.recurrent import StackedRNN
from src.recurrent.cells.base import Equations
from src.recurrent.cells.gru import GRUEquations
from src.recurrent.cells.lstm import LSTMEquations
from src.recurrent.cells.rnn import RNNEquations
from src.recurrent.state import split_layers

OPERATORS = {"gru": "GRU", "lstm": "LSTM", "rnn": "RNN"}
ORDER = {
    "gru": ("update", "reset", "candidate"),
    "lstm": ("input", "output", "forget", "candidate"),
    "rnn": ("candidate",),
}
PEEPHOLES = (0, 2, 1)  # ours are i, f, o

States = list[tuple[str, ...]]  # by layer, the names of its states' values, (directions, batch, hidden_size)


def check_expressible(network: Any) -> None:
    """Refuse networks that the operators cannot express.

    Raises:
        UserError: the operators cannot express the network.
    """
    if not isinstance(network, StackedRNN):
        raise UserError(
            f"{type(network).__name__} cannot be exported: the ONNX operators GRU, LSTM and RNN compute only "
            "networks of src.recurrent."
        )
    for cell in (layer.cell for layer in network.layers):
        reasons = {
            "its cells normalise inside the step (model.layer_norm=true)": cell.layer_norm,
            f"with model.zoneout={cell.zoneout} states keep that fraction in evaluation, too": cell.zoneout > 0,
            f"it has {cell.kind} cells": cell.standard.kind not in OPERATORS,
            "its cells project their output (model.proj_size)": isinstance(cell, LSTMEquations) and cell.proj_size > 0,
        }
        for reason, there in reasons.items():
            if there:
                raise UserError(
                    f"This run cannot be exported: {reason}, which the ONNX operators GRU, LSTM and RNN do not support."
                )


def stack(graph: Graph, network: StackedRNN, x: str, lengths: str, states: States | None) -> tuple[str, States]:
    """Add the layers of a network.

    Args:
        graph: receives the nodes.
        network: a network that the operators can express.
        x: (batch, time, input_size).
        lengths: int64 (batch,).
        states: the initial state; None: the network's own.

    Returns:
        The output (batch, time, output_size), zero past a row's length, and the state after the last valid step.
    """
    steps = graph.node("Cast", lengths, to=6)  # the operators need int32
    states = initial_states(graph, network, x) if states is None else states
    x, last = graph.node("Transpose", x, perm=[1, 0, 2]), []
    for k, old in enumerate(states):
        output, new = layer(graph, network, k, x, steps, old)
        width = network.layers[k].hidden_size * network.num_directions
        residual = network.residual and k > 0 and width == network.layers[k].input_size
        x = graph.node("Add", output, x) if residual else output
        last.append(new)
    return graph.node("Transpose", x, perm=[1, 0, 2]), last


def layer(
    graph: Graph, network: StackedRNN, k: int, x: str, steps: str, old: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Add layer k in its directions: (time, batch, ...) to (time, batch, directions*hidden_size), and its new state."""
    spec = network.layers[k]
    cell = spec.cell.standard
    tensors = weights(network, k)
    inputs = [x, *(tensors.get(name, "") for name in ("W", "R", "B")), steps, *old]
    peepholes = [tensors["P"]] if "P" in tensors else []
    attributes: dict[str, Any] = {"hidden_size": spec.hidden_size}
    attributes["direction"] = "bidirectional" if network.bidirectional else "forward"
    if isinstance(cell, GRUEquations):
        attributes["linear_before_reset"] = int(cell.reset_after)
    if isinstance(cell, RNNEquations):
        attributes["activations"] = [cell.nonlinearity.capitalize()] * network.num_directions
    output, *new = graph.nodes(OPERATORS[cell.kind], 1 + len(old), *inputs, *peepholes, **attributes)
    side_by_side = graph.node("Transpose", output, perm=[0, 2, 1, 3])
    return graph.node("Reshape", side_by_side, [0, 0, spec.hidden_size * network.num_directions]), tuple(new)


def weights(network: StackedRNN, k: int) -> dict[str, np.ndarray]:
    """Return W, R, B (both biases concatenated) and P of layer k, (directions, ...), in ONNX's order and convention."""
    own, rows = network.layers[k].cell, []
    for parameters in network.parameters_of(k):
        cell, p = own.standard, own.standard_weights(parameters)
        row = {"W": reordered(cell, p.weight_ih), "R": reordered(cell, p.weight_hh)}
        if p.bias_ih is not None:
            second = torch.zeros_like(p.bias_ih) if p.bias_hh is None else p.bias_hh
            row["B"] = np.concatenate([reordered(cell, p.bias_ih), reordered(cell, second)])
        if p.weight_peephole is not None:
            row["P"] = blocks(p.weight_peephole, PEEPHOLES)
        rows.append(row)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def reordered(cell: Equations, tensor: Tensor) -> np.ndarray:
    """Return rows by gate in ONNX's order."""
    return blocks(tensor, [cell.gates.index(gate) for gate in ORDER[cell.kind]])


def blocks(tensor: Tensor, order: Sequence[int]) -> np.ndarray:
    """Reorder equal blocks of rows."""
    return numbers(tensor.unflatten(0, (len(order), -1))[list(order)].flatten(0, 1))


def numbers(tensor: Tensor) -> np.ndarray:
    """Return a weight as a float32 array."""
    return tensor.detach().cpu().float().numpy()


def initial_states(graph: Graph, network: StackedRNN, x: str) -> States:
    """Return the network's own initial state (zero or learned), for as many rows as ``x`` has."""
    batch, states = graph.size(x, 0), []
    for tensors in split_layers(network.initial_state(1), network.layers):
        values = []
        for tensor in tensors:
            directions, _, width = tensor.shape
            shape = graph.node("Concat", [directions], batch, [width], axis=0)
            values.append(graph.node("Expand", numbers(tensor), shape))
        states.append(tuple(values))
    return states
