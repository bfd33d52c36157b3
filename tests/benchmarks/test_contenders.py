"""Contenders do the work that they are timed for, and compute what they should."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import contenders
from benchmarks.contenders import CELLS, Case, Refused, Shape, baselines, contender, operations, prepared, training_step

CPU = torch.device("cpu")
CASE = Case(Shape(2, 5, 3, 4), "training", 1)


def test_a_training_step_trains():
    torch.manual_seed(0)
    layer, x = nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3)
    before = [p.detach().clone() for p in layer.parameters()]
    step = training_step(layer, x, CASE)
    step()
    # Adam's first step is the learning rate times the gradient's sign, wherever it is not zero.
    for old, new in zip(before, layer.parameters(), strict=True):
        assert torch.allclose((new - old).abs(), torch.full_like(old, 1e-3), rtol=1e-3)


def test_inference_leaves_no_graph():
    (layer,) = baselines(["gru"], Case(CASE.shape, "inference", 1), CPU)
    assert not layer.work().requires_grad


def test_each_baseline_runs_once_and_is_pytorchs_layer():
    layers = baselines(list(CELLS), CASE, CPU)
    assert [c.name for c in layers] == ["nn.GRU", "nn.LSTM", "nn.RNN"]


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_runs_and_equals_the_readable_loop(cell: str):
    ours = contender(cell, "auto", CASE, CPU)
    ours.work()
    assert ours.difference is None or ours.difference < 1e-5
    assert ours.ran in ("torch", "fused", "reference")


def test_a_backend_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(contenders.PRECISIONS, CASE.precision, -1.0)
    with pytest.raises(RuntimeError, match="gru torch differs from the reference loop by"):
        contender("gru", "torch", CASE, CPU)


def test_what_cannot_run_is_refused_with_the_reason():
    with pytest.raises(Refused, match="reset_after=False"):
        contender("gru_cho", "torch", CASE, CPU)
    with pytest.raises(Refused, match="GPU only"):
        contender("gru", "compiled", CASE, CPU)
    with pytest.raises(Refused, match="reset_after=False"):
        prepared("gru_cho", "torch", CASE)


@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "rnn"])
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_operations_are_those_that_torch_counts(cell: str, mode: str):
    case = Case(Shape(2, 5, 3, 4), mode, 1)
    work = contender(cell, "reference", case, CPU).work
    with FlopCounterMode(display=False) as counter:
        work()
    # The first step's state is given and needs no gradient; in Cho's candidate its product with the reset gate does.
    gates = {"gru_cho": 2}.get(cell, CELLS[cell].gates)
    first = 2 * case.shape.batch * gates * 4 * 4 if mode == "training" else 0
    assert counter.get_total_flops() == operations(cell, case) - first
