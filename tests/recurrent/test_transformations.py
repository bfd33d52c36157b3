"""Every transformation of PyTorch, on every cell and backend: what nn computes, or a refusal in a sentence.

`transformations.py` has one function for each. Where PyTorch has no such cell, or its own network fails, the readable
loop is the measure. In every one that trains, each parameter has a gradient.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from src.recurrent import GRU, LSTM, RNNBase
from src.recurrent.backends.spec import CallSpec
from src.recurrent.backends.triton import unsupported
from src.recurrent.cells.base import find_cell
from src.recurrent.kernels.build import library
from tests.recurrent.transformations import CAPTURE, DIFFERENTIATION, FEATURES, WIDTH, Model, Results, inputs, loss_of

if isinstance(library(), Exception):
    pytest.skip(f"no kernels here: {library()}", allow_module_level=True)

CELLS: dict[str, tuple[str, dict[str, Any], type[nn.RNNBase] | None]] = {
    "gru": ("gru", {}, nn.GRU),
    "lstm": ("lstm", {}, nn.LSTM),
    "rnn": ("rnn", {}, nn.RNN),
    "lstm projected": ("lstm", {"proj_size": 2}, nn.LSTM),
    "rnn relu": ("rnn", {"nonlinearity": "relu"}, nn.RNN),
    "gru before, takes": ("gru", {"reset_after": False, "update_gate": "takes"}, None),
    "lstm peepholes": ("lstm", {"peepholes": True}, None),
    "lstm_coupled": ("lstm_coupled", {}, None),
    "gru layer_norm": ("gru", {"layer_norm": True}, None),
}
BACKENDS = ("auto", "fused", "torch", "reference")
FUNC = (
    "func_grad", "func_vjp", "func_jvp", "func_jacrev", "func_jacfwd", "func_hessian", "ensemble", "ensemble_by_input",
    "frozen_vmapped_input", "frozen_vmapped_state", "per_sample_gradients",
)  # fmt: skip
REFUSED = {
    **dict.fromkeys([("fused", name) for name in FUNC], "the fused kernels do not run under the transformations of"),
    **dict.fromkeys(
        [("fused", name) for name in ("forward_mode", "jacobian_forward_mode")],
        "the fused kernels do not run under forward-mode differentiation",
    ),
    ("fused", "jit.script"): "backend=fused cannot be compiled by torch.jit.script",
    ("reference", "jit.script"): "backend=reference cannot be compiled by torch.jit.script",
}
ONLY_PYTORCHS = "torch.jit.script compiles only what nn.GRU, nn.LSTM and nn.RNN compute"
NO_PARAMETER = {"frozen_vmapped_input", "frozen_vmapped_state"}
THEIRS_FAIL = {  # there PyTorch's network raises, and with it backend=torch
    "jacobian_forward_mode", "ensemble", "ensemble_by_input", "frozen_vmapped_input", "frozen_vmapped_state",
    "per_sample_gradients", "compile fullgraph", "vmap of exported", "func.grad of exported",
}  # fmt: skip


def build(cell: str, backend: str, training: bool) -> Model:
    """The same weights for every backend and for PyTorch's ("nn")."""
    kind, options, theirs = CELLS[cell]
    torch.manual_seed(0)
    sizes = {"batch_first": True, "dtype": torch.float64}
    if backend == "nn":
        assert theirs is not None
        return Model(theirs(FEATURES, WIDTH, **sizes, **options)).train(training)
    return Model(RNNBase(kind, FEATURES, WIDTH, backend=backend, **sizes, **options)).train(training)


def truth(transform: Callable[[Model], Results], name: str, cell: str, training: bool) -> Results:
    """What PyTorch's network gives; what the readable loop does where there is none or where it fails."""
    if CELLS[cell][2] is not None:
        try:
            return transform(build(cell, "nn", training))
        except RuntimeError:
            assert name in THEIRS_FAIL
    return transform(build(cell, "auto" if name == "jit.script" else "reference", training))


def hold(
    transform: Callable[[Model], Results], name: str, cell: str, backend: str, expected: Any, training: bool
) -> str:
    """Run one entry of the matrix; "equal", "refused", or "none" where the backend has no such cell."""
    try:
        model = build(cell, backend, training)
    except ValueError:
        return "none"
    sentence = REFUSED.get((backend, name))
    if name == "jit.script" and CELLS[cell][2] is None:
        sentence = ONLY_PYTORCHS
    if sentence is not None:
        with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
            transform(model)
        return "refused"
    try:
        values, gradients = transform(model)
    except RuntimeError:
        recurrent: Any = model.recurrent
        theirs = recurrent.resolved_backend("cpu", torch.float64) == "torch"
        if theirs and name in THEIRS_FAIL:
            return "refused"
        raise
    close = {"atol": 1e-10, "rtol": 1e-8}
    torch.testing.assert_close(values, expected[0], **close)
    assert gradients.keys() == expected[1].keys()
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[1][key], **close)
        assert gradient.any(), f"{key} stands still"
    return "equal"


def all_backends(transform: Callable[[Model], Results], name: str, cell: str) -> list[str]:
    outcomes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for training in (True, False):
            refused = name == "jit.script" and CELLS[cell][2] is None
            expected = None if refused else truth(transform, name, cell, training)
            outcomes += [hold(transform, name, cell, backend, expected, training) for backend in BACKENDS]
    return outcomes


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", DIFFERENTIATION)
def test_differentiation_and_memory(name: str, cell: str) -> None:
    outcomes = all_backends(DIFFERENTIATION[name], name, cell)
    assert outcomes.count("equal") >= 4


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", CAPTURE)
def test_capture_by_every_backend(name: str, cell: str) -> None:
    outcomes = all_backends(CAPTURE[name], name, cell)
    assert ("equal" if name != "jit.script" or CELLS[cell][2] else "refused") in outcomes


@pytest.mark.parametrize("name", [name for name in CAPTURE if not name.startswith("compile")])
def test_capture(name: str) -> None:
    """The quick part of the matrix: what is captured trains every parameter, as PyTorch's network does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = truth(CAPTURE[name], name, "gru", training=True)
        assert hold(CAPTURE[name], name, "gru", "auto", expected, training=True) == "equal"


def test_compile_needs_no_break_and_warns_of_nothing() -> None:
    expected = CAPTURE["compile"](build("lstm", "reference", training=True))
    for name in ("compile fullgraph", "compile fullgraph with lengths"):
        expected = CAPTURE[name](build("lstm", "reference", training=True)) if "lengths" in name else expected
        assert hold(CAPTURE[name], name, "lstm", "fused", expected, training=True) == "equal"


def test_an_exported_network_takes_other_sizes_and_refuses_impossible_lengths() -> None:
    network, x = GRU(3, 4, batch_first=True), torch.randn(2, 5, 3)
    rows, steps = torch.export.Dim("rows"), torch.export.Dim("steps")
    program = torch.export.export(
        network, (x, None, torch.tensor([5, 2])), dynamic_shapes=({0: rows, 1: steps}, None, {0: rows})
    ).module()
    longer, lengths = torch.randn(3, 8, 3), torch.tensor([8, 1, 3])
    assert torch.equal(program(longer, None, lengths)[0], network(longer, None, lengths)[0])
    with pytest.raises(ValueError, match="lengths: expected 3 numbers from 1 to 8, got"):
        program(longer, None, torch.tensor([9, 1, 3]))


def test_a_traced_network_takes_other_sizes() -> None:
    network = LSTM(3, 4, batch_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace(network, (torch.randn(2, 5, 3),))
    longer = torch.randn(4, 9, 3)
    assert torch.equal(program(longer)[0], network(longer)[0])


def test_the_reason_is_on_record() -> None:
    network = GRU(3, 4)
    seen = []

    def call(x: torch.Tensor) -> torch.Tensor:
        seen.append((network.resolved_backend("cpu", torch.float32), network.backend_reason("cpu", torch.float32)))
        return network(x)[0]

    torch.func.vmap(call)(torch.zeros(2, 5, 1, 3))
    ((name, reason),) = seen
    assert name == "reference"
    assert reason.startswith(
        "the fused kernels do not run under the transformations of torch.func; "
        "PyTorch's kernels do not run under all of the transformations of torch.func; the Triton kernels "
    )
    assert network.resolved_backend("cpu", torch.float32) == "fused"


def test_triton_refuses_transformations() -> None:
    call = CallSpec(4, torch.device("cuda"), torch.float32, transformation="the transformations of torch.func")
    assert unsupported(find_cell("gru"), call) == (
        "the Triton kernels do not run under the transformations of torch.func"
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_autocast_keeps_the_state_in_float32(kind: str, dtype: torch.dtype) -> None:
    """Whatever precision the layers around it hand over; nn.GRU rounds there, by up to 0.01."""
    network = RNNBase(kind, FEATURES, WIDTH, 2, batch_first=True, bidirectional=True)
    x = inputs().to(dtype)
    expected, _ = network(x.float())
    with torch.autocast("cpu", dtype=dtype):
        output, last = network(x)
        again, _ = network(x, tuple(s.to(dtype) for s in last) if kind == "lstm" else last.to(dtype))
    assert output.dtype == again.dtype == torch.float32
    assert torch.equal(output, expected)
    output.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_scaled_losses_in_float16(backend: str) -> None:
    model = build("gru", backend, training=True).float()
    scaler, optimizer = torch.amp.GradScaler("cpu", init_scale=16.0), torch.optim.SGD(model.parameters(), 0.1)
    before = [p.detach().clone() for p in model.parameters()]
    with torch.autocast("cpu", dtype=torch.float16):
        loss = loss_of(model(inputs().float()))
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all((p != b).any() for p, b in zip(model.parameters(), before, strict=True))


def test_nested_tensors_are_refused_with_the_way_around() -> None:
    rows = [torch.randn(5, 3), torch.randn(2, 3)]
    for layout in (torch.strided, torch.jagged):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nested = torch.nested.nested_tensor(rows, layout=layout)
        with pytest.raises(ValueError, match="input: is a nested tensor, expected a padded one with lengths="):
            GRU(3, 4, batch_first=True)(nested)
    padded = torch.nested.to_padded_tensor(nested, 0.0)
    assert GRU(3, 4, batch_first=True)(padded, None, torch.tensor([5, 2]))[0].shape == (2, 5, 4)


def test_a_network_alone_is_no_graph_of_fx() -> None:
    with pytest.raises(ValueError, match="trace the module that calls it, not itself"):
        torch.fx.symbolic_trace(GRU(3, 4))


def test_what_is_scripted_shares_its_parameters() -> None:
    model = build("lstm", "auto", training=True)
    own = {name: p.data_ptr() for name, p in model.named_parameters()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.script(model)
    assert {name: p.data_ptr() for name, p in program.named_parameters()} == own


def test_a_forked_child_trains_shared_weights() -> None:
    """As in Hogwild: the parent sees the child's step."""
    model = build("gru", "fused", training=True).share_memory()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    child = os.fork()
    if child == 0:
        loss_of(model(inputs())).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.1 * p.grad)  # type: ignore[operator]
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert all((p != before[name]).any() for name, p in model.named_parameters())
