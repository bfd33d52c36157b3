"""Forward and every gradient against nn.GRU, nn.LSTM and nn.RNN in float64."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from src.recurrent import GRU, LSTM, RNN, map_state

PYTORCH = {GRU: nn.GRU, LSTM: nn.LSTM, RNN: nn.RNN}
OPTIONS = [(GRU, {}), (LSTM, {}), (LSTM, {"proj_size": 2}), (RNN, {}), (RNN, {"nonlinearity": "relu"})]
CLOSE = {"atol": 1e-10, "rtol": 0}
LENGTHS = torch.tensor([3, 6, 1, 4])
BOTH = (False, True)


def pair(ours, bias=True, **options):
    backend = options.pop("backend", "auto")
    theirs = PYTORCH[ours](3, 5, bias=bias, dtype=torch.float64, **options)
    network = ours(3, 5, bias=bias, dtype=torch.float64, backend=backend, **options)
    network.load_state_dict(theirs.state_dict())
    return network, theirs


def results(network, x, state, form):
    """Output, final state and the gradients of a random function of both for the input, the state and all weights."""
    x = x.clone().requires_grad_()
    state = map_state(lambda tensor: tensor.clone().requires_grad_(), state)
    if form == "packed":
        output, final = network(pack_padded_sequence(x, LENGTHS, network.batch_first, enforce_sorted=False), state)
        output = output.data
    elif form == "lengths":
        output, final = network(x, state, lengths=LENGTHS)
    else:
        output, final = network(x, state)
    tensors = [output, *([final] if isinstance(final, torch.Tensor) else final)]
    states = [] if state is None else [state] if isinstance(state, torch.Tensor) else list(state)
    if form == "lengths":
        output = output if network.batch_first else output.transpose(0, 1)
        tensors[0] = pack_padded_sequence(output, LENGTHS, True, enforce_sorted=False).data
    torch.manual_seed(1)
    loss = sum((tensor * torch.randn(tensor.shape, dtype=tensor.dtype)).sum() for tensor in tensors)
    return [*tensors, *torch.autograd.grad(loss, [x, *states, *network.parameters()])]


@pytest.mark.parametrize("backend", ["reference", "torch"])
@pytest.mark.parametrize("form", ["whole", "packed", "lengths"])
@pytest.mark.parametrize("bidirectional", BOTH)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize(("ours", "own"), OPTIONS)
def test_forward_and_gradients(ours, own, num_layers, bidirectional, form, backend):
    for with_state, bias, batch_first in itertools.product(BOTH, repeat=3):
        options = {"num_layers": num_layers, "bidirectional": bidirectional, "batch_first": batch_first} | own
        network, theirs = pair(ours, bias, backend=backend, **options)
        x = torch.randn((4, 6, 3) if batch_first else (6, 4, 3), dtype=torch.float64)
        state = map_state(torch.randn_like, network.initial_state(4)) if with_state else None
        expected = results(theirs, x, state, "packed" if form == "lengths" else form)
        for ours_, theirs_ in zip(results(network, x, state, form), expected, strict=True):
            torch.testing.assert_close(ours_, theirs_, **CLOSE)


@pytest.mark.parametrize(("ours", "own"), OPTIONS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_initialises_exactly_like_pytorchs(ours, own, options):
    torch.manual_seed(3)
    theirs = PYTORCH[ours](4, 7, **options, **own).state_dict()
    torch.manual_seed(3)
    network = ours(4, 7, **options, **own).state_dict()
    assert list(network) == list(theirs)
    assert all(torch.equal(network[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("ours", PYTORCH)
def test_positional_arguments_stand_in_pytorchs_order(ours):
    arguments = (3, 5, 2, "tanh", False, True, 0.25, True) if ours is RNN else (3, 5, 2, False, True, 0.25, True)
    network, theirs = ours(*arguments), PYTORCH[ours](*arguments)
    for name in ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(network, name) == getattr(theirs, name)
    network.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(network.state_dict())


@pytest.mark.parametrize("ours", PYTORCH)
@pytest.mark.parametrize("backend", ["reference", "torch"])
@pytest.mark.parametrize("batch_first", BOTH)
def test_unbatched_input(ours, backend, batch_first):
    network, theirs = pair(ours, num_layers=2, bidirectional=True, backend=backend, batch_first=batch_first)
    x = torch.randn(6, 3, dtype=torch.float64)
    state = map_state(lambda tensor: torch.randn_like(tensor)[:, 0], network.initial_state(1))
    for given in (None, state):
        torch.testing.assert_close(network(x, given), theirs(x, given), **CLOSE)


@pytest.mark.parametrize("enforce_sorted", BOTH)
def test_packed_batches_keep_their_packing(enforce_sorted):
    network, theirs = pair(GRU, batch_first=True)
    lengths = torch.tensor([6, 4, 4, 1]) if enforce_sorted else LENGTHS
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted)
    output, expected = network(packed)[0], theirs(packed)[0]
    assert isinstance(output, PackedSequence)
    for ours_, theirs_ in zip(output, expected, strict=True):
        assert (ours_ is None and theirs_ is None) or torch.allclose(ours_, theirs_, **CLOSE)


@pytest.mark.parametrize("backend", ["auto", "fused", "torch", "reference"])
@pytest.mark.parametrize(("ours", "own"), OPTIONS)
def test_dropout_between_layers_draws_what_pytorch_draws(ours, own, backend):
    """Under one seed: values and every gradient; with lengths, what nn draws for the packed batch."""
    if backend == "fused" and own:
        pytest.skip("no such cell")
    for bidirectional, batch_first, form in itertools.product(BOTH, BOTH, ("whole", "packed", "lengths")):
        options = {"bidirectional": bidirectional, "batch_first": batch_first, **own}
        network, theirs = pair(ours, num_layers=3, dropout=0.5, backend=backend, **options)
        x = torch.randn((4, 6, 3) if batch_first else (6, 4, 3), dtype=torch.float64)
        torch.manual_seed(5)
        mine = results(network, x, None, form)
        torch.manual_seed(5)
        expected = results(theirs, x, None, "packed" if form == "lengths" else form)
        torch.testing.assert_close(mine, expected, atol=1e-12, rtol=0)
        assert not torch.equal(network(x)[0], network(x)[0])


@pytest.mark.parametrize("ours", PYTORCH)
def test_dropout_without_a_second_layer_warns_like_pytorch(ours):
    with pytest.warns(UserWarning, match="num_layers=1"):
        ours(3, 5, dropout=0.5)


@pytest.mark.parametrize("ours", PYTORCH)
def test_torch_backend_trains_to_pytorchs_weights(ours):
    network, theirs = pair(ours, num_layers=2, batch_first=True)
    x, target = torch.randn(4, 6, 3, dtype=torch.float64), torch.randn(4, 6, 5, dtype=torch.float64)
    for module in (network, theirs):
        optimizer = torch.optim.Adam(module.parameters(), 1e-2)
        for _ in range(5):
            optimizer.zero_grad()
            (module(x)[0] - target).square().mean().backward()
            optimizer.step()
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, **CLOSE)
