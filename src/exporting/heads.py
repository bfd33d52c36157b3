"""The parts around the recurrent network as ONNX nodes: encoder, pooling and head of each task."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from src.config.errors import UserError
from src.exporting.graph import Graph, Shape
from src.exporting.layers import numbers
from src.tasks.base import Encoder, Task
from src.tasks.classification import SequenceClassification
from src.tasks.forecasting import Forecasting
from src.tasks.language_model import LanguageModel
from src.tasks.music import PolyphonicMusic
from src.tasks.per_step import PerStepClassification
from src.tasks.regression import SequenceRegression
from src.tasks.waveform import Waveform

Network = Callable[[str], str]  # maps the network's input value to its output value
Outputs = dict[str, tuple[str, Shape]]
EACH_STEP: Shape = ("batch", "time")


class Given(NamedTuple):
    """Inputs of a head: the graph, the original input, its lengths int64 (batch,), and the recurrent network."""

    graph: Graph
    x: str
    lengths: str
    network: Network


@singledispatch
def outputs(task: Task, given: Given) -> Outputs:
    """Return the outputs of a task by name, with their shapes.

    Raises:
        UserError: there is no graph for the task.
    """
    raise UserError(f"{type(task).__name__} cannot be exported: only tasks of src.tasks have a graph for their head.")


@outputs.register
def _(task: SequenceClassification, given: Given) -> Outputs:
    return {"logits": (linear(given.graph, task.head, pooled(task, given)), ("batch", task.classes))}


@outputs.register
def _(task: SequenceRegression, given: Given) -> Outputs:
    size = task.head.out_features
    if task.description.per_step:
        return {"values": (at_each_step(task, given), (*EACH_STEP, size))}
    return {"values": (linear(given.graph, task.head, pooled(task, given)), ("batch", size))}


@outputs.register(PerStepClassification)
@outputs.register(LanguageModel)
@outputs.register(PolyphonicMusic)
def _(task: Any, given: Given) -> Outputs:
    return {"logits": (at_each_step(task, given), (*EACH_STEP, task.head.out_features))}


@outputs.register
def _(task: Waveform, given: Given) -> Outputs:
    graph, k, d = given.graph, task.mixtures, task.samples
    logits, mean, scale = graph.nodes("Split", 3, at_each_step(task, given), [k, k * d, k * d], axis=-1)
    apart = graph.constant([0, 0, k, d])
    least = graph.constant(np.float32(task.min_log_scale))
    raised = graph.node("Softplus", graph.node("Sub", graph.node("Reshape", scale, apart), least))
    return {
        "logits": (logits, (*EACH_STEP, k)),
        "mean": (graph.node("Reshape", mean, apart), (*EACH_STEP, k, d)),
        "log_scale": (graph.node("Add", raised, least), (*EACH_STEP, k, d)),
    }


@outputs.register
def _(task: Forecasting, given: Given) -> Outputs:
    graph, size = given.graph, task.targets
    output: Any = task.description.output
    if task.density.coverage or output.known:
        raise UserError(
            "Forecasts with intervals (task.intervals) or values known in advance (data.known) have no ONNX graph: "
            "export a run without them."
        )
    if task.strategy == "recursive":
        change = linear(graph, task.head, given.network(given.x))
        row = graph.node("Add", given.x, change) if task.relative else change
        return {"next_row": (row, (*EACH_STEP, size))}
    shape: Shape = ("batch", task.horizon, size)
    rows = graph.constant([0, task.horizon, size])
    if not task.relative:
        return {"forecast": (graph.node("Reshape", linear(graph, task.head, last(task, given, given.x)), rows), shape)}
    at_the_end = at_last_step(graph, given.x, given.lengths)  # (batch, features)
    forecast_columns = np.zeros(task.encoder.output_size, np.float32)
    forecast_columns[task.columns.numpy()] = 1
    level = graph.node("Unsqueeze", graph.node("Mul", at_the_end, forecast_columns), [1])
    change = linear(graph, task.head, last(task, given, graph.node("Sub", given.x, level)))
    targets = graph.node("Gather", level, task.columns.numpy(), axis=2)
    return {"forecast": (graph.node("Add", graph.node("Reshape", change, rows), targets), shape)}


def encode(graph: Graph, encoder: Encoder, x: str) -> str:
    """Embed tokens; pass features through."""
    return x if encoder.embedding is None else graph.node("Gather", numbers(encoder.embedding.weight), x, axis=0)


def linear(graph: Graph, head: nn.Linear, x: str) -> str:
    """Compute ``x W' + b`` over the last dimension."""
    return graph.node("Add", graph.node("MatMul", x, numbers(head.weight).T), numbers(head.bias))


def at_each_step(task: Any, given: Given) -> str:
    """Apply the head at every step: (batch, time, out)."""
    return linear(given.graph, task.head, given.network(given.x))


def pooled(task: Any, given: Given) -> str:
    """Return the input of a head for whole sequences, as in `src.tasks.classification.pooled`: (batch, output_size)."""
    if task.pooling == "last":
        return last(task, given, given.x)
    graph, output = given.graph, given.network(given.x)
    steps = graph.node("Squeeze", graph.size(output, 1), [0])
    counted = graph.node("Range", np.int64(0), steps, np.int64(1))
    valid = graph.node("Less", counted, graph.node("Unsqueeze", given.lengths, [1]))
    mask = graph.node("Unsqueeze", valid, [2])
    if task.pooling == "max":
        lowest = np.float32(np.finfo(np.float32).min)
        return graph.node("ReduceMax", graph.node("Where", mask, output, lowest), axes=[1], keepdims=0)
    total = graph.node("ReduceSum", output, [1], keepdims=0)  # zero past a row's length
    return graph.node("Div", total, graph.node("Cast", graph.node("Unsqueeze", given.lengths, [1]), to=1))


def last(task: Any, given: Given, x: str) -> str:
    """Return `src.recurrent.last_valid` of the network's output for ``x``: (batch, output_size)."""
    graph, output = given.graph, given.network(x)
    at_the_end = at_last_step(graph, output, given.lengths)
    if getattr(task.network, "num_directions", 1) == 1:
        return at_the_end
    half = task.network.output_size // 2
    at_the_start = graph.node("Gather", output, np.int64(0), axis=1)
    forward, _ = graph.nodes("Split", 2, at_the_end, [half, half], axis=1)
    _, backward = graph.nodes("Split", 2, at_the_start, [half, half], axis=1)
    return graph.node("Concat", forward, backward, axis=1)


def at_last_step(graph: Graph, x: str, lengths: str) -> str:
    """Return each row's last valid step, (batch, features)."""
    return graph.node("GatherND", x, graph.node("Unsqueeze", graph.node("Sub", lengths, [1]), [1]), batch_dims=1)
