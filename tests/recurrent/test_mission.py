"""The classes that the project was asked for, each written out from its formula and held against its config."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.recurrent.models import compose

CLOSE = {"atol": 1e-12, "rtol": 0}


class CustomCell(nn.Module):
    """Three linear maps of [x, h], Xavier-uniform, zero biases; h = (1-z) h' + z c."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.update = nn.Linear(input_size + hidden_size, hidden_size, dtype=torch.float64)
        self.reset = nn.Linear(input_size + hidden_size, hidden_size, dtype=torch.float64)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size, dtype=torch.float64)
        for linear in (self.update, self.reset, self.candidate):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x, h):
        z = torch.sigmoid(self.update(torch.cat([x, h], dim=-1)))
        r = torch.sigmoid(self.reset(torch.cat([x, h], dim=-1)))
        c = torch.tanh(self.candidate(torch.cat([x, r * h], dim=-1)))
        return (1 - z) * h + z * c

    def over(self, x, h=None):
        h = x.new_zeros(x.shape[0], self.hidden_size) if h is None else h
        outputs = []
        for t in range(x.shape[1]):
            h = self(x[:, t], h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


def load(network, suffix, cell):
    """Give a layer and direction of our network the weights of the mission's cell."""
    from src.recurrent.convert import assign, from_concatenated

    maps = {name: (getattr(cell, name).weight, getattr(cell, name).bias) for name in ("reset", "update", "candidate")}
    k = int(suffix.removesuffix("_reverse")[2:])
    assign(network, from_concatenated(network.layers[k].cell, maps), suffix)


def sequences():
    return torch.randn(3, 6, 4, dtype=torch.float64)


def test_custom_cell_over_time():
    cell, network = CustomCell(4, 5), compose("gru_mission", 4, hidden_size=5)
    load(network, "_l0", cell)
    x, h = sequences(), torch.randn(3, 5, dtype=torch.float64)
    output, state = network(x, h[None])
    expected, last = cell.over(x, h)
    torch.testing.assert_close(output, expected, **CLOSE)
    torch.testing.assert_close(state[0], last, **CLOSE)


def test_custom_initialisation():
    network = compose("gru_mission", 40, hidden_size=50)
    bound = (6 / (40 + 50 + 50)) ** 0.5
    for weight in (network.weight_ih_l0.detach(), network.weight_hh_l0.detach()):
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.99 * bound
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.03)
    assert torch.count_nonzero(network.bias_ih_l0) == 0
    assert not hasattr(network, "bias_hh_l0")


def test_stacked_custom_gru_with_a_linear_output_at_every_step():
    cells = [CustomCell(4, 5), CustomCell(5, 5), CustomCell(5, 5)]
    head = nn.Linear(5, 2, dtype=torch.float64)
    network = compose("gru_mission", 4, hidden_size=5, num_layers=3)
    x, initial = sequences(), torch.randn(3, 3, 5, dtype=torch.float64)
    expected, lasts = x, []
    for k, cell in enumerate(cells):
        load(network, f"_l{k}", cell)
        expected, last = cell.over(expected, initial[k])
        lasts.append(last)
    output, state = network(x, initial)
    torch.testing.assert_close(head(output), head(expected), **CLOSE)
    torch.testing.assert_close(state, torch.stack(lasts), **CLOSE)


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_built_in_gru_with_a_linear_output_at_every_step(backend):
    network = compose("gru_stacked", 4, hidden_size=5, backend=backend)
    theirs = nn.GRU(4, 5, 2, batch_first=True).double()
    head = nn.Linear(5, 2, dtype=torch.float64)
    network.load_state_dict(theirs.state_dict())
    x = sequences()
    torch.testing.assert_close(head(network(x)[0]), head(theirs(x)[0]), **CLOSE)


@pytest.mark.parametrize("model", ["gru_bi", "gru_custom_bi"])
def test_bidirectional_is_two_networks_one_on_the_flipped_input(model):
    forward, backward = (nn.GRU(4, 5, batch_first=True).double() for _ in range(2))
    network = compose(model, 4, hidden_size=5)
    network.load_state_dict(
        forward.state_dict() | {f"{name}_reverse": tensor for name, tensor in backward.state_dict().items()}
    )
    x = sequences()
    ahead, last = forward(x)
    back, first = backward(x.flip(1))
    output, state = network(x)
    torch.testing.assert_close(output, torch.cat([ahead, back.flip(1)], dim=-1), **CLOSE)
    torch.testing.assert_close(state, torch.cat([last, first]), **CLOSE)


def test_bidirectional_custom_cells():
    cells = CustomCell(4, 5), CustomCell(4, 5)
    network = compose("gru_mission", 4, hidden_size=5, bidirectional=True)
    load(network, "_l0", cells[0])
    load(network, "_l0_reverse", cells[1])
    x = sequences()
    expected = torch.cat([cells[0].over(x)[0], cells[1].over(x.flip(1))[0].flip(1)], dim=-1)
    torch.testing.assert_close(network(x)[0], expected, **CLOSE)


@pytest.mark.parametrize("model", ["gru_residual", "gru_custom_residual", "lstm_residual", "lstm_custom_residual"])
def test_residual_from_the_second_layer_on(model):
    network = compose(model, 4, hidden_size=4)
    make = nn.GRU if model.startswith("gru") else nn.LSTM
    x = sequences()
    expected = x
    assert network.num_layers == 3
    for k in range(3):
        layer = make(4, 4, batch_first=True).double()
        for name, tensor in layer.state_dict().items():
            network.get_parameter(name.replace("_l0", f"_l{k}")).data.copy_(tensor)
        read, _ = layer(expected)
        expected = read + expected if k > 0 else read
    torch.testing.assert_close(network(x)[0], expected, **CLOSE)


def test_residual_only_where_the_widths_agree():
    network = compose("gru_residual", 4, hidden_size=[4, 6, 6])
    plain = compose("gru_stacked", 4, hidden_size=[4, 6, 6], num_layers=3)
    plain.load_state_dict(network.state_dict())
    x = sequences()
    below = compose("gru_stacked", 4, hidden_size=[4, 6], num_layers=2)
    below.load_state_dict({name: tensor for name, tensor in network.state_dict().items() if "_l2" not in name})
    torch.testing.assert_close(network(x)[0], plain(x)[0] + below(x)[0], **CLOSE)


def test_the_keras_example_has_its_parameters():
    network = compose("keras_mixed", 64)
    embedding, head = nn.Embedding(1000, 64), nn.Linear(128, 10)
    counts = [sum(p.numel() for p in module.parameters()) for module in (embedding, network, head)]
    gru = sum(p.numel() for name, p in network.named_parameters() if name.endswith("_l0"))
    assert counts == [64_000, 247_296 + 49_280, 1_290]
    assert (gru, sum(counts)) == (247_296, 361_866)
    tokens = torch.randint(1000, (3, 7))
    output, (first, second) = network(embedding(tokens).double())
    assert head.double()(output[:, -1]).shape == (3, 10)
    assert (first.shape, second.shape) == ((1, 3, 256), (1, 3, 128))


def test_the_keras_example_is_a_gru_under_a_tanh_layer():
    network = compose("keras_mixed", 4)
    gru, rnn = nn.GRU(4, 256, batch_first=True).double(), nn.RNN(256, 128, batch_first=True).double()
    nn.init.zeros_(rnn.bias_hh_l0)
    below = {name.replace("_l0", "_l1"): t for name, t in rnn.state_dict().items() if name != "bias_hh_l0"}
    network.load_state_dict(gru.state_dict() | below)
    x = sequences()
    torch.testing.assert_close(network(x)[0], rnn(gru(x)[0])[0], **CLOSE)
