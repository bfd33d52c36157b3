"""One view of a network puts together what `src.inside` finds."""

from functools import partial

import numpy as np
import pytest
import torch

from src.data.batches import Batch
from src.explaining.measure import affordable, look_inside, reach, relative
from src.figures.gradients import band
from src.inside.gates import read_gates
from src.inside.gradients import loss_gradients
from src.recurrent import GRU, LSTM, StackedRNN
from tests.exporting.tasks import make

MIXED = partial(
    StackedRNN, layers=[{"kind": "gru", "hidden_size": 4}, {"kind": "rnn", "hidden_size": 3}], batch_first=True
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(5, 8, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1]),
                 torch.tensor([8, 8, 6, 8, 2]), torch.arange(5))  # fmt: skip


def test_a_view_has_every_layer_and_its_own_numbers(batch):
    task = make("last", MIXED)
    view = look_inside(task, batch, steps=5, jacobian_sequences=2)
    assert list(view.by_name) == ["layer0", "layer1"]
    assert view.difference < 1e-6
    gru, rnn = view.layers
    update = read_gates(task.network, batch.x, batch.lengths)[0].values["update"]
    np.testing.assert_allclose(gru.kept, np.nanmean(update, axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(gru.horizon, 1 / (1 - np.nanmean(update, axis=(0, 1))), rtol=1e-4)
    assert rnn.kept is rnn.horizon is None
    assert rnn.saturation == {}
    norms = loss_gradients(task, batch)[1].norms["state"]
    np.testing.assert_allclose(rnn.curves["loss"], norms / norms[:, :1])
    assert gru.curves["strongest"].shape == (2, 5)
    assert "strongest" not in look_inside(task, batch, steps=5).layers[0].curves


def test_both_directions_have_a_view(batch):
    view = look_inside(make("last", partial(GRU, hidden_size=4, bidirectional=True, batch_first=True)), batch, 5, 2)
    assert list(view.by_name) == ["layer0", "layer0_backward"]
    assert all(np.isfinite(layer.curves["strongest"]).all() for layer in view.layers)


@pytest.mark.parametrize(("width", "number"), [(16, 8), (64, 8), (128, 4), (300, 1), (2000, 1)])
def test_wide_networks_have_fewer_jacobians(width, number):
    assert affordable(LSTM(1, width)) == number


def test_relative_to_lag_0():
    np.testing.assert_array_equal(relative(np.array([[2.0, 1, 4], [0, 1, 2]])), [[1, 0.5, 2], [np.nan] * 3])


def test_the_reach_is_the_first_lag_below_a_hundredth():
    curve = np.array([[1, 0.5, 0.02, 0.009, 0.5], [1, 0.5, 0.02, 0.009, 0.5], [1, np.nan, np.nan, np.nan, np.nan]])
    assert reach(curve) == 3
    assert reach(curve[:, :3]) == 3
    assert reach(np.full((2, 4), np.nan)) == 0


def test_bands_go_as_far_as_half_of_the_sequences():
    nan = np.nan
    values = np.array([[1, 2, 3, nan], [1, 4, 5, nan], [1, 6, nan, nan], [1, nan, nan, 7]])
    low, middle, high = band(values)
    np.testing.assert_allclose(middle, [1, 4, 4])
    np.testing.assert_allclose(low, [1, 2.4, 3.2])
    np.testing.assert_allclose(high, [1, 5.6, 4.8])
    assert band(np.full((2, 3), nan)).shape == (3, 0)
