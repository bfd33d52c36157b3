"""Cells against nn.GRUCell and its relatives, against the papers' formulas, and against the layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from src.recurrent import GRU, LSTM, GRUCell, LSTMCell, RNNCell
from src.recurrent.cell_modules import RNNCellBase

CLOSE = {"atol": 1e-12, "rtol": 0}
PYTORCH = {GRUCell: nn.GRUCell, LSTMCell: nn.LSTMCell, RNNCell: nn.RNNCell}


def vectors(*sizes):
    return [torch.randn(2, size, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize("ours", PYTORCH)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_cells_are_pytorchs(ours, bias, batched):
    torch.manual_seed(2)
    theirs = PYTORCH[ours](3, 5, bias, dtype=torch.float64)
    torch.manual_seed(2)
    cell = ours(3, 5, bias, dtype=torch.float64)
    assert all(torch.equal(a, b) for a, b in zip(cell.parameters(), theirs.parameters(), strict=True))
    assert list(cell.state_dict()) == list(theirs.state_dict())
    x, h, c = vectors(3, 5, 5) if batched else [v[0] for v in vectors(3, 5, 5)]
    for state in (None, (h, c) if ours is LSTMCell else h):
        torch.testing.assert_close(cell(x, state), theirs(x, state), **CLOSE)
        new, gates = cell(x, state, return_gates=True)
        torch.testing.assert_close(new, theirs(x, state), **CLOSE)
        assert tuple(gates) == cell.cell.gates
        assert all(gate.shape == h.shape for gate in gates.values())


@pytest.mark.parametrize("update_gate", ["keeps", "takes"])
@pytest.mark.parametrize("reset_after", [False, True])
def test_gru_is_the_papers(reset_after, update_gate):
    cell = GRUCell(3, 5, reset_after=reset_after, update_gate=update_gate, dtype=torch.float64)
    x, h = vectors(3, 5)
    w_r, w_z, w_n = cell.weight_ih.chunk(3)
    u_r, u_z, u_n = cell.weight_hh.chunk(3)
    b_r, b_z, b_n = cell.bias_ih.chunk(3)
    d_r, d_z, d_n = cell.bias_hh.chunk(3)
    r = torch.sigmoid(x @ w_r.T + h @ u_r.T + b_r + d_r)
    z = torch.sigmoid(x @ w_z.T + h @ u_z.T + b_z + d_z)
    inside = r * (h @ u_n.T + d_n) if reset_after else (r * h) @ u_n.T + d_n
    n = torch.tanh(x @ w_n.T + b_n + inside)
    expected = z * h + (1 - z) * n if update_gate == "keeps" else (1 - z) * h + z * n
    new, gates = cell(x, h, return_gates=True)
    torch.testing.assert_close(new, expected, **CLOSE)
    torch.testing.assert_close(gates, {"reset": r, "update": z, "candidate": n}, **CLOSE)


def test_peepholes_are_graves():
    cell = LSTMCell(3, 5, "single", peepholes=True, dtype=torch.float64)
    x, h, c = vectors(3, 5, 5)
    i, f, g, o = (x @ cell.weight_ih.T + h @ cell.weight_hh.T + cell.bias_ih).chunk(4, 1)
    p_i, p_f, p_o = (torch.diag(p) for p in cell.weight_peephole.chunk(3))
    i, f = torch.sigmoid(i + c @ p_i), torch.sigmoid(f + c @ p_f)
    expected_c = f * c + i * torch.tanh(g)
    o = torch.sigmoid(o + expected_c @ p_o)
    (new_h, new_c), gates = cell(x, (h, c), return_gates=True)
    torch.testing.assert_close((new_h, new_c), (o * torch.tanh(expected_c), expected_c), **CLOSE)
    torch.testing.assert_close(gates, {"input": i, "forget": f, "candidate": torch.tanh(g), "output": o}, **CLOSE)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("reset_after", [False, True])
def test_one_convention_is_the_other_with_z_flipped(reset_after, layer_norm):
    from src.recurrent.cells.base import CellParameters
    from src.recurrent.cells.gru import flip_update_gate
    from src.recurrent.convert import assign

    options = {"reset_after": reset_after, "layer_norm": layer_norm, "dtype": torch.float64}
    keeps, takes = GRUCell(3, 5, **options), GRUCell(3, 5, update_gate="takes", **options)
    assign(takes, flip_update_gate(CellParameters(**dict(keeps.named_parameters()))))
    x, h = vectors(3, 5)
    (one, gates), (other, other_gates) = keeps(x, h, return_gates=True), takes(x, h, return_gates=True)
    torch.testing.assert_close(one, other, **CLOSE)
    torch.testing.assert_close(gates["update"], 1 - other_gates["update"], **CLOSE)


@pytest.mark.parametrize("peepholes", [False, True])
def test_a_layer_is_its_cell_step_by_step(peepholes):
    layer = LSTM(3, 5, peepholes=peepholes, dtype=torch.float64)
    cell = LSTMCell(3, 5, peepholes=peepholes, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in layer.state_dict().items()})
    x, state, outputs = torch.randn(6, 2, 3, dtype=torch.float64), None, []
    for step in x:
        state = cell(step, state)
        outputs.append(state[0])
    torch.testing.assert_close(layer(x)[0], torch.stack(outputs), **CLOSE)


def test_takes_runs_on_pytorchs_kernels_too():
    fast, readable = (
        GRU(3, 5, 2, update_gate="takes", bias="single", backend=b, dtype=torch.float64) for b in ("torch", "reference")
    )
    readable.load_state_dict(fast.state_dict())
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(fast(x), readable(x), **CLOSE)
    gradients = [torch.autograd.grad(net(x)[0].square().sum(), list(net.parameters())) for net in (fast, readable)]
    torch.testing.assert_close(*gradients, **CLOSE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2, 4), None), r"input: expected 3 features"),
        ((torch.zeros(2, 3), torch.zeros(2, 4)), r"hx: expected a state of shape \(2, 5\), got \(2, 4\)"),
        (
            (torch.zeros(2, 3, dtype=torch.float64), None),
            r"input: expected the dtype of the weights, torch.float32, got torch.float64",
        ),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RNNCellBase("gru", 3, 5)(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonlinearity": "gelu"}, "nonlinearity: expected 'tanh' or 'relu', got 'gelu'"),
        ({"bias": "double"}, "bias: expected True, False or 'single', got 'double'"),
        ({"keep_gate_bias": 1.0}, "keep_gate_bias: expected 0 for rnn cells"),
    ],
)
def test_options_of_no_use_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RNNCell(3, 5, **options)
