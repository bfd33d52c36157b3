"""How a batch goes through one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .backends.choose import Choice
from .cells.base import CellParameters, Equations
from .regularise import noisy, recurrent_mask, zoneout_mask
from .state import LayerState


def run_layer(
    cell: Equations,
    choice: Choice,
    x: Tensor,
    lengths: Tensor | None,
    state: LayerState,
    parameters: Sequence[CellParameters],
    *,
    recurrent_dropout: float,
    weight_noise: float,
    training: bool,
) -> tuple[Tensor, LayerState]:
    """Run a layer in its directions, one for each of ``parameters``, on ``x`` (batch, time, input_size), padding zero.

    Returns the output (batch, time, directions*hidden_size) and the new state.
    """
    outputs, states = [], []
    # Masks are drawn before the noise of the same direction: another order would change the results of a seed.
    for direction, weights in enumerate(parameters):
        old = tuple(tensor[direction] for tensor in state)
        options: dict[str, Any] = {"reverse": direction == 1}
        if recurrent_dropout and training:
            options["recurrent_mask"] = recurrent_mask(recurrent_dropout, old[0])
        if cell.zoneout:
            options["zoneout_masks"] = tuple(
                zoneout_mask(cell.zoneout, tensor, x.shape[1], training) for tensor in old
            )  # fmt: skip
        weights = noisy(weights, weight_noise if training else 0.0)
        output, new = choice.backend.run(cell, x, lengths, old, weights, **options)
        outputs.append(output)
        states.append(new)
    if len(outputs) == 1:
        return outputs[0], tuple(tensor[None] for tensor in states[0])
    return torch.cat(outputs, dim=-1), tuple(torch.stack(tensors) for tensors in zip(*states, strict=True))
