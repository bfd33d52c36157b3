"""Masks and noise, held against loops that spell them out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from src.recurrent import GRU, LSTM, RNN
from src.recurrent.backends import reference
from src.recurrent.cells.base import CellParameters, find_cell
from src.recurrent.regularise import noisy, recurrent_mask, zoneout_mask

OPTIONS = {"batch_first": True, "dtype": torch.float64}
CLOSE = {"atol": 1e-12, "rtol": 0}


@pytest.mark.parametrize("reset_after", [True, False])
def test_recurrent_dropout_masks_the_recurrent_product_with_one_mask(reset_after):
    theirs = nn.GRUCell(3, 4, dtype=torch.float64)
    parameters = CellParameters(theirs.weight_ih, theirs.weight_hh, theirs.bias_ih, theirs.bias_hh)
    x, h = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    mask = recurrent_mask(0.5, h)
    output, _ = reference.run(find_cell("gru", reset_after=reset_after), x, None, (h,), parameters, recurrent_mask=mask)
    for t in range(5):
        seen = h * mask
        r_x, z_x, n_x = (x[:, t] @ theirs.weight_ih.T + theirs.bias_ih).chunk(3, 1)
        r_h, z_h, n_h = (seen @ theirs.weight_hh.T + theirs.bias_hh).chunk(3, 1)
        r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
        if not reset_after:
            n_h = ((r * seen) @ theirs.weight_hh.T + theirs.bias_hh)[:, 8:] / r
        h = z * h + (1 - z) * torch.tanh(n_x + r * n_h)
        torch.testing.assert_close(output[:, t], h, **CLOSE)


def test_recurrent_mask_keeps_the_mean():
    mask = recurrent_mask(0.25, torch.zeros(200, 300))
    assert mask.unique().tolist() == pytest.approx([0, 4 / 3])
    assert mask.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("training", [False, True])
def test_zoneout_keeps_old_states_as_a_cell_by_cell_loop_does(training):
    """Krueger et al. 2017: h from the proposed cell, both blended with the old ones afterwards."""
    rate = 0.3
    network = LSTM(3, 4, zoneout=rate, **OPTIONS).train(training)
    theirs = nn.LSTMCell(3, 4, dtype=torch.float64)
    theirs.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in network.state_dict().items()})
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    torch.manual_seed(4)
    output, _ = network(x)
    torch.manual_seed(4)
    masks = [zoneout_mask(rate, h, 5, training) for _ in range(2)]
    for t in range(5):
        new_h, new_c = theirs(x[:, t], (h, c))
        keep_h, keep_c = (mask[:, t] for mask in masks)
        h, c = keep_h * h + (1 - keep_h) * new_h, keep_c * c + (1 - keep_c) * new_c
        torch.testing.assert_close(output[:, t], h, **CLOSE)


def test_zoneout_masks():
    drawn = zoneout_mask(0.3, torch.zeros(50, 40), 30, training=True)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(zoneout_mask(0.3, torch.zeros(2, 3), 4, training=False), torch.full((2, 4, 3), 0.3))


def test_weight_noise_is_one_draw_on_the_weights_alone():
    network = LSTM(30, 40, peepholes=True, weight_noise=0.075, layer_norm=True, **OPTIONS)
    before = network.parameters_of(0)[0]
    after = noisy(before, 0.075)
    for name in ("bias_ih", "bias_hh", "gain_ih", "gain_hh"):
        assert getattr(after, name) is getattr(before, name)
    for name in ("weight_ih", "weight_hh", "weight_peephole"):
        difference = getattr(after, name) - getattr(before, name)
        assert difference.std().item() == pytest.approx(0.075, rel=0.15)


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_weight_noise_acts_like_other_weights_and_lets_gradients_through(backend):
    network = GRU(3, 4, weight_noise=0.2, backend=backend, **OPTIONS)
    plain = GRU(3, 4, **OPTIONS)
    plain.load_state_dict(network.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    torch.manual_seed(6)
    output, _ = network(x)
    torch.manual_seed(6)
    with torch.no_grad():
        for weight in (plain.weight_ih_l0, plain.weight_hh_l0):
            weight.add_(0.2 * torch.randn_like(weight))
    torch.testing.assert_close(output, plain(x)[0], **CLOSE)
    gradients = torch.autograd.grad(output.sum(), list(network.parameters()))
    expected = torch.autograd.grad(plain(x)[0].sum(), list(plain.parameters()))
    torch.testing.assert_close(gradients, expected, **CLOSE)


@pytest.mark.parametrize("make", [GRU, LSTM, RNN])
def test_layer_norm_is_that_of_ba_et_al(make):
    """With nn.LayerNorm written out; the rows of a GRU's candidate are normalised apart from those of its gates."""
    network = make(3, 4, layer_norm=True, **OPTIONS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    x, h, c = (torch.randn(2, size, dtype=torch.float64) for size in (3, 4, 4))

    def normalised(vector, weight, gain, bias, rows):
        norm = nn.LayerNorm(rows.stop - rows.start, dtype=torch.float64)
        norm.load_state_dict({"weight": gain[rows], "bias": bias[rows]})
        return norm(vector @ weight[rows].T)

    def parts(rows):
        p = {name.removesuffix("_l0"): tensor for name, tensor in network.state_dict().items()}
        return (
            normalised(x, p["weight_ih"], p["gain_ih"], p["bias_ih"], rows),
            normalised(h, p["weight_hh"], p["gain_hh"], p["bias_hh"], rows),
        )

    if make is GRU:
        r, z = torch.sigmoid(sum(parts(slice(0, 8)))).chunk(2, 1)
        from_x, from_h = parts(slice(8, 12))
        expected = z * h + (1 - z) * torch.tanh(from_x + r * from_h)
    elif make is RNN:
        expected = torch.tanh(sum(parts(slice(0, 4))))
    else:
        i, f, g, o = sum(parts(slice(0, 16))).chunk(4, 1)
        cell = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        expected = torch.sigmoid(o) * torch.tanh(cell)
    state = (h[None], c[None]) if make is LSTM else h[None]
    torch.testing.assert_close(network(x[:, None], state)[0][:, 0], expected, **CLOSE)


def test_learned_initial_state_is_used_trained_and_replaced():
    network = LSTM(3, 4, 2, bidirectional=True, learn_initial_state=True, **OPTIONS)
    with torch.no_grad():
        for k, (name, parameter) in enumerate(network.named_parameters()):
            if name.startswith("initial"):
                parameter.fill_(k)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    h, c = network.initial_state(2)
    assert h.shape == c.shape == (4, 2, 4)
    names = ["l0", "l0_reverse", "l1", "l1_reverse"]
    for tensor, kind in ((h, "hidden"), (c, "cell")):
        rows = torch.stack([network.get_parameter(f"initial_{kind}_{name}") for name in names])
        assert torch.equal(tensor, rows[:, None].expand(4, 2, 4))
    output, _ = network(x)
    torch.testing.assert_close(output, network(x, (h.detach(), c.detach()))[0], **CLOSE)
    output.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())
    zero = LSTM(3, 4, 2, bidirectional=True, **OPTIONS)
    zero.load_state_dict({n: t for n, t in network.state_dict().items() if not n.startswith("initial")})
    zeros = (torch.zeros(4, 2, 4, dtype=torch.float64),) * 2
    torch.testing.assert_close(network(x, zeros)[0], zero(x)[0], **CLOSE)
