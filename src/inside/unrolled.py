"""A network in evaluation, step by step, with every state as a graph node whose gradient can be computed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from src.recurrent import StackedRNN
from src.recurrent.backends.reference import valid_steps
from src.recurrent.cells.base import CellState, Equations, WeightBlocks, from_input
from src.recurrent.state import State, join_layers, split_layers


class Path(NamedTuple):
    """One layer in one direction: its cell, its weights by blocks, its inputs and its states.

    ``inputs`` has ``W x + b`` of each step, (batch, G*hidden_size); ``states`` the state after each step, both in the
    order of the input; ``start`` the state before the first one.
    """

    cell: Equations
    weight_blocks: WeightBlocks
    inputs: tuple[Tensor, ...]
    states: list[CellState]
    start: CellState

    def one_step(self, inputs: Tensor, state: CellState) -> CellState:
        """Return the state after one step in evaluation."""
        new, _ = self.cell.step(inputs, state[0], state, self.weight_blocks)
        zoneout = self.cell.zoneout
        return tuple(zoneout * o + (1 - zoneout) * n for o, n in zip(state, new, strict=True)) if zoneout else new


class Unrolled(NamedTuple):
    """A network's output, and for each layer its paths, forward first."""

    output: Tensor
    state: State
    layers: list[list[Path]]


def unrolled_forward(
    network: StackedRNN, x: Tensor, lengths: Tensor | None = None, state: State = None
) -> Unrolled:  # fmt: skip
    """Read (batch, time, input_size) with the reference equations, without noise.

    A state is in the graph twice: as computed by the cell, and as a copy that only the next step and the output use.
    The gradient with respect to the copies of h and c is therefore that with respect to each of the two with the other
    fixed, although h is computed from c.
    """
    initial = network.initial_state(len(x)) if state is None else state
    valid = None if lengths is None else valid_steps(lengths, x)
    if valid is not None:
        x = x.masked_fill(~valid[:, :, None], 0)
    layers, last = [], []
    for k, old in enumerate(split_layers(initial, network.layers)):
        cell, paths = network.layers[k].cell, []
        for direction, parameters in enumerate(network.parameters_of(k)):
            blocks = cell.weight_blocks(parameters)
            start = tuple(tensor[direction].detach().requires_grad_() for tensor in old)
            inputs = from_input(x, blocks).unbind(1)
            path = Path(cell, blocks, inputs, [start] * len(inputs), start)
            now, order = start, range(len(inputs))
            for t in reversed(order) if direction else order:
                new = path.one_step(inputs[t], now)
                if valid is not None:
                    new = tuple(torch.where(valid[:, t, None], n, o) for n, o in zip(new, now, strict=True))
                now = path.states[t] = tuple(tensor.clone() for tensor in new)
            paths.append(path)
        output = torch.cat([torch.stack([step[0] for step in path.states], dim=1) for path in paths], dim=-1)
        if valid is not None:
            output = output * valid[:, :, None]
        ends = [path.states[0 if direction else -1] for direction, path in enumerate(paths)]
        last.append(tuple(torch.stack(tensors) for tensors in zip(*ends, strict=True)))
        layers.append(paths)
        x = network.connect(k, x, output)
    return Unrolled(x, join_layers(last, network.layers), layers)
