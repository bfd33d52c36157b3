"""What must hold for any input: of every kind of cell, over both backends."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.recurrent import GRU, LSTM, RNN, RNNBase, StackedRNN, last_valid, map_state, select_rows

CLOSE = {"atol": 1e-12, "rtol": 0}
TIME = 6
KINDS = {
    "gru": lambda **o: GRU(3, 4, **o),
    "gru, torch": lambda **o: GRU(3, 4, **o | {"backend": "auto"}),
    "gru, reset before": lambda **o: GRU(3, 4, reset_after=False, update_gate="takes", **o),
    "lstm, torch": lambda **o: LSTM(3, 4, num_layers=2, **o | {"backend": "auto"}),
    "lstm, peepholes": lambda **o: LSTM(3, 4, peepholes=True, layer_norm=True, **o),
    "lstm, coupled": lambda **o: RNNBase("lstm_coupled", 3, 4, num_layers=2, **o | {"backend": "auto"}),
    "rnn": lambda **o: RNN(3, 4, num_layers=2, **o | {"residual": True}),
    "gru, torch, residual": lambda **o: GRU(3, 4, num_layers=3, **o | {"residual": True, "backend": "auto"}),
    "mixed": lambda **o: StackedRNN(3, [{"kind": "lstm", "hidden_size": 4}, {"kind": "gru", "hidden_size": 2}], **o),
}
kinds = st.sampled_from(sorted(KINDS))
batches = st.lists(st.integers(1, TIME), min_size=1, max_size=4).map(torch.tensor)
seeds = st.integers(0, 999)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def make(kind, seed, **options):
    torch.manual_seed(seed)
    return KINDS[kind](batch_first=True, dtype=torch.float64, backend="reference", **options)


def sequences(rows):
    return torch.randn(rows, TIME, 3, dtype=torch.float64)


@quick
@given(kinds, seeds, batches, st.booleans(), st.sampled_from([0.0, 1e6, float("nan"), float("inf")]))
def test_padding_never_changes_a_valid_output_or_gradient(kind, seed, lengths, bidirectional, filler):
    network = make(kind, seed, bidirectional=bidirectional)
    x = sequences(len(lengths))
    padding = torch.arange(TIME) >= lengths[:, None]
    filled = x.masked_fill(padding[:, :, None], filler)
    output, state = network(x, lengths=lengths)
    other, other_state = network(filled, lengths=lengths)
    assert torch.equal(output, other)
    assert torch.count_nonzero(output[padding]) == 0
    torch.testing.assert_close(state, other_state, **CLOSE)
    gradients = torch.autograd.grad(other.sum(), list(network.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    for row, length in enumerate(lengths.tolist()):
        alone, alone_state = network(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0], **CLOSE)
        torch.testing.assert_close(select_rows(state, torch.tensor([row])), alone_state, **CLOSE)


@quick
@given(kinds, seeds, batches, st.booleans(), st.randoms(use_true_random=False))
def test_permuting_the_batch_permutes_the_output(kind, seed, lengths, bidirectional, random):
    network = make(kind, seed, bidirectional=bidirectional)
    order = list(range(len(lengths)))
    random.shuffle(order)
    order = torch.tensor(order)
    x = sequences(len(lengths))
    output, state = network(x, lengths=lengths)
    permuted, permuted_state = network(x[order], lengths=lengths[order])
    torch.testing.assert_close(permuted, output[order], **CLOSE)
    torch.testing.assert_close(permuted_state, select_rows(state, order), **CLOSE)


@quick
@given(kinds, seeds, st.integers(1, TIME - 1), st.integers(1, 3))
def test_chunks_with_carried_state_equal_the_whole(kind, seed, cut, rows):
    network = make(kind, seed)
    x = sequences(rows)
    whole, last = network(x)
    first, state = network(x[:, :cut])
    second, end = network(x[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, **CLOSE)
    torch.testing.assert_close(end, last, **CLOSE)


@quick
@given(st.sampled_from(["gru", "gru, torch", "gru, reset before", "lstm, peepholes"]), seeds, batches)
def test_reversing_the_input_swaps_the_directions(kind, seed, lengths):
    network = make(kind, seed, bidirectional=True)
    swapped = make(kind, seed, bidirectional=True)
    for name, tensor in network.state_dict().items():
        other = name.removesuffix("_reverse") if "_reverse" in name else f"{name}_reverse"
        swapped.get_parameter(other).data.copy_(tensor)
    x = sequences(len(lengths))
    mirror = x.clone()
    for row, length in enumerate(lengths.tolist()):
        mirror[row, :length] = x[row, :length].flip(0)
    output, state = network(x, lengths=lengths)
    mirrored, mirrored_state = swapped(mirror, lengths=lengths)
    torch.testing.assert_close(mirrored_state, map_state(lambda tensor: tensor.flip(0), state), **CLOSE)
    half = network.output_size // 2
    for row, length in enumerate(lengths.tolist()):
        expected = output[row, :length].flip(0).roll(half, dims=-1)
        torch.testing.assert_close(mirrored[row, :length], expected, **CLOSE)


@quick
@given(kinds, seeds, st.booleans())
def test_recurrent_dropout_and_weight_noise_are_off_in_evaluation(kind, seed, bidirectional):
    noise = {"recurrent_dropout": 0.5, "weight_noise": 0.3, "dropout": 0.5}
    if kind in ("gru", "gru, torch", "gru, reset before", "lstm, peepholes"):
        noise.pop("dropout")
    noisy, plain = make(kind, seed, bidirectional=bidirectional, **noise), make(kind, seed, bidirectional=bidirectional)
    x = sequences(3)
    torch.testing.assert_close(noisy.eval()(x), plain(x), **CLOSE)
    assert not torch.equal(noisy.train()(x)[0], plain(x)[0])
    assert not torch.equal(noisy(x)[0], noisy(x)[0])


@pytest.mark.parametrize("backend", ["reference", "torch"])
@pytest.mark.parametrize("ours", [GRU, LSTM])
def test_last_state_of_a_padded_bidirectional_batch_is_that_of_a_packed_one(ours, backend):
    theirs = getattr(torch.nn, ours.__name__)(3, 4, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    network = ours(3, 4, 2, batch_first=True, bidirectional=True, dtype=torch.float64, backend=backend)
    network.load_state_dict(theirs.state_dict())
    x, lengths = sequences(4), torch.tensor([2, 6, 1, 6])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected = theirs(packed)[1]
    output, state = network(x, lengths=lengths)
    torch.testing.assert_close(state, expected, **CLOSE)
    hidden = expected if ours is GRU else expected[0]
    torch.testing.assert_close(last_valid(output, lengths, 2), torch.cat([hidden[-2], hidden[-1]], dim=-1), **CLOSE)
    whole, state = network(x)
    hidden = state if ours is GRU else state[0]
    torch.testing.assert_close(last_valid(whole, None, 2), torch.cat([hidden[-2], hidden[-1]], dim=-1), **CLOSE)
