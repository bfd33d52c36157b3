"""Gradients of what PyTorch does not have, by finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck
from torch.func import functional_call

from src.recurrent import GRU, LSTM, RNN, map_state

CASES = {
    "reset before": (GRU, {"reset_after": False}),
    "reset before, update takes, single bias": (
        GRU,
        {"reset_after": False, "update_gate": "takes", "bias": "single"},
    ),
    "peepholes": (LSTM, {"peepholes": True}),
    "normalised gru": (GRU, {"layer_norm": True}),
    "normalised gru, reset before": (GRU, {"layer_norm": True, "reset_after": False}),
    "normalised lstm with peepholes": (LSTM, {"layer_norm": True, "peepholes": True}),
    "normalised rnn": (RNN, {"layer_norm": True}),
    "zoneout": (LSTM, {"zoneout": 0.3}),
    "residual": (GRU, {"residual": True, "num_layers": 2}),
    "learned initial state": (LSTM, {"learn_initial_state": True}),
    "widths": (GRU, {"hidden_size": [2, 3], "num_layers": 2, "reset_after": False}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients(name, bidirectional):
    ours, options = CASES[name]
    sizes = {"input_size": 2, "hidden_size": 3} | options
    network = ours(**sizes, bidirectional=bidirectional, batch_first=True, dtype=torch.float64).eval()
    names = [name for name, _ in network.named_parameters()]
    with_state = not network.learn_initial_state
    state = map_state(torch.randn_like, network.initial_state(2))
    flat = []
    map_state(lambda tensor: flat.append(tensor.requires_grad_()), state)

    def function(x, *tensors):
        parameters = dict(zip(names, tensors, strict=False))
        rest = iter(tensors[len(names) :])
        given = map_state(lambda _: next(rest), state) if with_state else None
        output, final = functional_call(network, parameters, (x, given, torch.tensor([3, 2])))
        results = [output]
        map_state(results.append, final)
        return tuple(results)

    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(function, (x, *network.parameters(), *(flat if with_state else [])), fast_mode=True)
