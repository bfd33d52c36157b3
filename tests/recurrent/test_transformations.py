"""Every transformation of PyTorch, on every cell and backend: what nn computes, or a refusal in a sentence.

`transformations.py` has one function for each. Where PyTorch has no such cell, or its own network fails, the readable
loop is the measure. In every one that trains, each parameter has a gradient.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from src.recurrent import GRU, LSTM, RNNBase
from src.recurrent.backends.spec import CallSpec
from src.recurrent.backends.triton import unsupported
from src.recurrent.cells.base import find_cell
from src.recurrent.kernels.build import library
from tests.recurrent.transformations import (
    CAPTURE,
    DIFFERENTIATION,
    FEATURES,
    ROWS,
    WIDTH,
    Model,
    Padded,
    Results,
    inputs,
    loss_of,
)

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
    ("fused", "forward_mode"): "the fused kernels do not run under forward-mode differentiation",
    ("fused", "jacobian_forward_mode"): "the fused kernels do not run under vectorised forward-mode differentiation",
    ("torch", "jacobian_forward_mode"): "PyTorch's kernels do not run under vectorised forward-mode differentiation",
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
    with pytest.raises(RuntimeError, match=r"lengths: expected every entry in 1\.\.time, the steps of the input"):
        program(longer, None, torch.tensor([9, 1, 3]))


CAPTURED: dict[str, Callable[..., Any]] = {
    "export": lambda m, *given: torch.export.export(m, given).module(),
    "export, strict": lambda m, *given: torch.export.export(m, given, strict=True).module(),
    "export, decomposed": lambda m, *given: torch.export.export(m, given).run_decompositions({}).module(),
    "jit.trace": lambda m, *given: torch.jit.trace(m, given),
    "jit.freeze": lambda m, *given: torch.jit.freeze(torch.jit.trace(m.eval(), given)),
    "make_fx": lambda m, *given: make_fx(m)(*given),
    "compile": lambda m, *given: torch.compile(m, backend="eager", fullgraph=True),
    "compile, aot_eager": lambda m, *given: torch.compile(m, backend="aot_eager", fullgraph=True),
    "compile, inductor": lambda m, *given: torch.compile(m, fullgraph=True),
}


@pytest.mark.parametrize("backend", ["fused", "torch", "reference"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if "inductor" in n else n for n in CAPTURED])
def test_a_captured_network_refuses_impossible_lengths(name: str, backend: str) -> None:
    """Also when no gradient is wanted, and with ``allow_empty``, which takes 0."""
    torch.compiler.reset()
    for allow_empty, kind in ((False, "gru"), (True, "lstm")):
        network = RNNBase(kind, 3, 4, batch_first=True, backend=backend, allow_empty=allow_empty)
        model, x = Padded(network, torch.float32), torch.randn(2, 5, 3)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = CAPTURED[name](model, x, torch.tensor([5, 2]))
            for right in ([1, 5], [3, 4], [0, 5] if allow_empty else [5, 5]):
                torch.testing.assert_close(program(x, torch.tensor(right)), model(x, torch.tensor(right)))
            for wrong in ([6, 1], [3, -1], *([] if allow_empty else [[0, 5]])):
                with pytest.raises(RuntimeError, match=rf"lengths: expected every entry in {1 - allow_empty}\.\.time"):
                    program(x, torch.tensor(wrong))


def test_a_traced_network_takes_other_sizes() -> None:
    network = LSTM(3, 4, batch_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace(network, (torch.randn(2, 5, 3),))
    longer = torch.randn(4, 9, 3)
    assert torch.equal(program(longer)[0], network(longer)[0])


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_a_traced_loop_takes_its_steps_alone(options: dict[str, Any]) -> None:
    network = LSTM(3, 4, batch_first=True, backend="reference", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.jit.trace(network, (torch.randn(2, 5, 3),))
    more = torch.randn(4, 5, 3)
    assert torch.equal(program(more)[0], network(more)[0])
    for time in (4, 6, 1):
        with pytest.raises(RuntimeError, match="input: was traced with 5 time steps through backend=reference"):
            program(torch.randn(2, time, 3))


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


NETWORKS = [(nn.GRU, "gru", {}), (nn.LSTM, "lstm", {}), (nn.LSTM, "lstm", {"proj_size": 2}), (nn.RNN, "rnn", {}),
            (nn.RNN, "rnn", {"nonlinearity": "relu"})]  # fmt: skip


def tensors_of(results: Any) -> list[torch.Tensor]:
    if isinstance(results, PackedSequence):
        return [results.data]
    return [results] if isinstance(results, torch.Tensor) else [t for part in results for t in tensors_of(part)]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("theirs", "kind", "own"), NETWORKS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_autocast_returns_the_dtypes_that_pytorch_returns(
    backend: str, theirs: Any, kind: str, own: dict[str, Any], dtype: torch.dtype
) -> None:
    """Of output, h and c, whatever the dtype of input and state; a packed batch, and lengths in its place, included."""
    if backend == "fused" and own:
        pytest.skip("no such cell")
    if kind == "lstm" and dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("PyTorch's LSTM takes no bfloat16 on a CPU without AVX-512")
    sizes = {"input_size": FEATURES, "hidden_size": WIDTH, "num_layers": 2, "bidirectional": True, **own}
    network, expected, held = RNNBase(kind, backend=backend, **sizes), theirs(**sizes), 0
    expected.load_state_dict(network.state_dict())
    lengths, widths = torch.tensor([5, 2]), (own.get("proj_size", WIDTH), WIDTH)
    for kind_of_x, kind_of_state, packed in itertools.product(
        (torch.float32, dtype), (None, torch.float32, dtype), (False, True)
    ):
        x = inputs().transpose(0, 1).to(kind_of_x)
        h = None if kind_of_state is None else tuple(torch.zeros(4, ROWS, w, dtype=kind_of_state) for w in widths)
        state = h if h is None or kind == "lstm" else h[1]
        batch = pack_padded_sequence(x, lengths) if packed else x
        with torch.autocast("cpu", dtype=dtype), torch.no_grad():
            try:
                right = tensors_of(expected(batch, state))
            except RuntimeError:
                assert dtype == torch.float16  # which oneDNN's LSTM does not take
                continue
            came = [network(batch, state)] + [network(x, state, lengths)] * packed
        for results in came:
            mine = tensors_of(results)
            assert [t.dtype for t in mine] == [t.dtype for t in right]
            torch.testing.assert_close(mine[1:], right[1:], atol=0.03, rtol=0)
            held += 1
    assert held >= 12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_autocast_keeps_the_state_in_float32(kind: str, dtype: torch.dtype) -> None:
    """Only what comes out is rounded: nn.GRU rounds in every step."""
    network = RNNBase(kind, FEATURES, WIDTH, 2, batch_first=True, bidirectional=True)
    x = inputs().to(dtype)
    expected, _ = network(x.float())
    with torch.autocast("cpu", dtype=dtype):
        output, _ = network(x)
    assert torch.equal(output, expected.to(output.dtype))
    output.float().sum().backward()
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
        with pytest.raises(ValueError, match="input: expected a padded tensor with lengths="):
            GRU(3, 4, batch_first=True)(nested)
    padded = torch.nested.to_padded_tensor(nested, 0.0)
    assert GRU(3, 4, batch_first=True)(padded, None, torch.tensor([5, 2]))[0].shape == (2, 5, 4)


def test_a_network_alone_is_no_graph_of_fx() -> None:
    with pytest.raises(ValueError, match="trace the module that calls it instead"):
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
