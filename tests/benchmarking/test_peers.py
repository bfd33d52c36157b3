"""Peers compute what we compute; a library that is not here is named with the way to get it."""

import importlib.util

import pytest
import torch

from src.benchmarking import peers
from src.benchmarking.contenders import CELLS, Case, Refused, Shape
from src.benchmarking.peers import PEERS, peer
from src.config import Mistake

CPU = torch.device("cpu")
SHAPE = Shape(2, 5, 3, 4)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_peer_equals_the_readable_loop_or_says_what_it_lacks(name: str, mode: str):
    if importlib.util.find_spec(PEERS[name][0]) is None:
        pytest.skip(f"{name} is in the environment of make benchmark-peers")
    has = {"onnxruntime": ["gru", "gru_cho", "lstm"], "jax": ["gru", "gru_cho", "lstm"], "flax": ["gru", "lstm"]}[name]
    if (name, mode) == ("onnxruntime", "training"):
        has = []
    for cell in CELLS:
        case = Case(SHAPE, mode, 1)
        if cell not in has:
            with pytest.raises(Refused, match=name):
                peer(name, cell, case, CPU, 0)
            continue
        found = peer(name, cell, case, CPU, 0)
        found.work()
        assert found.difference is None if name == "flax" else found.difference is not None and found.difference < 1e-5


def test_a_peer_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="gru onnxruntime differs from the readable loop"):
        peer("onnxruntime", "gru", Case(SHAPE, "inference", 1), CPU, 0)


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(Mistake, match="peers has jax, which is not installed: run make benchmark-peers"):
        peer("jax", "gru", Case(SHAPE, "training", 1), CPU, 0)
