"""The coupled LSTM against its equations written out, and against nn.LSTM with opposite gates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from src.recurrent import LSTM, RNNBase, count_multiply_adds, count_parameters, count_state, map_state
from src.recurrent.convert import to_pytorch

CLOSE = {"atol": 1e-12, "rtol": 0}
LENGTHS = torch.tensor([3, 6, 1, 4])
BACKENDS = ["reference", "torch", "fused"]


def make(*sizes, **options):
    network = RNNBase("lstm_coupled", *sizes, batch_first=True, dtype=torch.float64, **options)
    for parameter in network.parameters():
        nn.init.uniform_(parameter, -1, 1)
    return network


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def written_out(x, lengths, state, weights):
    """Greff et al. 2017, section 3 and appendix A3 without peepholes: y and c of one row after the other, in numpy."""
    outputs, ends = np.zeros((*x.shape[:2], weights["bias_ih_l0"].shape[0] // 3)), []
    w = {name: np.split(value, 3) for name, value in weights.items()}  # forget, block input, output
    for row, length in enumerate(lengths):
        y, c = state[0][row], state[1][row]
        for t in range(length):
            f, z, o = (
                w["weight_ih_l0"][g] @ x[row, t] + w["weight_hh_l0"][g] @ y + w["bias_ih_l0"][g] + w["bias_hh_l0"][g]
                for g in range(3)
            )
            f, z, o = sigmoid(f), np.tanh(z), sigmoid(o)
            i = 1 - f
            c = z * i + c * f
            y = np.tanh(c) * o
            outputs[row, t] = y
        ends.append((y, c))
    return outputs, np.stack([y for y, _ in ends]), np.stack([c for _, c in ends])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lengths", [LENGTHS, None])
def test_it_is_the_papers(backend, lengths):
    network, x = make(3, 5, backend=backend), torch.randn(4, 6, 3, dtype=torch.float64)
    state = tuple(torch.randn(1, 4, 5, dtype=torch.float64) for _ in range(2))
    weights = {name: tensor.detach().numpy() for name, tensor in network.named_parameters()}
    ends = [6] * 4 if lengths is None else lengths.tolist()
    expected = written_out(x.numpy(), ends, [tensor[0].numpy() for tensor in state], weights)
    output, (h, c) = network(x, state, lengths)
    for ours, theirs in zip((output, h[0], c[0]), expected, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, atol=1e-12, rtol=0)


def opposite(network, **options):
    """An nn.LSTM whose input gate is minus the forget gate before its sigmoid: sigmoid(-a) = 1 - sigmoid(a)."""
    theirs = nn.LSTM(
        network.input_size, network.layers[0].hidden_size, network.num_layers,
        bias=bool(network.bias), batch_first=True, bidirectional=network.bidirectional, dtype=torch.float64,
    )  # fmt: skip
    for name, tensor in network.state_dict().items():
        forget, candidate, output = tensor.chunk(3)
        theirs.state_dict()[name].copy_(torch.cat([-forget, forget, candidate, output]))
    return theirs


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_outputs_and_gradients_are_those_of_an_lstm_with_opposite_gates(backend, options):
    network = make(3, 5, backend=backend, **options)
    theirs, x = opposite(network), torch.randn(4, 6, 3, dtype=torch.float64)
    (output, state), (expected, last) = network(x), theirs(x)
    torch.testing.assert_close(output, expected, **CLOSE)
    torch.testing.assert_close(state, last, **CLOSE)
    loss = (output * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output)).sum()
    their_loss = (expected * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output)).sum()
    ours = torch.autograd.grad(loss, list(network.parameters()))
    for (name, _), gradient, full in zip(
        network.named_parameters(), ours, torch.autograd.grad(their_loss, list(theirs.parameters())), strict=True
    ):
        against, forget, *rest = full.chunk(4)
        torch.testing.assert_close(gradient, torch.cat([forget - against, *rest]), atol=1e-10, rtol=0, msg=name)


def test_pytorchs_equivalent_is_that_lstm():
    network = make(3, 5, num_layers=2, bidirectional=True)
    theirs, x = to_pytorch(network), torch.randn(4, 6, 3, dtype=torch.float64)
    assert type(theirs) is nn.LSTM
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), opposite(network).parameters(), strict=True))
    torch.testing.assert_close(theirs(x)[0], network(x)[0], **CLOSE)


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"zoneout": 0.3, "bidirectional": True}])
def test_gradients_by_finite_differences(options):
    network = make(2, 3, backend="reference", **options).eval()
    names = [name for name, _ in network.named_parameters()]

    def function(x, *tensors):
        output, (h, c) = functional_call(
            network, dict(zip(names, tensors, strict=True)), (x, None, torch.tensor([3, 2]))
        )
        return output, h, c

    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(function, (x, *network.parameters()), fast_mode=True)


def test_noise_of_training_reaches_every_backend_alike():
    networks = [make(3, 5, backend=backend, weight_noise=0.2) for backend in BACKENDS]
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    outputs = []
    for network in networks:
        network.load_state_dict(networks[0].state_dict())
        torch.manual_seed(3)
        outputs.append(network(x, lengths=LENGTHS)[0])
    torch.testing.assert_close(outputs[0], outputs[1], **CLOSE)
    torch.testing.assert_close(outputs[0], outputs[2], **CLOSE)


def test_a_normalised_one_is_no_lstm():
    assert make(3, 5, layer_norm=True).resolved_backend("cpu", torch.float64) == "fused"
    with pytest.raises(ValueError, match="PyTorch's kernels have no lstm_coupled cells"):
        make(3, 5, layer_norm=True, backend="torch")


def test_it_costs_three_quarters_of_an_lstm():
    ours, lstm = RNNBase("lstm_coupled", 7, 8, bias="single"), LSTM(7, 8, bias="single")
    assert 4 * count_parameters(ours)["effective"] == 3 * count_parameters(lstm)["effective"]
    assert 4 * count_multiply_adds(ours) == 3 * count_multiply_adds(lstm)
    assert count_state(ours) == count_state(lstm)


def test_it_starts_like_an_lstm():
    forget, candidate, output = RNNBase("lstm_coupled", 3, 2000, keep_gate_bias=1.0).bias_ih_l0.detach().chunk(3)
    assert [part.mean().item() for part in (forget, candidate, output)] == pytest.approx([1, 0, 0], abs=2e-3)
    chrono = RNNBase("lstm_coupled", 3, 2000, initialisation="chrono", chrono_steps=101)
    forget, *others = chrono.bias_ih_l0.detach().chunk(3)
    assert forget.exp().mean().item() == pytest.approx(50.5, rel=0.05)
    assert not any(part.any() for part in (*others, chrono.bias_hh_l0))


def test_a_full_forget_gate_holds_the_cell():
    network = make(3, 5, backend="fused")
    with torch.no_grad():
        network.bias_ih_l0[:5] = 1e3
    state = map_state(torch.ones_like, network.initial_state(4))
    torch.testing.assert_close(network(torch.randn(4, 6, 3, dtype=torch.float64), state)[1][1], state[1], **CLOSE)
