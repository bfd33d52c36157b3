"""The reference backend: a readable loop over the equations. It runs every cell on every device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..cells.base import CellParameters, CellState, Equations, Gates, from_input
from .around import asserted
from .spec import CallSpec


def unsupported(cell: Equations, call: CallSpec) -> str | None:
    """Nothing."""
    return None


def run(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: CellState,
    parameters: CellParameters,
    *,
    reverse: bool = False,
    **masks: Any,
) -> tuple[Tensor, CellState]:
    """Run one layer in one direction; `src.recurrent.backends.spec` describes arguments and shapes."""
    if torch.jit.is_tracing():
        x = of_these_steps(x)
    outputs = []
    for _, new, _ in steps(cell, x, lengths, state, parameters, reverse=reverse, **masks):
        state = new
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    output = torch.stack(outputs, dim=1)
    state = tuple(tensor.clone() for tensor in state)  # may be modified in place, because backward does not read it
    return output if lengths is None else output * valid_steps(lengths, x)[:, :, None], state


def of_these_steps(x: Tensor) -> Tensor:
    """Return ``x`` with a check of its time steps under torch.jit.trace, which records each step separately."""
    time = int(x.shape[1])
    sentence = (
        f"input: was traced with {time} time steps through backend=reference, whose graph is fixed to that number: use "
        "backend=fused, backend=torch or torch.jit.script for any number"
    )
    return x * asserted(x.new_ones(()), torch._shape_as_tensor(x)[1] == time, sentence)


def steps(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: CellState,
    parameters: CellParameters,
    *,
    reverse: bool = False,
    recurrent_mask: Tensor | None = None,
    zoneout_masks: tuple[Tensor, ...] | None = None,
) -> Iterator[tuple[int, CellState, Gates]]:
    """Iterate in the order of the direction over the step's index, the state after it and its gates.

    A row past its length keeps its state: in reverse its initial state until its last valid step, forward its final
    one.
    """
    blocks = cell.weight_blocks(parameters)
    inputs = from_input(x, blocks).unbind(1)
    valid = None if lengths is None else valid_steps(lengths, x)
    order = range(x.shape[1])
    for t in reversed(order) if reverse else order:
        seen = state[0] if recurrent_mask is None else state[0] * recurrent_mask
        new, gates = cell.step(inputs[t], seen, state, blocks)
        if zoneout_masks is not None:
            kept = (mask[:, t] for mask in zoneout_masks)
            new = tuple(k * o + (1 - k) * n for k, o, n in zip(kept, state, new, strict=True))
        if valid is not None:
            new = tuple(torch.where(valid[:, t, None], n, o) for n, o in zip(new, state, strict=True))
        state = new
        yield t, state, gates


def valid_steps(lengths: Tensor, x: Tensor) -> Tensor:
    """Return which steps of a padded batch (batch, time, ...) are valid: bool (batch, time) on its device."""
    return torch.arange(x.shape[1], device=x.device) < lengths.to(x.device, non_blocking=True)[:, None]
