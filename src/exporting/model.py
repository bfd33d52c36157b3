"""A task with its weights as one ONNX model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.data.describe import Classes, Tokens, Values
from src.exporting.graph import Graph, Shape
from src.exporting.heads import Given, encode, outputs
from src.exporting.layers import States, check_expressible, stack
from src.tasks.base import Task

if TYPE_CHECKING:
    from onnx import ModelProto


def to_onnx(task: Task, *, state: bool = False, facts: dict[str, str] | None = None) -> ModelProto:
    """Return the graph of a task in evaluation: batch and time are free, and lengths are an input.

    Inputs: ``input``, (batch, time, features) float32 or (batch, time) int64 for tokens; ``lengths``, int64 (batch,),
    each 1..time; with ``state`` also ``hidden_l0``, ``cell_l0``, ... (directions, batch, hidden_size), one per layer,
    and the outputs ``hidden_l0_last``, ... with which to continue the sequences. Outputs by task: ``logits`` (before
    softmax or sigmoid), ``values``, ``forecast``, ``next_row`` (one step of a recursive forecast), or ``logits``,
    ``mean`` and ``log_scale`` of a mixture of Gaussians. All are on the run's own scale; the metadata has names, means
    and scales.

    Args:
        task: a task of `src.tasks` with a network of `src.recurrent`.
        state: whether the state is an input and an output.
        facts: added to the metadata.

    Raises:
        UserError: ONNX's recurrent operators cannot express the network, or there is no graph for the task.
    """
    network = task.network
    check_expressible(network)
    graph, tokens = Graph(), isinstance(task.description.input, Tokens)
    shape: Shape = ("batch", "time") if tokens else ("batch", "time", task.encoder.output_size)
    x = graph.input("input", "int64" if tokens else "float32", shape)
    lengths = graph.input("lengths", "int64", ("batch",))
    states = carried(network)
    start = [tuple(graph.input(name, "float32", form) for name in names) for names, form in states] if state else None
    last: States = []

    def recurrent(value: str) -> str:
        output, new = stack(graph, network, encode(graph, task.encoder, value), lengths, start)
        last[:] = new
        return output

    for name, (value, form) in outputs(task, Given(graph, x, lengths, recurrent)).items():
        graph.output(name, value, form)
    for (names, form), values in zip(states, last, strict=True) if state else ():
        for name, value in zip(names, values, strict=True):
            graph.output(f"{name}_last", value, form)
    return graph.model(type(task).__name__, described(task) | (facts or {}))


def carried(network: Any, batch: int | str = "batch") -> list[tuple[tuple[str, ...], Any]]:
    """Return the names of the states of each layer, and their shape (directions, batch, hidden_size)."""
    return [
        (tuple(f"{name}_l{k}" for name in layer.cell.states), (network.num_directions, batch, layer.hidden_size))
        for k, layer in enumerate(network.layers)
    ]


def described(task: Task) -> dict[str, str]:
    """Return metadata for users of the outputs: names of classes or values, means and scales."""
    output, facts = task.description.output, {"task": type(task).__name__}
    if isinstance(output, Classes):
        facts["classes"] = json.dumps(output.names)
    if isinstance(output, Values):
        facts |= {name: json.dumps(getattr(output, name)) for name in ("names", "mean", "scale")}
    return facts
