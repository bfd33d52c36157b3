"""Record every gate while a network reads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .backends.reference import steps, valid_steps
from .inputs import check_state, take_in
from .stack import StackedRNN
from .state import State, split_layers

Trace = dict[str, Tensor]


def trace_gates(
    network: StackedRNN, input: Tensor | PackedSequence, state: State = None, lengths: Tensor | None = None
) -> list[list[Trace]]:
    """Return the gates and states of every layer and direction at every step, as in evaluation (no noise or dropout).

    The reference equations run on the network's own weights, so this also works for networks on faster backends.

    Args:
        network, input, state, lengths: any network and its batched inputs.

    Returns:
        For each layer and direction (forward first), a dict from the names of gates (`Equations.gates`, in the cell's
        update convention) and states ("hidden", "cell") to (batch, time, hidden_size), zero past a row's length; states
        are those after the step. The backward direction is in input order.

    Raises:
        ValueError: input, state or lengths do not match the network.
    """
    batch = take_in(input, lengths, network.batch_first, network.weight_ih_l0, network.allow_empty)
    if batch.x.shape[1] == 0:
        raise ValueError("input: expected at least 1 time step, got 0")
    initial = network.initial_state(batch.x.shape[0])
    if state is not None:
        check_state(state, initial, network.weight_ih_l0)
        initial = state
    x, traces = batch.x, []
    for k, old in enumerate(split_layers(initial, network.layers)):
        cell = network.layers[k].cell
        masks = tuple(x.new_full((1, x.shape[1], 1), cell.zoneout) for _ in old) if cell.zoneout else None
        directions = []
        for direction, parameters in enumerate(network.parameters_of(k)):
            start = tuple(tensor[direction] for tensor in old)
            rows: list[Trace] = [{}] * x.shape[1]
            for t, new, gates in steps(
                cell, x, batch.lengths, start, parameters, reverse=direction == 1, zoneout_masks=masks
            ):
                rows[t] = gates | dict(zip(cell.states, new, strict=True))
            directions.append({name: torch.stack([row[name] for row in rows], dim=1) for name in rows[0]})
        if batch.lengths is not None:
            padding = ~valid_steps(batch.lengths, x)[:, :, None]
            directions = [{n: v.masked_fill(padding, 0) for n, v in trace.items()} for trace in directions]
        traces.append(directions)
        x = network.connect(k, x, torch.cat([trace[cell.states[0]] for trace in directions], dim=-1))
    return traces
