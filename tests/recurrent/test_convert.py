from __future__ import annotations

import pytest
import torch
from torch import nn

from src.recurrent import GRU, LSTM, RNN, StackedRNN
from src.recurrent.cells.base import CellParameters, find_cell
from src.recurrent.convert import assign, from_concatenated, from_pytorch, to_concatenated, to_pytorch

CLOSE = {"atol": 1e-12, "rtol": 0}
X = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("make", "own"),
    [(nn.GRU, {}), (nn.LSTM, {}), (nn.LSTM, {"proj_size": 2}), (nn.RNN, {}), (nn.RNN, {"nonlinearity": "relu"})],
)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "dropout": 0.0}])
def test_there_and_back(make, own, options):
    theirs = make(3, 4, dtype=torch.float64, **own, **options).eval()
    network = from_pytorch(theirs)
    assert not network.training
    torch.testing.assert_close(network(X), theirs(X), **CLOSE)
    back = to_pytorch(network)
    assert type(back) is make
    assert all(torch.equal(a, b) for a, b in zip(back.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("bias", ["single", False, True])
@pytest.mark.parametrize(
    ("make", "options"), [(GRU, {}), (LSTM, {}), (LSTM, {"proj_size": 2}), (RNN, {}), (RNN, {"nonlinearity": "relu"})]
)
def test_to_pytorch_adds_the_bias_that_pytorch_wants(make, options, bias):
    network = make(3, 4, 2, bias=bias, bidirectional=True, dtype=torch.float64, **options)
    torch.testing.assert_close(to_pytorch(network)(X), network(X), **CLOSE)


def test_the_other_update_convention_converts_both_ways():
    theirs = nn.GRU(3, 4, 2, bidirectional=True, dtype=torch.float64)
    network = from_pytorch(theirs, update_gate="takes", backend="reference")
    assert network.layers[0].cell.update_gate == "takes"
    torch.testing.assert_close(network(X), theirs(X), **CLOSE)
    torch.testing.assert_close(to_pytorch(network)(X), theirs(X), **CLOSE)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (GRU(3, 4, reset_after=False), "reset gate before the product"),
        (LSTM(3, 4, peepholes=True), "peepholes"),
        (RNN(3, 4, layer_norm=True), "layer_norm"),
        (GRU(3, 4, zoneout=0.1), "zoneout"),
        (GRU(3, 4, 2, residual=True), "residual"),
        (GRU(3, [4, 5], 2), "different kinds or widths"),
        (StackedRNN(3, [{"kind": "gru", "hidden_size": 4}, {"kind": "rnn", "hidden_size": 4}]), "different kinds"),
        (GRU(3, 4, learn_initial_state=True), "learned initial state"),
    ],
)
def test_what_pytorch_cannot_do_is_refused(network, message):
    with pytest.raises(ValueError, match=f"network: PyTorch has no equivalent of .*{message}"):
        to_pytorch(network)


def test_what_we_cannot_do_is_refused():
    with pytest.raises(ValueError, match="no equivalent of projections"):
        to_concatenated(find_cell("lstm", proj_size=2), LSTM(3, 4, proj_size=2).parameters_of(0)[0])
    with pytest.raises(ValueError, match=r"expected an nn\.GRU"):
        from_pytorch(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="options: reset gate before the product"):
        from_pytorch(nn.GRU(3, 4), reset_after=False)
    with pytest.raises(ValueError, match="bias: expected True as in theirs, got 'single'"):
        from_pytorch(nn.GRU(3, 4), bias="single")
    with pytest.raises(ValueError, match="num_layers: expected 1 as in theirs, got 2"):
        from_pytorch(nn.GRU(3, 4), num_layers=2)


@pytest.mark.parametrize("bias", ["single", False, True])
@pytest.mark.parametrize(
    "cell", [find_cell("gru", reset_after=False), find_cell("gru", reset_after=False, update_gate="takes"),
             find_cell("lstm"), find_cell("rnn")],
)  # fmt: skip
def test_concatenated_maps(cell, bias):
    make = {"gru": GRU, "lstm": LSTM, "rnn": RNN}[cell.kind]
    gru = {"reset_after": False, "update_gate": cell.update_gate} if cell.kind == "gru" else {}
    network = make(3, 4, bias=bias, dtype=torch.float64, **gru)
    maps = to_concatenated(cell, network.parameters_of(0)[0])
    assert list(maps) == list(cell.gates)
    x, h = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    weight, b = maps[cell.gates[-1]]
    p = {name.removesuffix("_l0"): tensor[-4:] for name, tensor in network.state_dict().items()}
    expected = x @ p["weight_ih"].T + h @ p["weight_hh"].T + p.get("bias_ih", 0) + p.get("bias_hh", 0)
    torch.testing.assert_close(torch.cat([x, h], 1) @ weight.T + (0 if b is None else b), expected, **CLOSE)
    other = make(3, 4, bias="single" if bias else False, dtype=torch.float64, **gru)
    assign(other, from_concatenated(cell, maps), "_l0")
    torch.testing.assert_close(other(X), network(X), **CLOSE)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (find_cell("gru"), "reset_after=True"),
        (find_cell("lstm", peepholes=True), "peepholes"),
        (find_cell("rnn", layer_norm=True), "layer_norm"),
    ],
)
def test_what_is_not_one_map_is_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        to_concatenated(cell, CellParameters(torch.zeros(12, 3), torch.zeros(12, 4)))
    with pytest.raises(ValueError, match=message):
        from_concatenated(cell, {})


def test_incomplete_maps_are_refused():
    with pytest.raises(ValueError, match="maps: expected the gates candidate, got update"):
        from_concatenated(find_cell("rnn"), {"update": (torch.zeros(4, 7), None)})
    maps = {gate: (torch.zeros(4, 7), None) for gate in find_cell("lstm").gates}
    with pytest.raises(ValueError, match="maps: expected a bias for every gate or for none, got 1 of 4"):
        from_concatenated(find_cell("lstm"), maps | {"input": (torch.zeros(4, 7), torch.zeros(4))})
    with pytest.raises(ValueError, match=r"weight_ih: expected shape \(4, 3\), got \(4, 2\)"):
        assign(RNN(3, 4), CellParameters(torch.zeros(4, 2), torch.zeros(4, 4)), "_l0")
