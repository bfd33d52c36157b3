"""The Triton kernels against the readable loop in float64: on a GPU where there is one, else through the operator."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from src.recurrent import GRU, LSTM, RNN, RNNBase, stack
from src.recurrent.backends.choose import choose, remembered
from src.recurrent.backends.spec import CallSpec

pytest.importorskip("triton")
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
pytestmark = [pytest.mark.gpu] if ON_GPU else []


@pytest.fixture
def operator():
    """What launches the kernels."""
    from src.recurrent.kernels.triton import operator

    return operator


def coupled(*arguments: Any, **options: Any) -> RNNBase:
    return RNNBase("lstm_coupled", *arguments, **options)


CELLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "gru": (GRU, {}),
    "gru_cho": (GRU, {"reset_after": False}),
    "gru_takes": (GRU, {"update_gate": "takes"}),
    "lstm": (LSTM, {}),
    "lstm_peephole": (LSTM, {"peepholes": True}),
    "lstm_coupled": (coupled, {}),
    "rnn": (RNN, {}),
}
EXTRAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer_norm": {"layer_norm": True},
    "zoneout": {"zoneout": 0.3},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
    "all": {"layer_norm": True, "zoneout": 0.3, "recurrent_dropout": 0.3, "learn_initial_state": True},
}


def results(
    network: torch.nn.Module, x: Tensor, lengths: Tensor | None, monkeypatch: pytest.MonkeyPatch, given: bool
) -> list[Tensor]:
    """Output, final state and all gradients; noise is drawn in float64 on the CPU, the same for every backend."""
    draw = torch.Generator().manual_seed(3)

    def mask(rate: float, h: Tensor, *shape: Any) -> Tensor:
        size = (h.shape[0], shape[0], h.shape[1]) if shape else h.shape
        return (torch.rand(size, generator=draw, dtype=torch.float64) < 1 - rate).to(h)

    monkeypatch.setattr(stack, "recurrent_mask", mask)
    monkeypatch.setattr(stack, "zoneout_mask", lambda rate, h, time, training: mask(1 - rate, h, time))
    weight = network.weight_ih_l0
    x = x.to(weight).requires_grad_()
    state, leaves = None, [x, *network.parameters()]
    if given:
        numbers = torch.Generator().manual_seed(4)
        drawn = [
            torch.randn(t.shape, generator=numbers, dtype=torch.float64).to(weight).requires_grad_()
            for t in pair(network.initial_state(len(x)))
        ]
        state, leaves = drawn[0] if len(drawn) == 1 else tuple(drawn), [x, *drawn]
        leaves += [p for name, p in network.named_parameters() if not name.startswith("initial_")]
    output, final = network(x, state, lengths)
    ends = pair(final)
    along = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view(output.shape).to(output)
    loss = (along * output).sum() + sum(end.sin().sum() for end in ends)
    gradients = torch.autograd.grad(loss, leaves)
    return [t.detach().double().cpu() for t in (output, *ends, *gradients)]


def pair(state: Any) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else tuple(state)


def compare(
    monkeypatch: pytest.MonkeyPatch, make: Any, dtype: torch.dtype, tolerance: float, *, hidden_size: int = 5,
    batch: int = 2, time: int = 3, lengths: list[int] | None = None, **options: Any,
) -> None:  # fmt: skip
    arguments = {"batch_first": True, "bidirectional": True, **options}
    reference = make(3, hidden_size, backend="reference", dtype=torch.float64, **arguments)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    network = make(3, hidden_size, backend="triton", dtype=dtype, device=DEVICE, **arguments)
    network.load_state_dict(reference.state_dict())
    x = torch.randn(batch, time, 3, dtype=torch.float64)
    valid = None if lengths is None else torch.tensor(lengths)
    given = "learn_initial_state" not in options
    expected = results(reference, x, valid, monkeypatch, given)
    for one, other in zip(expected, results(network, x, valid, monkeypatch, given), strict=True):
        torch.testing.assert_close(other, one, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("lengths", [None, [3, 1]], ids=["whole", "lengths"])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_computes_what_the_readable_loop_computes(cell, extra, lengths, monkeypatch):
    make, options = CELLS[cell]
    compare(monkeypatch, make, torch.float64, 1e-11, lengths=lengths, **options, **EXTRAS[extra])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cell", CELLS)
def test_lower_precision_is_as_exact_as_its_numbers(cell, dtype, monkeypatch):
    make, options = CELLS[cell]
    tolerance = 5e-6 if dtype is torch.float32 else 0.15  # bfloat16 has 8 bits, and the weights are rounded to it too
    compare(monkeypatch, make, dtype, tolerance, bidirectional=False, **options)


@pytest.mark.parametrize("extra", ["plain", "all"])
@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm_peephole", "lstm_coupled", "rnn"])
def test_weights_may_be_streamed(cell, extra, operator, monkeypatch):
    monkeypatch.setattr(operator, "plan", lambda *arguments, backward: operator.Plan(16, 4, False, 4))
    make, options = CELLS[cell]
    compare(monkeypatch, make, torch.float64, 1e-11, hidden_size=6, **options, **EXTRAS[extra])


@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm_coupled"])
def test_sums_in_one_exchange_are_the_same_sums(cell, monkeypatch):
    import triton.language as tl

    from src.recurrent.kernels.triton import parts

    monkeypatch.setattr(parts, "TOGETHER", tl.constexpr(True))
    make, options = CELLS[cell]
    compare(monkeypatch, make, torch.float64, 1e-11, hidden_size=2, batch=1, time=2, bidirectional=False, **options)


@pytest.mark.parametrize(("bias", "layers"), [("single", 1), (False, 1), (True, 2)])
def test_biases_and_depth(bias, layers, monkeypatch):
    for make in (GRU, LSTM):
        compare(monkeypatch, make, torch.float64, 1e-11, bias=bias, num_layers=layers, residual=layers > 1)


@pytest.mark.parametrize("cell", CELLS)
def test_the_derivative_is_that_of_finite_differences(cell):
    make, options = CELLS[cell]
    network = make(2, 3, batch_first=True, backend="triton", dtype=torch.float64, device=DEVICE, **options)
    names = [name for name, _ in network.named_parameters()]

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        output, final = torch.func.functional_call(network, given, (x,))
        return output.sum() + sum(end.square().sum() for end in pair(final))

    leaves = [torch.randn(1, 2, 2, dtype=torch.float64, device=DEVICE), *(p.detach() for p in network.parameters())]
    assert torch.autograd.gradcheck(function, [leaf.requires_grad_() for leaf in leaves], fast_mode=not ON_GPU)


def test_inference_leaves_nothing_for_backward():
    network = GRU(3, 5, batch_first=True, backend="triton", device=DEVICE)
    with torch.no_grad():
        output, _ = network(torch.randn(2, 3, 3, device=DEVICE))
    assert not output.requires_grad


def test_there_is_no_second_derivative():
    network = GRU(3, 5, batch_first=True, backend="triton", device=DEVICE)
    x = torch.randn(1, 2, 3, device=DEVICE, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0].sum(), x, create_graph=True)
    with pytest.raises(ValueError, match="backend=triton has no second derivative: use backend=reference"):
        gradient.sum().backward()


@pytest.mark.parametrize("size", [1, 16, 17, 46, 128, 129, 256, 1000])
def test_a_plan_fits_a_multiprocessor(size, operator):
    for gates, number, backward in itertools.product((1, 3, 4), (torch.float32, torch.float64), (False, True)):
        plan = operator.plan(size, gates, number, backward=backward)
        assert plan.width >= size
        assert plan.width & (plan.width - 1) == 0
        words = gates * plan.width**2 * (2 if number is torch.float64 else 1)
        assert plan.held == (words <= 65536)


def test_auto_never_chooses_an_interpreter(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    cell = GRU(3, 4, zoneout=0.1).layers[0].cell
    choice = choose("auto", cell, CallSpec(4, torch.device("cpu"), torch.float32))
    assert choice.name == "reference"


def test_without_a_gpu_it_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    remembered.cache_clear()
    with pytest.raises(
        ValueError, match="backend=triton: the Triton kernels run on CUDA, not on cpu; use backend=auto"
    ):
        GRU(3, 4, backend="triton")
