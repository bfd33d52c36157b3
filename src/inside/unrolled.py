"""A network in evaluation, step by step, with every state a point of the graph that can be asked for its gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from src.recurrent import StackedRNN
from src.recurrent.backends.reference import valid_steps
from src.recurrent.backends.spec import CellSpec
from src.recurrent.equations import EQUATIONS, Parts, from_input, split
from src.recurrent.forward import connect
from src.recurrent.parameters import collect
from src.recurrent.state import State, join_layers, split_layers

Step = tuple[Tensor, ...]  # the states of a cell, (batch, hidden_size) each


class Path(NamedTuple):
    """One layer in one direction: its cell, its weights by parts, what it read and the states it went through.

    ``inputs`` has ``W x + b`` of each step, (batch, G*hidden_size); ``states`` the state after each step, both in the
    order of the input; ``start`` the state before the first one.
    """

    cell: CellSpec
    parts: Parts
    inputs: tuple[Tensor, ...]
    states: list[Step]
    start: Step


class Walk(NamedTuple):
    """What a network gives, and for each layer its paths, forward first."""

    output: Tensor
    state: State
    layers: list[list[Path]]


def walk(network: StackedRNN, x: Tensor, lengths: Tensor | None = None, state: State = None) -> Walk:
    """Read (batch, time, input_size) by the readable equations, without noise.

    A state stands twice in the graph: in the cell as it was computed, and as a copy that alone the next step and the
    output see. The gradient with regard to the copies of h and c is therefore that with regard to each of the two, the
    other held fixed, although h is computed from c.
    """
    initial = network.initial_state(len(x)) if state is None else state
    valid = None if lengths is None else valid_steps(lengths, x)
    if valid is not None:
        x = x.masked_fill(~valid[:, :, None], 0)
    layers, last = [], []
    for k, old in enumerate(split_layers(initial, network.layers)):
        cell, paths = network.layers[k].cell, []
        for direction, suffix in enumerate(network.suffixes(k)):
            parts = split(cell, collect(network, suffix))
            start = tuple(tensor[direction].detach().requires_grad_() for tensor in old)
            inputs = from_input(x, parts).unbind(1)
            order = range(len(inputs))
            now, states = start, [start] * len(inputs)
            for t in reversed(order) if direction else order:
                new = one_step(cell, parts, inputs[t], now)
                if valid is not None:
                    new = tuple(torch.where(valid[:, t, None], n, o) for n, o in zip(new, now, strict=True))
                now = states[t] = tuple(part.clone() for part in new)
            paths.append(Path(cell, parts, inputs, states, start))
        output = torch.cat([torch.stack([step[0] for step in path.states], dim=1) for path in paths], dim=-1)
        if valid is not None:
            output = output * valid[:, :, None]
        ends = [path.states[0 if direction else -1] for direction, path in enumerate(paths)]
        last.append(tuple(torch.stack(tensors) for tensors in zip(*ends, strict=True)))
        layers.append(paths)
        x = connect(network, k, x, output)
    return Walk(x, join_layers(last, network.layers), layers)


def one_step(cell: CellSpec, parts: Parts, inputs: Tensor, state: Step) -> Step:
    """The state after one step of a cell in evaluation."""
    new, _ = EQUATIONS[cell.kind](cell, inputs, state, parts)
    if cell.zoneout:
        new = tuple(cell.zoneout * o + (1 - cell.zoneout) * n for o, n in zip(state, new, strict=True))
    return new
