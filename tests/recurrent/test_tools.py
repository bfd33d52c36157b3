"""Every tool of `tools.py` on every cell and backend, in training and evaluation: what nn computes in float64."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.ao.quantization import quantize_dynamic
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import pack_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from src.recurrent import GRU, LSTM, RNN, GRUCell, RNNBase, count_multiply_adds, is_recurrent
from tests.recurrent.test_transformations import BACKENDS, CELLS, build
from tests.recurrent.tools import TOOLS
from tests.recurrent.transformations import Model, backward, inputs

PAIRS = [
    (nn.GRU, GRU, {}), (nn.LSTM, LSTM, {}), (nn.LSTM, LSTM, {"proj_size": 2}), (nn.RNN, RNN, {}),
    (nn.RNN, RNN, {"nonlinearity": "relu"}),
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", TOOLS)
def test_tool(name: str, cell: str) -> None:
    """Where PyTorch has no such cell, the readable loop is the measure."""
    equal = 0
    for training in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            measure = "nn" if CELLS[cell][2] is not None else "reference"
            expected, gradients = TOOLS[name](build(cell, measure, training))
            for backend in BACKENDS:
                try:
                    model = build(cell, backend, training)
                except ValueError:
                    continue
                values, mine = TOOLS[name](model)
                torch.testing.assert_close(values, expected, atol=1e-10, rtol=1e-8)
                assert mine.keys() == gradients.keys()
                for key, gradient in mine.items():
                    torch.testing.assert_close(gradient, gradients[key], atol=1e-10, rtol=1e-8)
                    assert gradient.any(), f"{key} stands still"
                equal += 1
    assert equal >= 4


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize(("theirs", "ours", "own"), PAIRS)
def test_attributes_of_pytorchs_networks(theirs: Any, ours: Any, own: dict[str, Any], options: dict[str, Any]) -> None:
    network, expected = ours(3, 4, **own, **options), theirs(3, 4, **own, **options)
    expected.load_state_dict(network.state_dict())
    names = ("mode", "_all_weights", "_flat_weights_names", "input_size", "hidden_size", "num_layers", "bias")
    for name in (*names, "batch_first", "dropout", "bidirectional", "proj_size", *(["nonlinearity"] if own else [])):
        if hasattr(expected, name):
            assert getattr(network, name) == getattr(expected, name), name
    assert [[w.shape for w in each] for each in network.all_weights] == [
        [w.shape for w in each] for each in expected.all_weights
    ]
    assert all(w is p for w, p in zip(network._flat_weights, network.parameters(), strict=True))
    assert is_recurrent(network)
    network.flatten_parameters()


def test_what_pytorch_has_not_has_no_mode() -> None:
    for network in (
        GRU(3, 4, reset_after=False), GRU(3, 4, update_gate="takes"), GRU(3, 4, bias="single"),
        LSTM(3, 4, peepholes=True), RNN(3, 4, layer_norm=True), GRU(3, 4, 2, residual=True), GRU(3, [4, 5], 2),
    ):  # fmt: skip
        assert network.mode is None
        assert len(network._flat_weights) == len(list(network.parameters()))


def test_weights_are_assigned_by_their_list() -> None:
    network = GRU(3, 4)
    halves = [nn.Parameter(0.5 * w.detach()) for w in network._flat_weights]
    network._flat_weights = halves
    assert network.weight_hh_l0 is halves[1]
    with pytest.raises(TypeError, match="does not support item assignment"):
        network._flat_weights[1] = halves[0]
    with pytest.raises(ValueError, match="zip"):
        network._flat_weights = halves[:1]


class Asked(nn.Module):
    """Counts how often it is asked, as a power iteration or a draw of noise does."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def forward(self, tensor: Tensor) -> Tensor:
        self.times += 1
        return tensor


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1_reverse"])
def test_a_parametrization_is_asked_once_a_call(name: str, backend: str) -> None:
    network, asked = GRU(3, 4, 2, bidirectional=True, backend=backend), Asked()
    parametrize.register_parametrization(network, name, asked)
    asked.times = 0
    network(torch.zeros(5, 2, 3))
    network(torch.zeros(5, 2, 3), network.initial_state(2) if name != "weight_ih_l0" else torch.zeros(4, 2, 4))
    assert asked.times == 2


def test_spectral_norm_trains_to_a_norm_of_one() -> None:
    network = RNN(3, 6)
    parametrizations.spectral_norm(network, "weight_hh_l0")
    for _ in range(50):
        network(torch.zeros(5, 2, 3))
    assert torch.linalg.matrix_norm(network.eval().weight_hh_l0, 2).item() == pytest.approx(1, abs=1e-3)


def test_jit_script_refuses_what_is_computed() -> None:
    model = build("gru", "auto", True)
    parametrize.register_parametrization(model.recurrent, "weight_hh_l0", Asked())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="needs plain parameters, but weight_hh_l0 is computed from one"):
            torch.jit.script(model)


@pytest.mark.parametrize("frozen", ["", "weight_ih", "weight_hh", "bias"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"recurrent_dropout": 0.3}])
@pytest.mark.parametrize(
    "cell",
    [{"kind": "gru"}, {"kind": "gru", "reset_after": False}, {"kind": "lstm", "peepholes": True}, {"kind": "rnn"},
     {"kind": "gru", "layer_norm": True}, {"kind": "lstm", "learn_initial_state": True}],
)  # fmt: skip
def test_operations_are_counted_as_in_the_loop(cell: dict[str, Any], options: dict[str, Any], frozen: str) -> None:
    counted = []
    for backend, x_too in itertools.product(("reference", "fused"), (True, False)):
        network = RNNBase(input_size=3, hidden_size=4, batch_first=True, backend=backend, **cell, **options)
        for name, p in network.named_parameters():
            p.requires_grad_(not (frozen and name.startswith(frozen)))
        with FlopCounterMode(display=False) as counter:
            output, _ = network(torch.randn(2, 5, 3, requires_grad=x_too))
            forward = counter.get_total_flops()
            output.sum().backward()
        assert forward == 2 * 2 * 5 * count_multiply_adds(network) - 2 * 10 * (12 if "peepholes" in cell else 0) * (
            network.num_directions * network.num_layers
        )
        counted.append(counter.get_total_flops())
    assert counted[:2] == counted[2:]


def quantised(model: nn.Module, *asked: Any, **options: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.(ao.)?quant")
        return quantize_dynamic(model, *asked, **options)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.parametrize(("theirs", "ours"), [(nn.GRU, GRU), (nn.LSTM, LSTM)])
def test_quantize_dynamic(theirs: Any, ours: Any, dtype: torch.dtype) -> None:
    """To what it makes of PyTorch's network; with lengths, to the same rows alone."""
    sizes = {"input_size": 8, "hidden_size": 16, "num_layers": 2, "bidirectional": True, "batch_first": True}
    plain, network = nn.ModuleDict({"a": theirs(**sizes)}), nn.ModuleDict({"a": ours(**sizes)})
    network.load_state_dict(plain.state_dict())
    mine, expected = quantised(network, {ours}, dtype=dtype)["a"], quantised(plain, {theirs}, dtype=dtype)["a"]
    x, lengths = torch.randn(3, 5, 8), torch.tensor([2, 5, 3])
    assert torch.equal(mine(x)[0], expected(x)[0])
    output, state = mine(x, None, lengths)
    last = state[0] if ours is LSTM else state
    for row, length in enumerate(lengths.tolist()):
        alone, end = mine(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0], atol=0.02, rtol=0)  # ranges of the batch differ
        torch.testing.assert_close(last[:, row], (end[0] if ours is LSTM else end)[:, 0], atol=0.02, rtol=0)
        assert not output[row, length:].any()
    with pytest.raises(ValueError, match="lengths: a PackedSequence has its own lengths"):
        mine(pack_sequence([x[0]]), None, lengths[1:2])
    assert isinstance(network["a"], ours)


def test_what_stays_in_float_is_said() -> None:
    class Mine(GRU):
        pass

    for module, asked, words in (
        (GRU(3, 4), None, r"GRU stays in float because it is not named; to quantise it: quantize_dynamic\(model, {"),
        (GRU(3, 4), {nn.Linear}, "GRU stays in float because it is not named"),
        (GRUCell(3, 4), {GRUCell}, "GRUCell stays in float: it has no quantised form"),
        (Mine(3, 4), {Mine}, "Mine stays in float: it has no quantised form"),
    ):
        with pytest.warns(UserWarning, match=words):
            left = quantised(nn.ModuleList([module]), asked)[0]
        assert type(left) is type(module)
        assert not hasattr(left, "qconfig")


def test_what_pytorch_cannot_quantise_is_refused() -> None:
    for network, words in (
        (RNN(3, 4), "RNN: PyTorch quantises GRU and LSTM networks with biases and without projections"),
        (GRU(3, 4, bias=False), "GRU: PyTorch quantises GRU and LSTM networks with biases"),
        (LSTM(3, 4, proj_size=2), "LSTM: PyTorch quantises GRU and LSTM networks with biases and without projections"),
        (LSTM(3, 4, peepholes=True), "PyTorch has no equivalent of peepholes"),
    ):
        with pytest.raises(ValueError, match=words):
            quantised(nn.ModuleList([network]), {type(network)})


def test_an_output_is_changed_in_place_under_capture() -> None:
    class Changing(Model):
        def forward(self, x: Tensor) -> Tensor:
            output, _ = self.recurrent(x)
            output.mul_(2)
            return self.head(output)

    made = build("gru", "reference", True).recurrent
    model = Changing(made)
    _, expected = backward(model, model(inputs()))
    made.backend = "fused"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for program in (
            torch.compile(model, backend="aot_eager", fullgraph=True),
            torch.export.export(model, (inputs(),)).module(),
            torch.jit.trace(model, (inputs(),)),
            lambda x: checkpoint(model, x, use_reentrant=False),
        ):
            values = program(inputs())
            owner = program if isinstance(program, nn.Module) else model
            _, gradients = backward(owner, values)
            for name, gradient in gradients.items():
                torch.testing.assert_close(gradient, expected[name.removeprefix("_orig_mod.")], atol=1e-10, rtol=1e-8)


def test_compiled_once_for_all_lengths() -> None:
    """Lengths and time change from batch to batch; nothing is compiled anew for what the lengths hold."""
    torch.compiler.reset()
    model, counted = build("lstm", "fused", True).recurrent, CompileCounterWithBackend("aot_eager")
    program = torch.compile(model, backend=counted, dynamic=True)
    for time, lengths in ((5, [2, 5]), (7, [7, 7]), (4, [1, 3]), (9, [9, 2])):
        x = torch.randn(2, time, 3, dtype=torch.float64)
        for mine, theirs in zip(
            program(x, None, torch.tensor(lengths)), model(x, None, torch.tensor(lengths)), strict=True
        ):
            torch.testing.assert_close(mine, theirs)
    assert counted.frame_count <= 2


def test_without_memory_first() -> None:
    """On the device meta, filled later; and `skip_init`, which draws nothing."""
    values = LSTM(3, 4).state_dict()
    with torch.device("meta"):
        bare = LSTM(3, 4)
    assert bare(torch.zeros(5, 2, 3, device="meta"))[0].shape == (5, 2, 4)
    filled = bare.to_empty(device="cpu")
    filled.load_state_dict(values)
    assert torch.equal(filled.weight_hh_l0, values["weight_hh_l0"])
    filled.reset_parameters()
    assert filled(torch.zeros(5, 2, 3))[0].isfinite().all()
    assert torch.nn.utils.skip_init(RNNBase, "gru", 3, 4).weight_ih_l0.shape == (12, 3)  # refused for nn.GRU and GRU
