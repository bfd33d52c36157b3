"""What every model config has to pass."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from src.recurrent import count_parameters, detach_state, last_valid, map_state
from src.recurrent.backends.choose import BACKENDS
from tests.recurrent.models import CONF, MODELS, NAMES, compose

MIXED = [{"kind": "gru", "hidden_size": 8}, {"kind": "rnn", "hidden_size": 6, "bias": "single"}]
SMALL = {"keras_mixed": {"layers": MIXED}}
X = torch.randn(4, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LENGTHS, TARGET = torch.tensor([6, 2, 1, 5]), torch.tensor([0, 1, 2, 0])
COVERED = {
    "gru", "gru_custom", "gru_bi", "gru_custom_bi", "gru_stacked", "gru_residual", "gru_custom_residual",
    "lstm", "lstm_custom", "lstm_bi", "lstm_custom_bi", "lstm_stacked", "lstm_residual", "lstm_custom_residual",
    "rnn", "gru_cho", "gru_mission", "gru_chung", "lstm_chung", "rnn_chung", "keras_mixed", "lstm_coupled",
}  # fmt: skip


def small(model):
    """The config at a width that a test can afford, with a linear head."""
    torch.manual_seed(7)
    network = compose(model, 3, **SMALL.get(model, {"hidden_size": 8}))
    return nn.ModuleDict({"network": network, "head": nn.Linear(network.output_size, 3, dtype=torch.float64)})


def loss_of(module):
    network = module["network"]
    output, _ = network(X, None, lengths=LENGTHS)
    logits = module["head"](last_valid(output, LENGTHS, network.num_directions))
    return nn.functional.cross_entropy(logits, TARGET)


def trained(model, steps):
    module = small(model)
    optimizer = torch.optim.Adam(module.parameters(), 2e-2)
    torch.manual_seed(8)
    losses, gradients = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(module)
        loss.backward()
        gradients.append([parameter.grad.clone() for parameter in module.parameters()])
        optimizer.step()
        losses.append(loss.item())
    return module, losses, gradients


def test_every_config_is_covered():
    assert set(MODELS) == COVERED
    for name in set(NAMES) - set(MODELS):
        assert "_target_" not in (CONF / "model" / f"{name}.yaml").read_text()


@pytest.mark.parametrize("model", MODELS)
def test_initialises_reproducibly(model):
    first, second = small(model).state_dict(), small(model).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(tensor.isfinite().all() for tensor in first.values())


@pytest.mark.parametrize("model", MODELS)
def test_training_is_reproducible_and_the_loss_falls(model):
    module, losses, gradients = trained(model, 30)
    again, losses_again, gradients_again = trained(model, 30)
    assert losses == losses_again
    for step, step_again in zip(gradients, gradients_again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(step, step_again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])
    module.eval()
    assert loss_of(module).item() < 0.6 * losses[0]


@pytest.mark.parametrize("model", MODELS)
def test_the_interface_that_tasks_rely_on(model):
    network = small(model)["network"].eval()
    assert (network.input_size, network.num_directions) == (3, 2 if model.endswith("_bi") else 1)
    output, state = network(X, network.initial_state(4), lengths=LENGTHS)
    assert output.shape == (4, 6, network.output_size)
    assert torch.count_nonzero(output[1, 2:]) == 0
    shapes = []
    map_state(lambda tensor: shapes.append(tensor.shape[1]), state)
    assert set(shapes) == {4}
    cut = []
    map_state(lambda tensor: cut.append(tensor.requires_grad), detach_state(state))
    assert not any(cut)
    assert network.resolved_backend("cpu", torch.float64) in BACKENDS
    torch.testing.assert_close(copy.deepcopy(network)(X, lengths=LENGTHS)[0], output)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("form", ["", "_bi", "_residual"])
def test_the_readable_backend_computes_the_same(kind, form):
    builtin, readable = small(f"{kind}{form}")["network"], small(f"{kind}_custom{form}")["network"]
    assert builtin.resolved_backend("cpu", torch.float64) != "reference"
    assert readable.resolved_backend("cpu", torch.float64) == "reference"
    torch.testing.assert_close(builtin(X, lengths=LENGTHS), readable(X, lengths=LENGTHS), atol=1e-12, rtol=0)


def test_gru_and_lstm_start_from_the_same_keep_gate_bias():
    gru, lstm = (compose(model, 3, hidden_size=2000, dtype=torch.float32) for model in ("gru", "lstm"))
    kept = [network.bias_ih_l0.chunk(gates)[1].mean().item() for network, gates in ((gru, 3), (lstm, 4))]
    assert kept == pytest.approx([1.0, 1.0], abs=2e-3)
    assert gru.keep_gate_bias == lstm.keep_gate_bias == 1.0


@pytest.mark.parametrize(
    ("model", "music", "speech_units", "speech"),
    [("lstm_chung", 18_108, 195, 169_065), ("gru_chung", 18_630, 227, 168_888), ("rnn_chung", 18_900, 400, 168_400)],
)
def test_chungs_networks_have_chungs_parameters(model, music, speech_units, speech):
    for network, expected in ((compose(model, 88), music), (compose(model, 20, hidden_size=speech_units), speech)):
        assert count_parameters(network) == {"recurrent": expected, "effective": expected}
