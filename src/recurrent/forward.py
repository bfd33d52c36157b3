"""How a batch goes through the layers of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from . import regularise
from .backends.choose import Choice
from .backends.spec import CellParameters
from .parameters import collect
from .state import LayerState, State, join_layers, split_layers

if TYPE_CHECKING:
    from .stack import StackedRNN


def run(network: StackedRNN, x: Tensor, lengths: Tensor | None, state: State) -> tuple[Tensor, State]:
    """Run all layers on (batch, time, input_size), padding zero."""
    choices = network.choices(x.device, network.weight_ih_l0.dtype, inference=not torch.is_grad_enabled())
    whole = getattr(choices[0].backend, "run_stack", None) if len(set(choices)) == 1 and is_plain(network) else None
    # Lengths mean a packed batch to PyTorch, which on a CPU is slower than padded layers, one at a time.
    if whole is not None and (lengths is None or x.is_cuda):
        suffixes = [suffix for k in range(network.num_layers) for suffix in network.suffixes(k)]
        parameters = [parameters_now(network, suffix) for suffix in suffixes]
        tensors = (state,) if isinstance(state, Tensor) else tuple(state)
        output, tensors = whole(
            network.layers[0].cell, x, lengths, tensors, parameters,
            bidirectional=network.bidirectional, dropout=network.dropout, training=network.training,
        )  # fmt: skip
        return output, tensors[0] if len(tensors) == 1 else tensors

    states = []
    for k, old in enumerate(split_layers(state, network.layers)):
        if k > 0:
            x = dropout(x, network.dropout, network.training)
        output, new = run_layer(network, k, choices[k], x, lengths, old)
        x = connect(network, k, x, output)
        states.append(new)
    return x, join_layers(states, network.layers)


def run_layer(
    network: StackedRNN, k: int, choice: Choice, x: Tensor, lengths: Tensor | None, state: LayerState
) -> tuple[Tensor, LayerState]:
    """Run layer k in its directions: output (batch, time, directions*hidden_size) and its new state."""
    cell = network.layers[k].cell
    outputs, states = [], []
    for direction, suffix in enumerate(network.suffixes(k)):
        old = tuple(tensor[direction] for tensor in state)
        options: dict[str, Any] = {"reverse": direction == 1}
        if network.recurrent_dropout and network.training:
            options["recurrent_mask"] = regularise.recurrent_mask(network.recurrent_dropout, old[0])
        if cell.zoneout:
            options["zoneout_masks"] = tuple(
                regularise.zoneout_mask(cell.zoneout, tensor, x.shape[1], network.training) for tensor in old
            )
        output, new = choice.backend.run(cell, x, lengths, old, parameters_now(network, suffix), **options)
        outputs.append(output)
        states.append(new)
    if len(outputs) == 1:
        return outputs[0], tuple(tensor[None] for tensor in states[0])
    return torch.cat(outputs, dim=-1), tuple(torch.stack(tensors) for tensors in zip(*states, strict=True))


def connect(network: StackedRNN, k: int, x: Tensor, output: Tensor) -> Tensor:
    """What layer k passes on: its output, with a residual connection its input added."""
    return output + x if network.residual and k > 0 and output.shape == x.shape else output


def parameters_now(network: StackedRNN, suffix: str) -> CellParameters:
    """The parameters of a layer in a direction, with this pass' noise."""
    parameters = collect(network, suffix)
    if network.weight_noise and network.training:
        return regularise.noisy(parameters, network.weight_noise)
    return parameters


def is_plain(network: StackedRNN) -> bool:
    """Whether equal layers follow each other with nothing but dropout between them."""
    first = network.layers[0]
    equal = all((k.cell, k.hidden_size, k.bias) == (first.cell, first.hidden_size, first.bias) for k in network.layers)
    return equal and not (network.residual and network.num_layers > 1)
