"""Forecasting data: scaling on train alone, naive forecasts and MASE's denominator against plain loops."""

import numpy as np
import pytest

from src.config.errors import UserError
from src.data.describe import Horizon
from src.data.series import Scaling, Series, SeriesData, naive_error

LENGTHS = np.array([30, 25])
SPLIT_OF = np.concatenate([np.repeat([0, 1, 2], [15, 7, 8]), np.repeat([0, 1, 2], [12, 6, 7])])


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(55, 3)).cumsum(0) * [1, 10, 0.1] + [5, -3, 100]


def filled(values: np.ndarray, targets=("a", "b", "c"), season=3):
    data = SeriesData(lookback=5, horizon=4)
    description = data.forecasting(Series(values, LENGTHS, SPLIT_OF, ["a", "b", "c"], targets), season)
    return data, description, data.scaling


def test_scaling_knows_the_training_rows_only(values):
    train = values[SPLIT_OF == 0]
    _, description, scaling = filled(values)
    np.testing.assert_allclose(scaling.mean, train.mean(0))
    np.testing.assert_allclose(scaling.scale, np.sqrt(((train - train.mean(0)) ** 2).mean(0)))
    altered = np.where((SPLIT_OF == 0)[:, None], values, values * 7 + 1)
    data, again, _ = filled(altered)
    assert again == description
    rows = data.splits["train"].values[SPLIT_OF == 0].double()
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(rows.std(0, correction=0), 1, atol=1e-6)


def test_a_column_that_never_changes_is_shifted_and_not_divided():
    scaling = Scaling.fit(np.array([[7.0, 1.0], [7.0, 3.0]]))
    assert scaling.scale.tolist() == [1.0, 1.0]
    assert scaling.apply(np.array([[7.0, 3.0]])).tolist() == [[0.0, 1.0]]


def test_the_denominator_of_mase_is_the_naive_one_step_error_on_the_training_rows(values):
    error, begin, steps = naive_error(values, LENGTHS, SPLIT_OF), 0, []
    for length in LENGTHS.tolist():
        for row in range(begin + 1, begin + length):
            if SPLIT_OF[row] == 0 and SPLIT_OF[row - 1] == 0:
                steps.append(abs(values[row] - values[row - 1]))
        begin += length
    assert len(steps) == 14 + 11
    np.testing.assert_allclose(error, np.mean(steps, axis=0))


@pytest.mark.parametrize("targets", [("a", "b", "c"), ("b",), ("c", "a")])
def test_naive_forecasts_are_those_of_a_plain_loop(values, targets):
    data, _, scaling = filled(values, targets)
    columns = ["abc".index(name) for name in targets]
    scaled = (values - scaling.mean) / scaling.scale
    error = naive_error(scaled, LENGTHS, SPLIT_OF)[columns]
    off_by = {name: [] for name in ("naive", "seasonal_naive")}
    for start in data.splits["test"].starts.tolist():
        for ahead in range(4):
            row = start + 5 + ahead
            assert SPLIT_OF[row] == 2
            off_by["naive"].append(scaled[row, columns] - scaled[start + 4, columns])
            off_by["seasonal_naive"].append(scaled[row, columns] - scaled[start + 2 + ahead % 3, columns])
    assert set(data.baselines) == {f"{k}/{m}" for k in off_by for m in ("mse", "mae", "mse_unit", "mae_unit", "mase")}
    for name, off in off_by.items():
        off = np.array(off)
        unit = off * scaling.scale[columns]
        expected = {
            "mse": (off**2).mean(),
            "mae": abs(off).mean(),
            "mse_unit": (unit**2).mean(),
            "mae_unit": abs(unit).mean(),
            "mase": (abs(off) / error).mean(),
        }
        for metric, value in expected.items():
            assert data.baselines[f"{name}/{metric}"] == pytest.approx(value, rel=1e-5)


def test_without_a_season_there_is_no_seasonal_forecast(values):
    assert not any("seasonal" in name for name in filled(values, season=None)[0].baselines)
    assert not any("seasonal" in name for name in filled(values, season=6)[0].baselines), "a season beyond the lookback"


def test_the_description_says_what_a_task_needs(values):
    _, description, scaling = filled(values, ("c", "a"))
    output = description.output
    assert isinstance(output, Horizon)
    assert (output.size, output.steps, output.columns, output.names) == (2, 4, (2, 0), ("c", "a"))
    assert output.scale == tuple(scaling.scale[[2, 0]])
    assert not description.causal
    assert not description.per_step


def test_a_split_without_room_is_refused_with_the_numbers(values):
    series = Series(values, LENGTHS, SPLIT_OF, ["a", "b", "c"], ["a"])
    with pytest.raises(
        UserError, match=r"lookback=14 and data\.horizon=2 need 16 rows in one series, but the longest has 15"
    ):
        SeriesData(lookback=14, horizon=2).forecasting(series, None)
    split_of = np.concatenate([np.repeat([0, 1, 2], [26, 2, 2]), np.repeat([0, 1, 2], [21, 2, 2])])
    series = Series(values, LENGTHS, split_of, ["a", "b", "c"], ["a"])
    with pytest.raises(UserError, match="val split has 4 rows, too short for one forecast"):
        SeriesData(lookback=5, horizon=5).forecasting(series, None)
    with pytest.raises(UserError, match="No row is left to train on"):
        SeriesData(lookback=5, horizon=2).forecasting(Series(values, LENGTHS, SPLIT_OF * 0 + 2, "abc", "a"), 3)
