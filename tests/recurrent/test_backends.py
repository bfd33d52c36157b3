"""Which backend runs what, and why."""

from __future__ import annotations

import pytest
import torch

from src.recurrent import GRU, LSTM, RNN, Stack
from src.recurrent.backends.choose import BACKENDS

REFUSED = [
    (GRU, {"reset_after": False}, r"reset gate before the product \(reset_after=False\)"),
    (LSTM, {"peepholes": True}, "peepholes"),
    (RNN, {"layer_norm": True}, "layer_norm"),
    (GRU, {"zoneout": 0.1}, "zoneout"),
    (GRU, {"recurrent_dropout": 0.1}, "recurrent_dropout"),
]


@pytest.mark.parametrize(("make", "options", "reason"), REFUSED)
def test_pytorch_refuses_what_it_does_not_compute(make, options, reason):
    with pytest.raises(ValueError, match=f"backend=torch: PyTorch's kernels have no .*{reason}.*; backend=reference"):
        make(3, 4, backend="torch", **options)
    chosen = make(3, 4, **options)
    assert chosen.resolved_backend("cpu", torch.float32) != "torch"
    if chosen.resolved_backend("cpu", torch.float32) == "reference":
        assert reason.split("\\")[0].strip() in chosen.backend_reason("cpu", torch.float32)


@pytest.mark.parametrize("options", [{}, {"bias": "single"}, {"bias": False}, {"num_layers": 2, "residual": True}])
def test_pytorch_runs_the_rest(options):
    network = GRU(3, 4, backend="torch", **options)
    assert network.resolved_backend("cpu", torch.float32) == "torch"
    assert network.backend_reason("cpu", torch.float32) is None


def test_layers_are_chosen_one_by_one():
    layers = [{"kind": "gru", "hidden_size": 4}, {"kind": "lstm", "hidden_size": 4, "layer_norm": True}]
    network = Stack(3, layers)
    names = network.resolved_backend("cpu", torch.float64).split("+")
    assert names[-1] == "reference"
    assert len(names) == 2
    with pytest.raises(ValueError, match="layer_norm"):
        Stack(3, layers, backend="torch")


def test_auto_asks_the_readable_backend_last():
    assert list(BACKENDS)[-1] == "reference"
    assert list(BACKENDS)[-2] == "torch"


def test_a_backend_asked_for_gives_no_reason():
    assert GRU(3, 4, backend="reference").backend_reason("cpu", torch.float32) is None


def test_print_says_what_a_network_is():
    network = GRU(3, [4, 5], 2, bidirectional=True)
    assert repr(network) == "GRU(3 -> gru 4 -> gru 5, bidirectional=True, backend=auto)"
