"""Which backend runs what, and why."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from src.recurrent import GRU, LSTM, RNN, StackedRNN, map_state
from src.recurrent.backends.choose import BACKENDS, choose
from src.recurrent.backends.spec import CallSpec

REFUSED = [
    (GRU, {"reset_after": False}, r"reset gate before the product \(reset_after=False\)"),
    (LSTM, {"peepholes": True}, "peepholes"),
    (RNN, {"layer_norm": True}, "layer_norm"),
    (GRU, {"zoneout": 0.1}, "zoneout"),
    (GRU, {"recurrent_dropout": 0.1}, "recurrent_dropout"),
]


@pytest.mark.parametrize(("make", "options", "reason"), REFUSED)
def test_pytorch_refuses_what_it_does_not_compute(make, options, reason):
    with pytest.raises(
        ValueError,
        match=f"backend=torch: PyTorch's kernels have no .*{reason}.*; use backend=auto",
    ):
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
    layers = [{"kind": "gru", "hidden_size": 4}, {"kind": "lstm", "hidden_size": 4, "zoneout": 0.1}]
    network = StackedRNN(3, layers)
    names = network.resolved_backend("cpu", torch.float64).split("+")
    assert names[-1] == "reference"
    assert len(names) == 2
    with pytest.raises(ValueError, match="zoneout"):
        StackedRNN(3, layers, backend="torch")


def test_auto_asks_the_readable_backend_last():
    assert list(BACKENDS)[-1] == "reference"
    assert list(BACKENDS)[-2] == "triton"


def test_a_backend_asked_for_gives_no_reason():
    assert GRU(3, 4, backend="reference").backend_reason("cpu", torch.float32) is None


def test_print_says_what_a_network_is():
    network = GRU(3, [4, 5], 2, bidirectional=True)
    assert repr(network) == "GRU(3 -> gru 4 -> gru 5, bidirectional=True, backend=auto)"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lengths", [[40, 37, 30, 33], [40, 2, 1, 5]])
@pytest.mark.parametrize("make", [GRU, LSTM, RNN])
def test_much_or_little_padding_is_a_packed_batch(make, lengths, dtype):
    """Little padding is computed and dropped, much of it packed: both give what PyTorch gives for a packed batch."""
    network = make(3, 16, 2, batch_first=True, bidirectional=True, backend="torch", dtype=dtype)
    theirs = getattr(torch.nn, make.__name__)(3, 16, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    theirs.load_state_dict(network.state_dict())
    x = torch.randn(4, 40, 3, dtype=torch.float64)
    lengths = torch.tensor(lengths)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    state = map_state(lambda tensor: torch.randn(tensor.shape, dtype=torch.float64), network.initial_state(4))
    expected, last = theirs(packed, state)
    output, final = network(x.to(dtype), map_state(lambda tensor: tensor.to(dtype), state), lengths)
    losses = []
    for result, end in ((pad_packed_sequence(expected, batch_first=True)[0], last), (output, final)):
        ends = [end] if isinstance(end, torch.Tensor) else end
        losses.append(result.square().sum() + sum(tensor.square().sum() for tensor in ends))
    close = {"atol": 1e-4 if dtype is torch.float32 else 1e-10, "rtol": 1e-4 if dtype is torch.float32 else 0}
    torch.testing.assert_close(output.double(), pad_packed_sequence(expected, batch_first=True)[0], **close)
    torch.testing.assert_close(map_state(torch.Tensor.double, final), last, **close)
    pairs = zip(losses, (theirs, network), strict=True)
    gradients = [torch.autograd.grad(loss, list(net.parameters())) for loss, net in pairs]
    for theirs, ours in zip(*gradients, strict=True):
        torch.testing.assert_close(ours.double(), theirs, **close)


def test_auto_trains_wide_lstms_by_the_fused_kernels_and_leaves_their_inference_to_torch():
    device, dtype = torch.device("cpu"), torch.float32
    cell = LSTM(3, 4).layers[0].cell
    names = {
        (size, inference): choose("auto", cell, CallSpec(size, device, dtype, inference=inference)).name
        for size in (64, 256)
        for inference in (False, True)
    }
    if "fused" not in names.values():
        pytest.skip("no compiler here")
    assert names == {(64, False): "fused", (64, True): "fused", (256, False): "fused", (256, True): "torch"}
