"""Forecasting data: scaling on train alone, naive forecasts and MASE's denominator against plain loops."""

import numpy as np
import pandas as pd
import pytest
import torch

from src.config.errors import UserError
from src.data.describe import Horizon
from src.data.naive import naive_error
from src.data.scaling import Scaling
from src.data.series import SeriesData
from src.data.windows import Series

LENGTHS = np.array([30, 25])
SPLIT_OF = np.concatenate([np.repeat([0, 1, 2], [15, 7, 8]), np.repeat([0, 1, 2], [12, 6, 7])])


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(55, 3)).cumsum(0) * [1, 10, 0.1] + [5, -3, 100]


def filled(values: np.ndarray, targets=("a", "b", "c"), season=3, **keywords):
    data = SeriesData(lookback=5, horizon=4, **keywords)
    series = Series(values, LENGTHS, SPLIT_OF, ["a", "b", "c"], targets, ["long", "short"])
    description = data.forecasting(series, season)
    return data, description, data.scaling


def test_each_series_is_standardised_by_its_own_training_rows(values):
    data, description, scaling = filled(values)
    for k, rows in enumerate((slice(0, 30), slice(30, 55))):
        train = values[rows][SPLIT_OF[rows] == 0]
        np.testing.assert_allclose(scaling.mean[k], train.mean(0))
        np.testing.assert_allclose(scaling.scale[k], np.sqrt(((train - train.mean(0)) ** 2).mean(0)))
        np.testing.assert_allclose(
            data.splits["train"].values[rows], (values[rows] - train.mean(0)) / train.std(0), rtol=1e-5, atol=1e-5
        )
    altered = np.where((SPLIT_OF == 0)[:, None], values, values * 7 + 1)
    assert filled(altered)[1] == description, "what is learned depends on training rows alone"
    assert "own training rows" in data.notes["scale"]


def test_all_series_can_be_standardised_alike_or_not_at_all(values):
    train = values[SPLIT_OF == 0]
    data, description, scaling = filled(values, scale="file")
    np.testing.assert_allclose(scaling.mean, train.mean(0))
    np.testing.assert_allclose(scaling.scale, train.std(0))
    assert description.output.scale == tuple(scaling.scale)
    rows = data.splits["train"].values[SPLIT_OF == 0].double()
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(rows.std(0, correction=0), 1, atol=1e-6)
    np.testing.assert_allclose(filled(values, scale="none")[0].splits["val"].values, values, rtol=1e-6)


def test_the_checksum_knows_of_the_scaling(values):
    """Before series were standardised by themselves, the same config gave other numbers: those are other runs."""
    assert filled(values)[0].checksum != filled(values, scale="file")[0].checksum == SeriesData().checksum


@pytest.mark.parametrize(("factor", "warned"), [(5, False), (50, True)])
def test_a_scale_for_all_is_warned_of_where_series_differ_tenfold(values, caplog, factor, warned):
    values[:30] *= factor * np.abs(values[30:]).mean(0) / np.abs(values[:30]).mean(0)
    data, *_ = filled(values, scale="file")
    assert ("differ more than tenfold" in str(data.notes.get("scale"))) == warned
    assert ("in long" in caplog.text) == warned
    assert "tenfold" not in str(filled(values)[0].notes["scale"])


def test_a_series_without_training_rows_is_standardised_by_what_its_first_forecast_reads(values):
    split_of = np.where(np.arange(55) < 30, SPLIT_OF, 2)
    data = SeriesData(lookback=5, horizon=4)
    data.forecasting(Series(values, LENGTHS, split_of, ["a", "b", "c"], ["a"], ["old", "new"]), None)
    np.testing.assert_allclose(data.scaling.mean[1], values[30:35].mean(0))
    np.testing.assert_allclose(data.scaling.scale[1], values[30:35].std(0))


def test_a_new_file_keeps_the_scaling_of_the_series_it_knows(values):
    data, description, scaling = filled(values, ("c", "a"))
    split = data.last_rows(["short", "else"], values[10:40], np.array([14, 16]), np.array([0, 1]), description.output)
    batch = split[torch.tensor([0, 1])]
    np.testing.assert_allclose(batch.x[0], (values[19:24] - scaling.mean[1]) / scaling.scale[1], rtol=1e-5, atol=1e-5)
    own = values[24:40]
    np.testing.assert_allclose(batch.x[1], (own[-5:] - own.mean(0)) / own.std(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(batch.units.mean, [scaling.mean[1][[2, 0]], own.mean(0)[[2, 0]]], rtol=1e-6)
    np.testing.assert_allclose(batch.units.scale, [scaling.scale[1][[2, 0]], own.std(0)[[2, 0]]], rtol=1e-6)


def test_a_column_that_never_changes_is_shifted_and_not_divided():
    scaling = Scaling.fit(np.array([[7.0, 1.0], [7.0, 3.0]]))
    assert scaling.scale.tolist() == [1.0, 1.0]
    assert scaling.apply(np.array([[7.0, 3.0]])).tolist() == [[0.0, 1.0]]


def test_the_denominator_of_mase_is_the_naive_one_step_error_on_the_training_rows_of_a_series(values):
    error, begin = naive_error(values, LENGTHS, SPLIT_OF), 0
    for k, length in enumerate(LENGTHS.tolist()):
        steps = [
            abs(values[row] - values[row - 1])
            for row in range(begin + 1, begin + length)
            if SPLIT_OF[row] == 0 and SPLIT_OF[row - 1] == 0
        ]
        assert len(steps) == (14, 11)[k]
        np.testing.assert_allclose(error[k], np.mean(steps, axis=0))
        begin += length


@pytest.mark.parametrize("scale", ["series", "file"])
@pytest.mark.parametrize("targets", [("a", "b", "c"), ("b",), ("c", "a")])
def test_naive_forecasts_are_those_of_a_plain_loop(values, targets, scale):
    values[30:] *= 100
    data, _, scaling = filled(values, targets, season=np.array([3, 2]), scale=scale)
    columns = ["abc".index(name) for name in targets]
    found: dict[str, list[dict[str, float]]] = {}
    for k, (begin, end, season) in enumerate(((0, 30, 3), (30, 55, 2))):
        mean, deviation = scaling.of(k).mean, scaling.of(k).scale
        own, parts = (values[begin:end] - mean) / deviation, SPLIT_OF[begin:end]
        error = np.abs(np.diff(own[parts == 0], axis=0)).mean(0)[columns]
        for first in range(end - begin - 4 - 5 + 1):
            rows = np.arange(first + 5, first + 9)
            if not (parts[rows] == 2).all():
                continue
            last = {"naive": np.full(4, first + 4), "seasonal_naive": first + 5 - season + np.arange(4) % season}
            for name, read in last.items():
                off = own[rows][:, columns] - own[read][:, columns]
                unit = off * deviation[columns]
                figures = {"mse": (off**2).mean(), "mae": abs(off).mean(), "mase": (abs(off) / error).mean()}
                figures |= {"mse_unit": (unit**2).mean(), "mae_unit": abs(unit).mean(), "series": k}
                found.setdefault(name, []).append(figures)
    expected = {}
    for name, of_windows in found.items():
        table = pd.DataFrame(of_windows)
        assert table["series"].value_counts().tolist() == [5, 4]
        expected |= {f"{name}/{metric}": value for metric, value in table.drop(columns="series").mean().items()}
        over = table.groupby("series").mean().mean()
        expected |= {f"{name}/{metric}_series": over[metric] for metric in ("mse", "mae", "mase")}
    rel = 1e-4 if scale == "series" else 1e-3  # in float32, where the short series is scaled by the long one
    assert data.baselines == pytest.approx(expected, rel=rel)
    assert data.baselines["naive/mae"] != pytest.approx(data.baselines["naive/mae_series"], rel=1e-3)


def test_a_series_without_a_season_repeats_its_last_row_in_the_seasonal_forecast(values):
    some, both = (filled(values, season=np.array(season))[0].baselines for season in ((3, 0), (3, 9)))
    assert some == both, "a season longer than what is read is none"
    assert some["seasonal_naive/mae"] != some["naive/mae"]


def test_a_series_whose_naive_error_is_not_known_is_in_no_mase(values):
    values[30:] = 5.0
    data, *_ = filled(values)
    alone = SeriesData(lookback=5, horizon=4)
    alone.forecasting(Series(values[:30], LENGTHS[:1], SPLIT_OF[:30], ["a", "b", "c"], ["a", "b", "c"]), 3)
    for metric in ("naive/mase", "naive/mase_series"):
        assert data.baselines[metric] == pytest.approx(alone.baselines["naive/mase"], rel=1e-6)
    assert data.baselines["naive/mae_series"] == pytest.approx(alone.baselines["naive/mae"] / 2, rel=1e-6)


def test_without_a_season_there_is_no_seasonal_forecast(values):
    assert not any("seasonal" in name for name in filled(values, season=None)[0].baselines)
    assert not any("seasonal" in name for name in filled(values, season=6)[0].baselines), "a season beyond the lookback"


def test_the_description_says_what_a_task_needs(values):
    data, description, scaling = filled(values, ("c", "a"))
    output = description.output
    assert isinstance(output, Horizon)
    assert (output.size, output.steps, output.columns, output.names) == (2, 4, (2, 0), ("c", "a"))
    assert (output.scale, output.series) == ((), 2), "each batch says those of its series"
    batch = data.splits["test"][torch.tensor([0, 8])]
    np.testing.assert_allclose(batch.units.scale, scaling.scale[:, [2, 0]], rtol=1e-6)
    np.testing.assert_allclose(batch.units.share, [[1 / 5], [1 / 4]], rtol=1e-6)
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
    with pytest.raises(UserError, match=r"val split has 2 rows in one series, .*: set data\.horizon to 2 or less"):
        SeriesData(lookback=5, horizon=5).forecasting(series, None)
    with pytest.raises(UserError, match="There are no training rows"):
        SeriesData(lookback=5, horizon=2).forecasting(Series(values, LENGTHS, SPLIT_OF * 0 + 2, "abc", "a"), 3)
