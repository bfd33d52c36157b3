from __future__ import annotations

import pytest
import torch

from src.recurrent import GRU, LSTM, RNN, StackedRNN, detach_state, map_state, select_rows

MIXED = [{"kind": "lstm", "hidden_size": 4}, {"kind": "gru", "hidden_size": 4}, {"kind": "rnn", "hidden_size": 2}]


def shapes(state):
    return map_state(lambda tensor: tuple(tensor.shape), state)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (GRU(3, 4, 2, bidirectional=True), (4, 7, 4)),
        (LSTM(3, 4, 2), ((2, 7, 4), (2, 7, 4))),
        (RNN(3, [4, 4], 2), (2, 7, 4)),
        (GRU(3, [4, 5], 2, bidirectional=True), ((2, 7, 4), (2, 7, 5))),
        (LSTM(3, [4, 5], 2), (((1, 7, 4), (1, 7, 4)), ((1, 7, 5), (1, 7, 5)))),
        (StackedRNN(3, MIXED), (((1, 7, 4), (1, 7, 4)), (1, 7, 4), (1, 7, 2))),
    ],
)
def test_form(network, expected):
    assert shapes(network.initial_state(7)) == expected
    _, state = network(torch.randn(5, 7, 3))
    assert shapes(state) == expected
    again = network(torch.randn(5, 7, 3), state)[1]
    assert shapes(again) == expected


def test_a_state_reaches_its_own_layer_and_direction():
    network = GRU(3, [4, 5], 2, bidirectional=True, batch_first=True)
    x = torch.randn(1, 5, 3)
    state = map_state(lambda tensor: tensor.requires_grad_(), network.initial_state(1))
    output, final = network(x, state)
    first = torch.autograd.grad(final[0][0].sum(), list(state), allow_unused=True, retain_graph=True)
    assert first[1] is None
    assert first[0][0].any()
    assert not first[0][1].any()
    second = torch.autograd.grad(output[:, :, 5:].sum(), list(state))
    assert not second[1][0].any()
    assert second[1][1].any()


def test_detach_and_select():
    network = LSTM(3, [4, 5], 2)
    _, state = network(torch.randn(5, 7, 3))
    assert state[0][0].requires_grad
    detached = detach_state(state)
    assert not detached[0][0].requires_grad
    torch.testing.assert_close(detached[1][1], state[1][1].detach())
    chosen = select_rows(state, torch.tensor([5, 0]))
    torch.testing.assert_close(chosen[1][0], state[1][0][:, [5, 0]])
    kept = select_rows(state, torch.tensor([True, False, True, False, False, False, True]))
    torch.testing.assert_close(kept[0][1], state[0][1][:, [0, 2, 6]])
    assert map_state(torch.sum, None) is None


def test_truncated_backpropagation_stops_at_the_cut():
    network = GRU(3, 4, batch_first=True)
    x = torch.randn(2, 6, 3, requires_grad=True)
    _, state = network(x[:, :3])
    output, _ = network(x[:, 3:], detach_state(state))
    output.sum().backward()
    assert not x.grad[:, :3].any()
    assert x.grad[:, 3:].any()
