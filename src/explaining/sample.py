"""The sequences used to look inside a run, and how to draw one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from src.data.batches import Batch, Chunk, FlatSplit, Split
from src.data.describe import Bits, Classes, Description, Horizon, Tokens, Values
from src.figures.inputs import Shown
from src.tasks.base import Task


def sample(split: Split, description: Description, first: int, number: int, steps: int) -> Batch:
    """Return some consecutive sequences.

    If there is a target at every step, they are cut to their first ``steps``; if there are too few sequences, such as a
    text that is one sequence, the first is cut into equally spaced pieces.

    Args:
        split: split of a data module.
        description: description of its data.
        first: index of the first sequence, which must exist.
        number: largest number of sequences.
        steps: steps read from each, if they may be cut.
    """
    rows = torch.arange(first, min(first + number, len(split)))
    if not (description.per_step and description.causal and isinstance(split, FlatSplit)):
        return split[rows]
    offsets = torch.zeros_like(rows)
    room = int(split.lengths[first]) - steps
    if len(rows) < number and room > 0:
        offsets = torch.linspace(0, room, number).long()
        rows = torch.full_like(offsets, first)
    lengths = split.lengths[rows].clamp(max=steps)
    batch = split[Chunk(rows, rows, offsets, lengths, torch.ones_like(rows, dtype=torch.bool))]
    return replace(batch, starts=None)


@torch.no_grad()
def network_input(task: Task, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Return the recurrent network's input for a batch of the task: features (batch, time, input_size), lengths."""
    given: list[tuple[Tensor, Tensor | None]] = []

    def note(module: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        given.append((arguments[0], keywords.get("lengths")))

    hook = task.network.register_forward_pre_hook(note, with_kwargs=True)
    try:
        task.losses(batch)
    finally:
        hook.remove()
    return given[0]


def show(data: Any, x: Tensor) -> Shown:
    """Return how to draw one sequence (time, ...) of a data module."""
    description = data.description
    output = description.output
    if isinstance(description.input, Tokens):
        names = output.names if isinstance(output, Classes) else None
        tokens = tuple(names[token] if names else str(token) for token in x.tolist())
        return Shown("tokens", x.numpy(), f"step ({description.input.unit})", "", tokens)
    if isinstance(output, Bits) and x.shape[1] == 88:
        return Shown("roll", x.numpy(), "step (frame)", "key")
    if isinstance(output, Values) and not isinstance(output, Horizon) and description.per_step and description.causal:
        rate = getattr(data, "rate", None)
        length = f", {1000 * output.size / rate:g} ms" if rate else ""
        return Shown("wave", x[:, -output.size :].numpy(), f"step ({output.size} samples{length})", "sample\n(std)")
    # A table's columns have names; if each row is a sequence, they are its steps.
    roles = getattr(data, "roles", None)
    columns = [*roles.features] if roles is not None else [*output.names] if isinstance(output, Horizon) else []
    columns += getattr(getattr(data, "static", None), "inputs", ())
    columns = columns if len(columns) <= x.shape[1] else []
    # Where a column has no name, as in an array, or is made of others, it is called by its number.
    names = (*columns, *(f"feature {k}" for k in range(len(columns), x.shape[1])))
    kind: Any = "lines" if x.shape[1] <= 3 else "heat"
    label = names[0] if len(names) == 1 else "input" if kind == "lines" else "input\nfeature"
    return Shown(kind, x.numpy(), "step", label, names)
