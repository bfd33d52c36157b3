"""Peers compute what we compute; a library that is not here is named with the way to get it."""

import pytest
import torch

from benchmarks import onednn, peers
from benchmarks.contenders import CELLS, Case, Refused, Shape, batch, reference
from benchmarks.peers import PEERS, installed, peer
from src.config.errors import UserError

CPU = torch.device("cpu")
SHAPE = Shape(2, 5, 3, 4)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_peer_equals_the_readable_loop_or_says_what_it_lacks(name: str, mode: str):
    if not installed(PEERS[name][0]):
        pytest.skip(f"{name} is in the environment of make benchmark-peers")
    has = ["gru", "lstm"] if name == "flax" else ["gru", "gru_cho", "lstm"]
    if (name, mode) == ("onnxruntime", "training"):
        has = []
    for cell in CELLS:
        case = Case(SHAPE, mode, 1)
        if cell not in has:
            with pytest.raises(Refused, match=name):
                peer(name, cell, case, CPU, 0)
            continue
        other = peer(name, cell, case, CPU, 0)
        other.work()
        assert other.difference is None if name == "flax" else other.difference is not None and other.difference < 1e-5


def test_a_peer_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="gru onnxruntime differs from the readable loop"):
        peer("onnxruntime", "gru", Case(SHAPE, "inference", 1), CPU, 0)


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "installed", lambda name: False)
    with pytest.raises(UserError, match="peers has jax, which is not installed: run make benchmark-peers"):
        peer("jax", "gru", Case(SHAPE, "training", 1), CPU, 0)


def test_a_package_is_known_by_the_name_that_pip_has():
    assert installed("torch")
    assert not installed("no-such-package")


@pytest.mark.skipif(not installed(onednn.WHEEL), reason="onednn is in the environment of make benchmark-peers")
@pytest.mark.parametrize("cell", onednn.KINDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_onednn_trains_by_the_gradients_of_the_readable_loop(cell: str, threads: int):
    case = Case(Shape(3, 7, 5, 6), "training", threads)
    network, x = reference(cell, case, CPU, 0), batch(case, CPU, 0)
    layer = onednn.prepared(cell, network, x, training=True, threads=threads)
    upstream = torch.randn(3, 7, 6)
    network(x)[0].backward(upstream)
    for _ in range(2):  # what the weights were at the first call must not be remembered
        layer.forward()
        layer.output_gradient.copy_(upstream)
        for gradient in layer.gradients:
            gradient.zero_()
        layer.backward()
        for gradient, weight in zip(layer.gradients, (network.weight_ih_l0, network.weight_hh_l0), strict=False):
            blocks = weight.grad.chunk(len(onednn.GATES[cell]))
            expected = torch.stack([blocks[k] for k in onednn.GATES[cell]]).permute(2, 0, 1)
            assert torch.allclose(gradient, expected, atol=1e-5)
        bias = network.bias_ih_l0.grad.chunk(len(onednn.GATES[cell]))
        rows = layer.gradients[2][: len(bias)]
        assert torch.allclose(rows, torch.stack([bias[k] for k in onednn.GATES[cell]]), atol=1e-5)
        with torch.no_grad():
            layer.weights[1].mul_(2.0)
            network.weight_hh_l0.mul_(2.0)
        network.zero_grad()
        network(x)[0].backward(upstream)


@pytest.mark.skipif(not installed(onednn.WHEEL), reason="onednn is in the environment of make benchmark-peers")
def test_a_step_of_onednn_trains():
    case = Case(Shape(3, 7, 5, 6), "training", 1)
    layer = onednn.prepared("gru", reference("gru", case, CPU, 0), batch(case, CPU, 0), training=True)
    before = [weight.clone() for weight in layer.weights]
    onednn.step_of(layer)()
    # Adam's first step is the learning rate times the gradient's sign, wherever it is not zero.
    for old, new in zip(before, layer.weights, strict=True):
        assert torch.allclose((new - old).abs(), torch.full_like(old, 1e-3), rtol=1e-2)
