"""Recomputed states are the network's own; saturation and horizons as they are defined."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from src.config.errors import UserError
from src.inside.gates import Gates, difference, horizon, kept, read_gates, saturation
from src.recurrent import GRU, LSTM
from src.recurrent.cells.base import find_cell
from src.recurrent.convert import from_pytorch
from tests.inside.networks import NETWORKS, make, sequences


@pytest.mark.parametrize("name", NETWORKS)
def test_the_recomputed_states_are_the_networks_own(name):
    network, (x, lengths) = make(name), sequences()
    for given in (None, lengths):
        gates = read_gates(network, x, given)
        assert len(gates) == network.num_layers * network.num_directions
        assert difference(network, x, given, gates) < 1e-12


@pytest.mark.parametrize("backend", ["torch", "fused"])
@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_so_they_are_where_a_faster_backend_computes(cell, backend):
    network = cell(3, 8, num_layers=2, batch_first=True, backend=backend).eval()
    x, lengths = sequences()
    assert difference(network, x.float(), lengths, read_gates(network, x.float(), lengths)) < 1e-6


@pytest.mark.parametrize("theirs", [nn.GRU, nn.LSTM, nn.RNN])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_so_they_are_for_pytorchs_own_networks(theirs, bidirectional):
    network = theirs(3, 5, 2, batch_first=True, bidirectional=bidirectional, dtype=torch.float64).eval()
    x, _ = sequences()
    assert difference(network, x, None, read_gates(network, x)) < 1e-12


def test_other_weights_than_the_networks_are_seen():
    network, (x, lengths) = make("gru"), sequences()
    gates = read_gates(make("gru"), x, lengths)
    with torch.no_grad():
        network.weight_hh_l0[0, 0] += 0.1
    assert difference(network, x, lengths, gates) > 1e-4


def test_networks_of_others_are_refused():
    with pytest.raises(UserError, match="Linear is neither a network"):
        read_gates(nn.Linear(3, 3), torch.zeros(1, 2, 3))


def test_padding_is_not_a_number_and_names_are_the_cells():
    x, lengths = sequences()
    forward, backward = read_gates(make("gru, both ways"), x, lengths)[:2]
    assert (forward.name, backward.name) == ("layer0", "layer0_backward")
    assert list(forward.values) == ["reset", "update", "candidate", "hidden"]
    assert forward.sigmoids == ["reset", "update"]
    for values in forward.values.values():
        assert np.array_equal(np.isfinite(values[..., 0]).sum(1), lengths.numpy())


def of(cell, **values):
    return Gates(0, False, cell, {name: np.asarray(value, np.float32) for name, value in values.items()})


def test_saturation_counts_steps_that_are_there():
    nan = float("nan")
    gate = [[[0.04, 0.5], [0.96, 0.95], [0.01, 0.05]], [[0.5, 0.999], [nan, nan], [nan, nan]]]
    gates = of(find_cell("gru"), reset=gate, update=gate)
    low, high = saturation(gates)["update"]
    np.testing.assert_allclose(low, [0.5, 0])
    np.testing.assert_allclose(high, [0.25, 0.25])


@pytest.mark.parametrize(("cell", "gate"), [
    (find_cell("gru"), {"update": 0.9}),
    (find_cell("gru", update_gate="takes"), {"update": 0.1}),
    (find_cell("lstm"), {"forget": 0.9}),
    (find_cell("gru", zoneout=0.5), {"update": 0.8}),
])  # fmt: skip
def test_a_unit_that_keeps_nine_tenths_remembers_ten_steps(cell, gate):
    ((name, value),) = gate.items()
    gates = of(cell, **{name: np.full((2, 5, 3), value)})
    np.testing.assert_allclose(horizon(gates), 10, rtol=1e-5)


def test_tanh_units_keep_nothing():
    gates = of(find_cell("rnn"), candidate=np.zeros((1, 2, 3)))
    assert kept(gates) is None
    assert horizon(gates) is None


def test_the_horizon_does_not_depend_on_the_convention():
    theirs = nn.GRU(3, 5, batch_first=True, dtype=torch.float64)
    x, lengths = sequences()
    keeps, takes = (read_gates(from_pytorch(theirs, update_gate=how), x, lengths)[0] for how in ("keeps", "takes"))
    np.testing.assert_allclose(keeps.values["update"], 1 - takes.values["update"], atol=1e-12)
    np.testing.assert_allclose(horizon(keeps), horizon(takes))
    assert dataclasses.replace(keeps, cell=takes.cell) is not keeps
    wrong = horizon(dataclasses.replace(keeps, cell=takes.cell))
    assert np.abs(wrong - horizon(keeps)).max() > 0.1


def test_a_horizon_is_how_long_a_state_lasts():
    """With candidates of zero and gates held, what a unit held at first adds up to its horizon over all steps."""
    network = GRU(1, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.bias_ih_l0[2:4] = torch.tensor([1.0, 3.0])
    x = torch.zeros(1, 400, 1, dtype=torch.float64)
    output, _ = network(x, torch.ones(1, 1, 2, dtype=torch.float64))
    lasted = 1 + output[0].sum(0).detach().numpy()
    np.testing.assert_allclose(horizon(read_gates(network, x)[0]), lasted, rtol=1e-6)
