"""Recurrent states: tensors, or tuples of states, with the batch at dimension 1; and the last valid outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .parameters import LayerSpec

State = Any
"""Tensor | tuple[State, ...]: nn.GRU's (layers*directions, batch, hidden_size), nn.LSTM's pair of those, or, if widths
or kinds differ by layer, a tuple with one such entry per layer."""

LayerState = tuple[Tensor, ...]
"""State of one layer: a tensor (directions, batch, hidden_size) for each state of its cell."""


def map_state(function: Callable[[Tensor], Any], state: State) -> State:
    """Apply a function to every tensor of a state; None stays None."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else function(state)
    return tuple(map_state(function, inner) for inner in state)


def first_tensor(state: State) -> Tensor:
    """Return the first tensor of a state."""
    return state if isinstance(state, Tensor) else first_tensor(state[0])


def detach_state(state: State) -> State:
    """Detach a state from its history, as truncated back-propagation through time requires."""
    return map_state(Tensor.detach, state)


def select_rows(state: State, rows: Tensor) -> State:
    """Select the state of some sequences: ``rows`` are indices, int64 (n,), or a bool mask (batch,)."""
    return map_state(lambda tensor: tensor[:, rows.to(tensor.device, non_blocking=True)], state)


def reduced(output: Tensor, state: State, layers: Sequence[LayerSpec], given: torch.dtype, dense: bool) -> Any:
    """Return output and state in the dtypes that nn.GRU, nn.LSTM and nn.RNN return under autocast on a CPU.

    ``given`` is the dtype of the initial state, or else of the input, and is kept; but products with the weights are
    reduced, and so is everything in an LSTM run by oneDNN, i.e. without lengths in bfloat16.
    """
    low = torch.get_autocast_dtype("cpu")

    def dtypes(cell: Any) -> tuple[torch.dtype, torch.dtype]:
        onednn = (
            cell.standard.kind == "lstm" and dense and low == torch.bfloat16 and torch.backends.mkldnn.is_available()
        )
        projected = bool(getattr(cell, "proj_size", 0))
        return (low if projected or onednn or cell.kind == "rnn" else given), (
            low if onednn and not projected else given
        )

    states = [
        tuple(tensor.to(dtype) for tensor, dtype in zip(entry, dtypes(layer.cell), strict=False))
        for entry, layer in zip(split_layers(state, layers), layers, strict=True)
    ]
    return output.to(dtypes(layers[-1].cell)[0]), join_layers(states, layers)


def is_uniform(layers: Sequence[LayerSpec]) -> bool:
    """Return whether all layers have the same kind and state width, so that one tensor holds all states."""
    first = layers[0]
    return all(k.state_sizes == first.state_sizes and k.cell.kind == first.cell.kind for k in layers[1:])


def join_layers(states: Sequence[LayerState], layers: Sequence[LayerSpec]) -> State:
    """Join the states of the layers to that of the network."""
    uniform = is_uniform(layers)
    if uniform and len(layers) > 1:
        states = [tuple(torch.cat(tensors) for tensors in zip(*states, strict=True))]
    entries = tuple(state[0] if len(state) == 1 else state for state in states)
    return entries[0] if uniform else entries


def split_layers(state: State, layers: Sequence[LayerSpec]) -> list[LayerState]:
    """Split the state of a network into those of its layers: the inverse of `join_layers`."""
    if not is_uniform(layers):
        return [(entry,) if isinstance(entry, Tensor) else tuple(entry) for entry in state]
    tensors = (state,) if isinstance(state, Tensor) else tuple(state)
    if len(layers) == 1:
        return [tensors]
    return list(zip(*(tensor.chunk(len(layers)) for tensor in tensors), strict=True))


def last_valid(output: Tensor, lengths: Tensor | None, num_directions: int) -> Tensor:
    """Return each row's output after its whole sequence: at the last valid step, for the backward direction at step 0.

    It equals the last layer's entries of nn.GRU's h_n on a packed batch.

    >>> last_valid(torch.arange(6.0).view(1, 3, 2), torch.tensor([2]), num_directions=2)
    tensor([[2., 1.]])

    Args:
        output: (batch, time, num_directions*hidden_size).
        lengths: int64 (batch,), or None if all rows are full.
        num_directions: 1 or 2.

    Returns:
        (batch, num_directions*hidden_size).
    """
    if lengths is None:
        last = output[:, -1]
    else:
        rows = torch.arange(output.shape[0], device=output.device)
        last = output[rows, lengths.to(output.device, non_blocking=True) - 1]
    if num_directions == 1:
        return last
    half = output.shape[-1] // 2
    return torch.cat([last[:, :half], output[:, 0, half:]], dim=-1)
