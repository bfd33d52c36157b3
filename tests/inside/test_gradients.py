"""Gradients with regard to states against finite differences: stop, change the state a little, go on."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from src.data.batches import Batch
from src.inside.gradients import by_lag, loss_gradients
from src.recurrent import GRU, LSTM
from src.recurrent.state import join_layers, split_layers
from tests.exporting.tasks import make
from tests.inside.networks import FORWARD, NETWORKS

STEP = 1e-5


def task_and_batch(name, network):
    task = make(name, partial(NETWORKS[network], batch_first=True)).double()
    generator = torch.Generator().manual_seed(2)
    lengths = torch.tensor([6, 4])
    x = torch.randn(2, 6, task.encoder.output_size, dtype=torch.float64, generator=generator)
    y = {
        "last": torch.tensor([2, 0]),
        "mean": torch.tensor([2, 0]),
        "music": (torch.rand(2, 6, 4, generator=generator) < 0.5).double(),
        "per step": torch.randint(3, (2, 6), generator=generator),
        "recursive forecast": torch.randn(2, 4, 3, dtype=torch.float64, generator=generator),
    }[name]
    return task, Batch(x, y, torch.tensor([6, 6]) if "forecast" in name else lengths, torch.arange(2))


def loss_of(task, batch, row, output, state):
    """The last loss of a sequence from the output (1, time, features) of the network at all of its steps."""
    if task.description.per_step:
        logits = task.head(output[0, -1])
        target = batch.y[row, output.shape[1] - 1]
        if target.dim():
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        return torch.nn.functional.cross_entropy(logits, target)
    if hasattr(task, "strategy"):
        following = batch.x[row : row + 1, -1:] + task.head(output[:, -1:])
        rows = [following]
        for _ in range(task.horizon - 1):
            output, state = task.network(following, state)
            following = following + task.head(output)
            rows.append(following)
        return (torch.cat(rows, 1)[0] - batch.y[row]).square().sum()
    pooled = output[0, -1] if task.pooling == "last" else output[0].mean(0)
    return torch.nn.functional.cross_entropy(task.head(pooled), batch.y[row])


@torch.no_grad()
def numerically(task, batch, row, which, lag):
    """The norm of the gradient with regard to one state of the last layer, by central differences."""
    network, length = task.network, int(batch.lengths[row])
    x, stop = batch.x[row : row + 1, :length], length - lag
    before, state = network(x[:, :stop])
    layers = split_layers(state, network.layers)
    squares = 0.0
    for unit in range(network.layers[-1].state_sizes[which]):
        losses = []
        for sign in (1, -1):
            changed = [tuple(t.clone() for t in tensors) for tensors in layers]
            changed[-1][which][0, 0, unit] += sign * STEP
            seen = before.clone()
            if which == 0:
                seen[0, -1, unit] += sign * STEP
            if lag:
                after, end = network(x[:, stop:], join_layers(changed, network.layers))
                seen = torch.cat([seen, after], dim=1)
            else:
                end = join_layers(changed, network.layers)
            losses.append(loss_of(task, batch, row, seen, end))
        squares += float((losses[0] - losses[1]) / (2 * STEP)) ** 2
    return squares**0.5


@pytest.mark.parametrize("network", FORWARD)
@pytest.mark.parametrize("name", ["last", "music"])
def test_gradients_are_what_a_small_change_does(name, network):
    task, batch = task_and_batch(name, network)
    found = loss_gradients(task, batch)[-1]
    assert found.layer == task.network.num_layers - 1
    for row, length in enumerate(batch.lengths.tolist()):
        assert np.isfinite(found.norms["state"][row]).sum() == length
        for lag in range(length):
            expected = [numerically(task, batch, row, k, lag) for k in range(len(found.norms) - 1)]
            states = [norms[row, lag] for name, norms in found.norms.items() if name != "state"]
            np.testing.assert_allclose(states, expected, rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(found.norms["state"][row, lag], np.linalg.norm(expected), rtol=1e-5)


@torch.no_grad()
def test_so_they_are_below_the_last_layer():
    task, batch = task_and_batch("last", "mixed")
    (found, _), network = loss_gradients(task, batch), task.network
    lower, upper = LSTM(3, 3, batch_first=True, dtype=torch.float64), GRU(3, 4, batch_first=True, dtype=torch.float64)
    for part, k in ((lower, 0), (upper, 1)):
        for name, parameter in part.named_parameters():
            parameter.copy_(getattr(network, name.replace("l0", f"l{k}")))
    for row, length in enumerate(batch.lengths.tolist()):
        x = batch.x[row : row + 1, :length]
        for lag in range(length):
            squares = 0.0
            for which in range(2):
                for unit in range(3):
                    losses = []
                    for sign in (1, -1):
                        read, state = lower(x[:, : length - lag])
                        state[which][0, 0, unit] += sign * STEP
                        read[0, -1] = state[0][0, 0]
                        rest = [lower(x[:, length - lag :], state)[0]] if lag else []
                        output, _ = upper(torch.cat([read, *rest], dim=1))
                        losses.append(loss_of(task, batch, row, output, None))
                    squares += float((losses[0] - losses[1]) / (2 * STEP)) ** 2
            assert found.norms["state"][row, lag] == pytest.approx(squares**0.5, rel=1e-5)


@pytest.mark.parametrize("name", ["mean", "per step", "recursive forecast"])
def test_so_they_are_for_other_tasks(name):
    task, batch = task_and_batch(name, "lstm with peepholes" if name != "recursive forecast" else "gru")
    (found,) = loss_gradients(task, batch)
    for row, length in enumerate(batch.lengths.tolist()):
        for lag in range(length):
            for k, state in enumerate(list(found.norms)[:-1]):
                expected = numerically(task, batch, row, k, lag)
                assert found.norms[state][row, lag] == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_a_sequence_may_have_a_single_step():
    task, batch = task_and_batch("per step", "gru")
    batch = replace(batch, lengths=torch.tensor([6, 1]))
    (found,) = loss_gradients(task, batch)
    assert found.norms["hidden"][1, 0] == pytest.approx(numerically(task, batch, 1, 0, 0), rel=1e-5)
    assert np.isnan(found.norms["hidden"][1, 1:]).all()


def test_lags_count_from_the_step_read_last():
    values, lengths = torch.tensor([[1.0, 2, 3, 0], [1, 2, 3, 4]]), torch.tensor([3, 4])
    nan = float("nan")
    np.testing.assert_array_equal(by_lag(values, lengths, backward=False), [[3, 2, 1, nan], [4, 3, 2, 1]])
    np.testing.assert_array_equal(by_lag(values, lengths, backward=True), [[1, 2, 3, nan], [1, 2, 3, 4]])


def test_the_network_is_as_it_was():
    task, batch = task_and_batch("last", "gru")
    before = task(batch)
    loss_gradients(task, batch)
    assert all(parameter.grad is None for parameter in task.parameters())
    assert torch.equal(task(batch), before)
