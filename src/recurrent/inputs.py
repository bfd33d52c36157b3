"""Conversion of input and output sequences: padded, time first, unbatched, packed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .backends.around import asserted, capturing
from .backends.reference import valid_steps
from .state import State, map_state


class Batch(NamedTuple):
    """Sequences in one form: ``x`` (batch, time, features), zero past a row's length; ``lengths`` or None."""

    x: Tensor
    lengths: Tensor | None
    given: Tensor | PackedSequence


def take_in(
    given: Tensor | PackedSequence, lengths: Tensor | None, batch_first: bool, weight: Tensor, allow_empty: bool = False
) -> Batch:
    """Convert a network's input to one form; ``weight`` (rows, input_size) is the first layer's.

    With ``allow_empty`` a length may be 0, and with lengths so may the time.

    Raises:
        ValueError: the input or the lengths do not match each other or the network.
    """
    if isinstance(given, PackedSequence):
        if lengths is not None:
            raise ValueError("lengths: a PackedSequence has its own lengths: drop lengths=")
        check_tensor(given.data, weight)
        x, lengths = pad_packed_sequence(given, batch_first=True)
        return Batch(x, None if bool((lengths == x.shape[1]).all()) else lengths, given)
    if not isinstance(given, Tensor) or given.dim() not in (2, 3):
        came = f"shape {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
        raise ValueError(f"input: expected a PackedSequence or a tensor with 2 or 3 dimensions, got {came}")
    if given.is_nested:
        raise ValueError(
            "input: expected a padded tensor with lengths=, got a nested one: torch.nested.to_padded_tensor(input, 0.0)"
        )
    check_tensor(given, weight)
    unbatched = given.dim() == 2
    if unbatched and lengths is not None:
        raise ValueError("lengths: an unbatched input (time, features) is one full sequence: drop lengths=")
    x = given[None] if unbatched else given if batch_first else given.transpose(0, 1)
    time = x.shape[1]
    if time == 0 and (lengths is None or not allow_empty):
        raise ValueError("input: expected at least 1 time step, got 0")
    known = lengths is not None and not capturing()
    if lengths is not None:
        lengths = check_lengths(lengths, x, known, 0 if allow_empty else 1)
    if lengths is None or (known and time > 0 and bool((lengths == time).all())):
        return Batch(x, None, given)
    return Batch(x.masked_fill(~valid_steps(lengths, x)[:, :, None], 0), lengths, given)


def give_back(output: Tensor, batch: Batch, batch_first: bool) -> Tensor | PackedSequence:
    """Return the output (batch, time, features) in the form of the input."""
    given = batch.given
    if isinstance(given, PackedSequence):
        if given.sorted_indices is not None:
            output = output.index_select(0, given.sorted_indices)
        running = torch.arange(output.shape[0])[:, None] < given.batch_sizes
        packed = pack_padded_sequence(output, running.sum(1), batch_first=True)
        return given._replace(data=packed.data)
    if given.dim() == 2:
        return output[0]
    # Contiguous and not a view, like nn.GRU's, because users call ``view`` and ``detach_`` on it.
    return output if batch_first else output.transpose(0, 1).clone(memory_format=torch.contiguous_format)


def check_tensor(given: Tensor, weight: Tensor) -> None:
    """Refuse input whose features, dtype or device differ from those of the first weight."""
    if given.shape[-1] != weight.shape[1]:
        raise ValueError(f"input: expected {weight.shape[1]} features (input_size), got {given.shape[-1]}")
    check_kind("input", given, weight)


def check_kind(name: str, tensor: Tensor, weight: Tensor) -> None:
    """Refuse a dtype or device other than the weights'; under autocast any floating-point dtype is allowed."""
    if tensor.layout is not torch.strided:
        raise ValueError(f"{name}: expected a dense tensor, got the layout {tensor.layout}: use {name}.to_dense()")
    if tensor.device != weight.device:
        raise ValueError(f"{name}: expected the device of the weights, {weight.device}, got {tensor.device}")
    if tensor.dtype == weight.dtype:
        return
    if not (tensor.is_floating_point() and torch.is_autocast_enabled(tensor.device.type)):
        raise ValueError(f"{name}: expected the dtype of the weights, {weight.dtype}, got {tensor.dtype}")


def check_state(state: State, expected: State, weight: Tensor, unbatched: bool = False) -> None:
    """Refuse a state whose form, dtype or device differs from the expected one; an unbatched one has no batch."""
    shapes = map_state(lambda t: (t.shape[0], t.shape[2]) if unbatched else tuple(t.shape), expected)
    try:
        came = map_state(lambda tensor: tuple(tensor.shape), state)
    except TypeError:
        came = type(state).__name__
    if came != shapes:
        raise ValueError(f"hx: expected a state of shape {shapes}, got {came}")
    map_state(lambda tensor: check_kind("hx", tensor, weight), state)


def check_lengths(lengths: Tensor, x: Tensor, known: bool = True, least: int = 1) -> Tensor:
    """Refuse lengths that are not int64 on the CPU, one per row, each least..time.

    If the values are unknown, a captured graph checks the returned lengths whenever it runs.
    """
    batch, time = x.shape[:2]
    if not isinstance(lengths, Tensor) or lengths.dtype != torch.int64 or lengths.device.type != "cpu":
        came = f"{lengths.dtype} on {lengths.device}" if isinstance(lengths, Tensor) else type(lengths).__name__
        raise ValueError(f"lengths: expected an int64 tensor on the CPU, got {came}")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths: expected shape ({batch},), one per row of the batch, got {tuple(lengths.shape)}")
    if not known:
        inside = ((lengths >= least) & (lengths <= time)).all()
        return asserted(lengths, inside, f"lengths: expected every entry in {least}..time, the steps of the input")
    low, high = (int(lengths.min()), int(lengths.max())) if batch else (1, time)
    if low < least or high > time:
        empty = "; a network with allow_empty=True accepts 0" if low == 0 else ""
        raise ValueError(f"lengths: expected every entry in {least}..{time}, got {low} to {high}{empty}")
    return lengths
