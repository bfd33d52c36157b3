"""Compare an exported model with its task in onnxruntime, on random batches of several sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Tokens
from src.exporting.model import carried
from src.exporting.session import session
from src.recurrent import select_rows
from src.recurrent.state import State, join_layers, map_state, split_layers
from src.rng import derive
from src.tasks.base import Task
from src.tasks.forecasting import Forecasting
from src.tasks.regression import SequenceRegression
from src.tasks.waveform import Waveform

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = 1e-5  # absolute for numbers up to 1, relative for larger ones
ROUNDING = 4  # multiple of the run's own error in float32 that a graph may differ by, where that is more
MOST = 1e-3  # which it may never differ by
FORMS = ((1, 1), (1, 17), (5, 9), (12, 40), (3, 120))  # batch, time
Arrays = dict[str, np.ndarray]


def check(model: ModelProto, task: Task) -> float:
    """Run the model in onnxruntime on padded batches of random numbers, lengths and states.

    Every output is compared with the run's own output for each sequence alone, cut to its length. Large recurrent
    weights let errors of rounding grow from step to step: there the graph may differ from the run by as much as the run
    does from itself in float64, times :data:`ROUNDING`, and at most by :data:`MOST`.

    Args:
        model: from `to_onnx`.
        task: its source, in evaluation mode.

    Returns:
        The largest difference, relative to values above 1.

    Raises:
        UserError: an output has another shape, or differs by more than :data:`TOLERANCE` and rounding.
    """
    graph = session(model.SerializeToString())
    names = [output.name for output in graph.get_outputs()]
    generator = torch.Generator().manual_seed(derive(0, "generation"))
    worst, ours = 0.0, list[tuple[Tensor, State, Arrays]]()
    for batch, time in FORMS:
        given, state = random_inputs(task, batch, time, generator, state=len(graph.get_inputs()) > 2)
        outputs = dict(zip(names, graph.run(names, {k: v.numpy() for k, v in given.items()}), strict=True))
        for row, length in enumerate(given["lengths"].tolist()):
            x, start = given["input"][row : row + 1, :length], select_rows(state, torch.tensor([row]))
            expected = alone(task, x, start)
            ours.append((x, start, expected))
            theirs = {name: row_of(task, name, outputs[name], row, length) for name in names}
            worst = max(worst, *(difference(name, expected[name], theirs[name]) for name in names))
    allowed = TOLERANCE if worst <= TOLERANCE else min(MOST, max(TOLERANCE, ROUNDING * rounding(task, ours)))
    if not worst <= allowed:
        raise UserError(
            f"The exported graph differs from the run by {worst:.3g}, more than {allowed:.3g}: nothing was written."
        )
    return worst


def rounding(task: Task, ours: Sequence[tuple[Tensor, State, Arrays]]) -> float:
    """Return the run's largest error in float32: its difference from the same in float64, relative to values above 1.

    Args:
        task: the run, in float32.
        ours: input, initial state and the run's outputs of several sequences.
    """
    exact, worst = deepcopy(task).double(), 0.0
    for x, start, outputs in ours:
        truth = alone(exact, x.double() if x.is_floating_point() else x, map_state(Tensor.double, start))
        worst = max(worst, *(difference(name, truth[name], value) for name, value in outputs.items()))
    return worst


def random_sequences(task: Task, batch: int, time: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return standard normal features or uniform tokens, (batch, time, ...), and random lengths, (batch,)."""
    form = task.description.input
    if isinstance(form, Tokens):
        x = torch.randint(form.vocabulary, (batch, time), generator=generator)
    else:
        x = torch.randn(batch, time, form.size, generator=generator)
    return x, torch.randint(1, time + 1, (batch,), generator=generator)


def random_inputs(
    task: Task, batch: int, time: int, generator: torch.Generator, *, state: bool
) -> tuple[dict[str, Tensor], State]:
    """Return inputs by name, with states in (-1, 1).

    Also returns the initial state: the one among the inputs, or without ``state`` the network's own.
    """
    network = task.network
    given = dict(zip(("input", "lengths"), random_sequences(task, batch, time, generator), strict=True))
    if not state:
        return given, network.initial_state(batch)
    states = []
    for names, shape in carried(network, batch):
        states.append(tuple(2 * torch.rand(shape, generator=generator) - 1 for _ in names))
        given |= dict(zip(names, states[-1], strict=True))
    return given, join_layers(states, network.layers)


@torch.no_grad()
def alone(task: Task, x: Tensor, state: State) -> Arrays:
    """Return the run's outputs for one full sequence (1, time, ...) from a state, by output name."""
    network, last = task.network, list[State]()
    hooks = [
        network.register_forward_pre_hook(lambda _, args, keywords: ((args[0], state), keywords), with_kwargs=True),
        network.register_forward_hook(lambda _, args, output: last.append(output[1])),
    ]
    try:
        outputs = says(task, x)
    finally:
        for hook in hooks:
            hook.remove()
    for (names, _), values in zip(carried(network), split_layers(last[0], network.layers), strict=True):
        outputs |= {f"{name}_last": value[:, 0] for name, value in zip(names, values, strict=True)}
    return {name: value.numpy() for name, value in outputs.items()}


def says(task: Any, x: Tensor) -> dict[str, Tensor]:
    """Return a task's outputs for one full sequence (1, time, ...), without the batch dimension."""
    if isinstance(task, Forecasting):
        name, steps = ("next_row", 1) if task.strategy == "recursive" else ("forecast", task.horizon)
        return {name: task.predict_future(x, steps)[0]}
    one = Batch(x, torch.zeros(1), torch.tensor([x.shape[1]]), torch.zeros(1, dtype=torch.int64))
    if isinstance(task, Waveform):
        return {name: value[0] for name, value in zip(("logits", "mean", "log_scale"), task(one), strict=True)}
    return {"values" if isinstance(task, SequenceRegression) else "logits": task(one)[0]}


def row_of(task: Task, name: str, values: np.ndarray, row: int, length: int) -> np.ndarray:
    """Return one sequence's part of an output: its valid steps, or only the last if the run has no others."""
    if name.endswith("_last"):
        return values[:, row]
    if name == "next_row":
        return values[row, length - 1 : length]
    return values[row, :length] if task.description.per_step else values[row]


def difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference, relative to values above 1; infinite for values that are not numbers.

    Raises:
        UserError: the shapes differ.
    """
    if ours.shape != theirs.shape:
        raise UserError(f"The exported graph's {name} has shape {theirs.shape}, but the run's has {ours.shape}.")
    off = float((np.abs(ours - theirs) / np.maximum(1, np.abs(ours))).max())
    return math.inf if math.isnan(off) else off
