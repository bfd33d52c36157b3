from __future__ import annotations

import pytest
import torch

from src.recurrent import GRU, LSTM, RNN


def biases(network, gate):
    order = {"gru": ["reset", "update", "candidate"], "lstm": ["input", "forget", "candidate", "output"]}
    gates = order[network.layers[0].cell.kind]
    vectors = network.bias_ih_l0.detach(), network.bias_hh_l0.detach()
    return [vector.chunk(len(gates))[gates.index(gate)] for vector in vectors]


@pytest.mark.parametrize("keep_gate_bias", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("name", ["pytorch", "xavier", "chung"])
@pytest.mark.parametrize(
    ("make", "gate", "sign", "options"),
    [
        (LSTM, "forget", 1, {}),
        (GRU, "update", 1, {}),
        (GRU, "update", -1, {"update_gate": "takes"}),
    ],
)
def test_keep_gate_bias_is_the_mean_of_the_keeping_gate_in_one_vector(make, gate, sign, options, name, keep_gate_bias):
    torch.manual_seed(1)
    network = make(3, 400, initialisation=name, keep_gate_bias=keep_gate_bias, **options)
    torch.manual_seed(1)
    plain = make(3, 400, initialisation=name, **options)
    named, other = biases(network, gate)
    assert named.mean().item() == pytest.approx(sign * keep_gate_bias, abs=0.01)
    assert other.mean().item() == pytest.approx(0, abs=0.01)
    torch.testing.assert_close(named, biases(plain, gate)[0] + sign * keep_gate_bias)
    difference = [n for n, t in network.state_dict().items() if not torch.equal(t, plain.state_dict()[n])]
    assert difference == (["bias_ih_l0"] if keep_gate_bias else [])


@pytest.mark.parametrize("options", [{"update_gate": "keeps"}, {"update_gate": "takes"}, None])
def test_a_positive_keep_gate_bias_keeps_more(options):
    """Without input and with the candidate near zero, what is left of a state grows with the bias, by sigmoid(bias)."""
    kept = []
    for keep_gate_bias in (0.0, 1.0, 3.0):
        make = LSTM if options is None else GRU
        network = make(3, 50, initialisation="chung", keep_gate_bias=keep_gate_bias, **(options or {}))
        torch.nn.init.zeros_(network.weight_hh_l0)
        one = torch.ones(1, 1, 50)
        state = network(torch.zeros(1, 1, 3), (one, one) if options is None else one)[1]
        kept.append((state[1] if options is None else state).mean().item())
    assert kept == pytest.approx(torch.tensor([0.0, 1.0, 3.0]).sigmoid().tolist())


def test_chung():
    network = LSTM(30, 20, initialisation="chung", peepholes=True)
    weight = network.weight_ih_l0.detach()
    assert 0.099 < weight.abs().max() <= 0.1
    for gate in network.weight_hh_l0.detach().chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(20), atol=1e-5, rtol=0)
    assert not any(t.any() for n, t in network.named_parameters() if n.startswith(("bias", "weight_peephole")))


@pytest.mark.parametrize("make", [GRU, LSTM, RNN])
def test_xavier_is_glorots_bound_on_the_concatenated_map(make):
    network = make(30, 20, initialisation="xavier")
    gates = network.weight_ih_l0.shape[0] // 20
    whole = torch.cat([network.weight_ih_l0, network.weight_hh_l0], dim=1).detach()
    one = torch.nn.init.xavier_uniform_(torch.empty(20, 50))
    bound = (6 / 70) ** 0.5
    assert one.abs().max() <= bound
    for gate in whole.chunk(gates):
        assert 0.97 * bound < gate.abs().max() <= bound
    assert not network.bias_ih_l0.any()
    assert not network.bias_hh_l0.any()


@pytest.mark.parametrize("update_gate", ["keeps", "takes"])
def test_chrono_gru(update_gate):
    network = GRU(3, 2000, initialisation="chrono", chrono_steps=101, update_gate=update_gate)
    named, other = biases(network, "update")
    memory = (named if update_gate == "keeps" else -named).exp()
    assert 1 <= memory.min() < 1.5
    assert 99.5 < memory.max() <= 100
    assert memory.mean().item() == pytest.approx(50.5, rel=0.05)
    assert not other.any()
    assert not biases(network, "reset")[0].any()


def test_chrono_lstm():
    network = LSTM(3, 2000, initialisation="chrono", chrono_steps=101)
    forget, _ = biases(network, "forget")
    assert forget.exp().mean().item() == pytest.approx(50.5, rel=0.05)
    assert torch.equal(biases(network, "input")[0], -forget)
    assert not biases(network, "output")[0].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initialisation": "orthogonal"}, "initialisation: expected one of pytorch, xavier, chung, chrono"),
        ({"initialisation": "chrono"}, "chrono_steps: .* got None"),
        ({"initialisation": "chrono", "chrono_steps": 2}, "chrono_steps: .* got 2"),
        ({"initialisation": "chrono", "chrono_steps": 9, "keep_gate_bias": 1.0}, "keep_gate_bias: .* got 1.0"),
        ({"bias": False, "keep_gate_bias": 1.0}, "bias: keep_gate_bias=1.0 needs a bias vector"),
        ({"bias": False, "initialisation": "chrono", "chrono_steps": 9}, "bias: initialisation=chrono needs"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GRU(3, 4, **options)


def test_a_tanh_network_has_no_keep_gate_bias():
    with pytest.raises(ValueError, match="keep_gate_bias: expected 0 for rnn cells"):
        RNN(3, 4, keep_gate_bias=1.0)
