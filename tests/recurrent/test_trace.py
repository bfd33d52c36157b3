from __future__ import annotations

import pytest
import torch

from src.recurrent import GRU, LSTM, RNN, GRUCell, StackedRNN, map_state, trace_gates

CLOSE = {"atol": 1e-12, "rtol": 0}
OPTIONS = {"batch_first": True, "dtype": torch.float64}
LENGTHS = torch.tensor([3, 6, 1])
NETWORKS = {
    "gru": lambda: GRU(3, 4, 2, bidirectional=True, **OPTIONS),
    "takes": lambda: GRU(3, 4, 2, update_gate="takes", dropout=0.5, weight_noise=0.1, **OPTIONS),
    "lstm": lambda: LSTM(3, 4, 3, residual=True, bidirectional=True, peepholes=True, **OPTIONS),
    "zoneout": lambda: LSTM(3, 4, 2, zoneout=0.2, layer_norm=True, recurrent_dropout=0.2, **OPTIONS),
    "rnn": lambda: RNN(3, 4, learn_initial_state=True, **OPTIONS),
    "mixed": lambda: StackedRNN(3, [{"kind": "lstm", "hidden_size": 4}, {"kind": "gru", "hidden_size": 2}], **OPTIONS),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("with_state", [False, True])
def test_the_trace_ends_in_the_networks_output(name, lengths, with_state):
    network = NETWORKS[name]()
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    state = map_state(torch.randn_like, network.initial_state(3)) if with_state else None
    trace = trace_gates(network, x, state, lengths)
    assert network.training
    output, _ = network.eval()(x, state, lengths)
    if not (network.residual and network.num_layers > 1):
        hidden = torch.cat([direction["hidden"] for direction in trace[-1]], dim=-1)
        torch.testing.assert_close(hidden, output, **CLOSE)
    else:
        summed = sum(torch.cat([direction["hidden"] for direction in layer], dim=-1) for layer in trace)
        torch.testing.assert_close(summed, output, **CLOSE)
    for layer, directions in zip(network.layers, trace, strict=True):
        assert len(directions) == network.num_directions
        for direction in directions:
            assert tuple(direction) == (*layer.cell.gates, *layer.cell.states)
            assert all(value.shape == (3, 6, layer.hidden_size) for value in direction.values())
            if lengths is not None:
                assert not any(value[2, 1:].any() for value in direction.values())


def test_gates_are_those_of_the_cell():
    network, cell = GRU(3, 4, **OPTIONS), GRUCell(3, 4, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in network.state_dict().items()})
    x, h = torch.randn(2, 5, 3, dtype=torch.float64), None
    ((trace,),) = trace_gates(network, x)
    for t in range(5):
        h, gates = cell(x[:, t], h, return_gates=True)
        for gate, value in gates.items():
            torch.testing.assert_close(trace[gate][:, t], value, **CLOSE)
        torch.testing.assert_close(trace["hidden"][:, t], h, **CLOSE)


def test_gates_explain_the_states():
    ((trace,),) = trace_gates(LSTM(3, 4, **OPTIONS), torch.randn(2, 5, 3, dtype=torch.float64))
    cell = trace["forget"][:, 1:] * trace["cell"][:, :-1] + trace["input"][:, 1:] * trace["candidate"][:, 1:]
    torch.testing.assert_close(trace["cell"][:, 1:], cell, **CLOSE)
    torch.testing.assert_close(trace["hidden"], trace["output"] * torch.tanh(trace["cell"]), **CLOSE)
    ((trace,),) = trace_gates(GRU(3, 4, update_gate="takes", **OPTIONS), torch.randn(2, 5, 3, dtype=torch.float64))
    z = trace["update"][:, 1:]
    hidden = (1 - z) * trace["hidden"][:, :-1] + z * trace["candidate"][:, 1:]
    torch.testing.assert_close(trace["hidden"][:, 1:], hidden, **CLOSE)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="hx: expected a state of shape"):
        trace_gates(GRU(3, 4, **OPTIONS), torch.randn(2, 5, 3, dtype=torch.float64), torch.zeros(1, 3, 4))
