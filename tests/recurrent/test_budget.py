from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from src.recurrent import (
    GRU,
    LSTM,
    RNN,
    StackedRNN,
    count_multiply_adds,
    count_parameters,
    count_state,
    map_state,
    nearest_width,
)

I, H = 7, 5  # noqa: E741


@pytest.mark.parametrize(
    ("network", "recurrent", "effective"),
    [
        (GRU(I, H), 3 * H * (I + H + 2), 3 * H * (I + H + 1) + H),
        (GRU(I, H, reset_after=False), 3 * H * (I + H + 2), 3 * H * (I + H + 1)),
        (GRU(I, H, bias="single"), 3 * H * (I + H + 1), 3 * H * (I + H + 1)),
        (GRU(I, H, bias=False), 3 * H * (I + H), 3 * H * (I + H)),
        (LSTM(I, H), 4 * H * (I + H + 2), 4 * H * (I + H + 1)),
        (LSTM(I, H, peepholes=True), 4 * H * (I + H + 2) + 3 * H, 4 * H * (I + H + 1) + 3 * H),
        (LSTM(I, H, proj_size=2), 4 * H * (I + 2 + 2) + 2 * H, 4 * H * (I + 2 + 1) + 2 * H),
        (RNN(I, H), H * (I + H + 2), H * (I + H + 1)),
        (LSTM(I, H, layer_norm=True), 4 * H * (I + H + 4), 4 * H * (I + H + 3)),
        (LSTM(I, H, learn_initial_state=True), 4 * H * (I + H + 2) + 2 * H, 4 * H * (I + H + 1) + 2 * H),
        (
            GRU(I, H, 2, bidirectional=True),
            2 * 3 * H * (I + H + 2) + 2 * 3 * H * (2 * H + H + 2),
            2 * (3 * H * (I + H + 1) + H) + 2 * (3 * H * (2 * H + H + 1) + H),
        ),
        (
            StackedRNN(I, [{"kind": "gru", "hidden_size": H}, {"kind": "rnn", "hidden_size": 3, "bias": "single"}]),
            3 * H * (I + H + 2) + 3 * (H + 3 + 1),
            3 * H * (I + H + 1) + H + 3 * (H + 3 + 1),
        ),
    ],
)
def test_counts(network, recurrent, effective):
    assert count_parameters(network) == {"recurrent": recurrent, "effective": effective}


LAYERS = {"peepholes": {"kind": "lstm", "hidden_size": H, "peepholes": True}, "gru": {"kind": "gru", "hidden_size": H}}
NETWORKS = [
    GRU(I, H),
    GRU(I, H, 2, bidirectional=True, reset_after=False, bias="single"),
    LSTM(I, H, 3, residual=True),
    LSTM(I, H, peepholes=True, bidirectional=True, layer_norm=True),
    LSTM(I, H, 2, proj_size=2, bidirectional=True, peepholes=True),
    RNN(I, [H, 3], 2),
    StackedRNN(I, [LAYERS["peepholes"], LAYERS["gru"], {"kind": "rnn", "hidden_size": 3}], learn_initial_state=True),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_state_is_what_the_network_hands_on(network):
    numbers = []
    map_state(lambda tensor: numbers.append(tensor.numel()), network.initial_state(1))
    assert count_state(network) == sum(numbers)


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_multiply_adds_are_those_that_torch_counts(network):
    """torch counts two operations for each multiply-add of its matrix products, and no product unit by unit."""
    network.backend = "reference"
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, I))
    peepholes = sum(3 * layer.hidden_size for layer in network.layers if layer.cell.peephole_gates)
    assert count_multiply_adds(network) == counter.get_total_flops() / 2 + network.num_directions * peepholes


@given(st.integers(1, 5000), st.integers(0, 3), st.integers(1, 40), st.integers(0, 40))
def test_the_nearest_width_is_that_of_brute_force(wanted, square, linear, constant):
    def size(width):
        return square * width**2 + linear * width + constant

    distance = [abs(size(width) - wanted) for width in range(1, 5001)]
    width, other = nearest_width(size, wanted)
    assert width == 1 + distance.index(min(distance))
    assert (size(width) - wanted) * (size(other) - wanted) <= 0 or width == other == 1
    assert abs(width - other) <= 1


def test_a_size_that_does_not_grow_is_refused():
    with pytest.raises(ValueError, match="even a width of"):
        nearest_width(lambda width: 7, 8)
