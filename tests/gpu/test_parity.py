"""Every cell and backend on the GPU computes what the readable loop computes on the CPU in float64."""

from __future__ import annotations

import copy
import itertools
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from src.recurrent import GRU, LSTM, RNN, StackedRNN, map_state
from src.recurrent.backends import builtin
from src.recurrent.backends.choose import BACKENDS
from tests.gpu.device import DEVICE, cuda_alone, on_gpu

pytestmark = on_gpu

CELLS: dict[str, tuple[type[StackedRNN], dict[str, Any]]] = {
    "gru": (GRU, {}),
    "gru, one bias": (GRU, {"bias": "single"}),
    "gru, no bias": (GRU, {"bias": False}),
    "gru_cho": (GRU, {"reset_after": False, "bias": "single"}),
    "gru, layer norm": (GRU, {"layer_norm": True}),
    "gru, learned start": (GRU, {"learn_initial_state": True}),
    "gru, zoneout": (GRU, {"zoneout": 0.2}),
    "lstm": (LSTM, {}),
    "lstm, peepholes": (LSTM, {"peepholes": True}),
    "lstm, layer norm": (LSTM, {"layer_norm": True}),
    "rnn": (RNN, {}),
}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stacked": {"num_layers": 2},
    "both ways": {"bidirectional": True},
    "stacked, both ways": {"num_layers": 2, "bidirectional": True},
    "residual": {"num_layers": 2, "residual": True},
}
SIZES = {"small": (5, 13, 3, 8), "music": (8, 40, 88, 46), "wide": (3, 9, 16, 256)}
LENGTHS = {"whole": None, "varied": lambda rows, time: torch.tensor([1 + (7 * k) % time for k in range(rows)])}


@pytest.fixture(autouse=True)
def full_float32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@cuda_alone
@pytest.mark.parametrize("name", ["gru", "lstm", "rnn"])
def test_weights_lie_in_one_block_however_the_network_came_there(name: str) -> None:
    make, _ = CELLS[name]
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    built, moved = make(4, 8, device=DEVICE, **options), make(4, 8, **options).to(DEVICE)
    for network in (built, moved, copy.deepcopy(moved), pickle.loads(pickle.dumps(built))):
        assert builtin.in_one_block(list(network.parameters()))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network(torch.zeros(5, 2, 4, device=DEVICE))[0].sum().backward()


def on_device(make: type[StackedRNN], size: tuple[int, ...], backend: str, **options: Any) -> StackedRNN:
    torch.manual_seed(0)
    try:
        network = make(size[2], size[3], batch_first=True, backend="reference", **options)
    except ValueError as error:
        pytest.skip(str(error))
    network.backend = backend
    network = network.to(DEVICE)
    try:
        network.choices(DEVICE, torch.float32)
    except ValueError as error:
        pytest.skip(str(error))
    return network


def results(network: StackedRNN, x: Tensor, lengths: Tensor | None) -> dict[str, Tensor]:
    """Output, final state and every gradient, by name, on the CPU in float64."""
    x = x.clone().requires_grad_()
    output, state = network(x, lengths=lengths)
    states: list[Tensor] = []
    map_state(states.append, state)
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape).to(output.device)
    loss = (output * weights).sum() + sum(s.square().sum() for s in states)
    names, parameters = zip(*network.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, [x, *parameters])
    found = {"output": output, **{f"state {k}": s for k, s in enumerate(states)}}
    found |= dict(zip(("input", *names), gradients, strict=True))
    return {name: tensor.detach().cpu().double() for name, tensor in found.items()}


def batch_of(size: tuple[int, ...]) -> Tensor:
    return torch.randn(size[:3], generator=torch.Generator().manual_seed(1))


def close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 2e-5) -> None:
    """Within a share of each tensor's largest entry, which is what rounding of sums goes by."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        scale = float(tensor.abs().max().clamp_min(1.0))
        difference = float((found[name] - tensor).abs().max())
        assert difference <= tolerance * scale, f"{name}: {difference:.3g} of {scale:.3g}"


def compared(cell: str, form: str, size: str, lengths: str, backend: str, tolerance: float = 2e-5) -> None:
    make, options = CELLS[cell]
    sizes = SIZES[size]
    network = on_device(make, sizes, backend, **options, **FORMS[form]).eval()
    expected = copy.deepcopy(network).cpu().double()
    expected.backend = "reference"
    x, rows = batch_of(sizes), LENGTHS[lengths]
    given = None if rows is None else rows(*sizes[:2])
    close(results(network, x.to(DEVICE), given), results(expected, x.double(), given), tolerance)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_backend(cell: str, lengths: str, backend: str) -> None:
    compared(cell, "plain", "small", lengths, backend)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm, peepholes"])
def test_every_form_with_lengths(cell: str, form: str, backend: str) -> None:
    compared(cell, form, "small", "varied", backend)


@pytest.mark.parametrize("size", ["music", "wide"])
@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm, peepholes", "gru, layer norm", "rnn"])
def test_sizes_of_use(cell: str, size: str) -> None:
    compared(cell, "plain", size, "varied", "auto", 1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_twice(cell: str) -> None:
    make, options = CELLS[cell]
    network, x = on_device(make, SIZES["music"], "auto", **options).eval(), batch_of(SIZES["music"]).to(DEVICE)
    lengths = LENGTHS["varied"](*SIZES["music"][:2])
    first, second = (results(network, x, lengths) for _ in range(2))
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different


@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm, peepholes", "gru, layer norm", "gru, zoneout"])
def test_bf16_autocast_is_near_float32(cell: str) -> None:
    make, options = CELLS[cell]
    network, x = on_device(make, SIZES["music"], "auto", **options).eval(), batch_of(SIZES["music"]).to(DEVICE)
    expected = results(network, x, None)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        found = results(network, x, None)
    for name, tensor in expected.items():  # gradients are sums of many rounded numbers: their direction is compared
        likeness = float(torch.cosine_similarity(found[name].flatten(), tensor.flatten(), dim=0))
        assert likeness > 0.99, f"{name}: {likeness:.4f}"
    outputs = [name for name in expected if name.startswith(("output", "state"))]
    close({name: found[name] for name in outputs}, {name: expected[name] for name in outputs}, 3e-2)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("form", ["plain", "stacked, both ways"])
def test_cudnn_has_no_warning_and_one_block_of_weights(cell: str, form: str) -> None:
    make, options = CELLS[cell]
    network = copy.deepcopy(on_device(make, SIZES["small"], "torch", **options, **FORMS[form]))
    network.load_state_dict(copy.deepcopy(network.state_dict()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results(network, batch_of(SIZES["small"]).to(DEVICE), LENGTHS["varied"](*SIZES["small"][:2]))
    blocks = {p.untyped_storage().data_ptr() for p in network.parameters()}
    assert len(blocks) == 1 or DEVICE.type == "cpu"


@cuda_alone
@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm, peepholes", "gru, layer norm"])
def test_streams(cell: str) -> None:
    """On a stream of its own a network waits for that stream alone, and two at a time do not disturb each other."""
    make, options = CELLS[cell]
    network, x = on_device(make, SIZES["music"], "auto", **options).eval(), batch_of(SIZES["music"]).to(DEVICE)
    inputs = [x, x.flip(0), x * 0.5]
    expected = [results(network, one, None) for one in inputs]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in inputs]
    outputs: list[list[Tensor]] = [[] for _ in inputs]
    for _, (k, (stream, one)) in itertools.product(range(5), enumerate(zip(streams, inputs, strict=True))):
        with torch.cuda.stream(stream):
            stream.wait_stream(torch.cuda.default_stream())
            torch.cuda._sleep(200_000)  # what does not wait for its own stream would read what is not there yet
            late = torch.empty_like(one).copy_(one)
            outputs[k].append(network(late)[0])
    torch.cuda.synchronize()
    for k, found in enumerate(outputs):
        for output in found:
            close({"output": output.detach().cpu().double()}, {"output": expected[k]["output"]}, 1e-6)


@cuda_alone
@pytest.mark.parametrize("cell", ["gru", "gru_cho", "lstm", "lstm, peepholes"])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_call_waits_for_nothing(cell: str, lengths: str) -> None:
    make, options = CELLS[cell]
    network, x = on_device(make, SIZES["small"], "auto", **options), batch_of(SIZES["small"]).to(DEVICE)
    rows = LENGTHS[lengths]
    given = None if rows is None else rows(*SIZES["small"][:2])

    def step() -> None:
        network(x, lengths=given)[0].sum().backward()

    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
