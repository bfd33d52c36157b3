"""A backtest against plain loops over the file, and against predict on files that end where each forecast begins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

from src.config.errors import UserError
from src.data.windows import WindowSplit
from src.evaluate import evaluate
from src.predict import predict
from src.runs.load import load_run
from src.runs.record import find_runs
from src.train import train
from src.training.backtest import origins

LOOKBACK, HORIZON, SEASON = 14, 4, 7
Compose = Callable[..., DictConfig]


def written(place: Path, **more: float) -> pd.DataFrame:
    """Two series of days, the second a hundred times as large."""
    rng = np.random.default_rng(0)
    pieces = []
    for k, name in enumerate(["a", "b"]):
        rows = 120 - 10 * k
        days = pd.date_range("2024-01-01", periods=rows)
        values = 100**k * (5 + np.sin(np.arange(rows) * 2 * np.pi / SEASON) + 0.3 * rng.normal(size=rows))
        pieces.append(pd.DataFrame({"unique_id": name, "ds": days, "y": values, "heat": rng.normal(size=rows)}))
    frame = pd.concat(pieces, ignore_index=True)
    frame.to_csv(place, index=False)
    return frame


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    place = tmp_path_factory.mktemp("backtest")
    return written(place / "two.csv"), place


@pytest.fixture
def run(frame: tuple[pd.DataFrame, Path], quick: Compose, tmp_path: Path) -> Path:
    cfg = quick(
        *("data=csv", f"data.path={frame[1] / 'two.csv'}", "data.target=y", f"data.lookback={LOOKBACK}"),
        *(f"data.horizon={HORIZON}", "task=forecasting", "task.intervals=gaussian", "task.coverage=[0.5,0.9]"),
    )
    train(cfg)
    return next(find_runs(tmp_path / "runs"))[0]


def test_a_backtest_is_a_plain_loop_and_what_predict_says_of_a_file_that_ends_there(frame, run, compose, tmp_path):
    whole, found = frame[0], evaluate(compose(f"run={run}", "backtest=3", config_name="evaluate"))
    table = pd.read_csv(run / "backtest" / "forecasts.csv", parse_dates=["cutoff", "time"])
    assert len(table) == 2 * 3 * HORIZON
    for name, of_series in whole.groupby("unique_id"):
        of_series = of_series.reset_index(drop=True)
        train_rows = of_series["y"][: round(0.7 * len(of_series))]
        naive_error = train_rows.diff().abs().mean()
        for origin in (1, 2, 3):
            end = len(of_series) - (4 - origin) * HORIZON  # the last origin forecasts the last rows
            lines = table[(table["series"] == name) & (table["origin"] == origin)]
            assert lines["step"].tolist() == [1, 2, 3, 4]
            assert set(lines["cutoff"]) == {of_series["ds"][end - 1]}
            for line, row in zip(lines.itertuples(), range(end, end + HORIZON), strict=True):
                assert line.time == of_series["ds"][row]
                assert line.y == pytest.approx(of_series["y"][row], rel=1e-5)
                assert line.naive == pytest.approx(of_series["y"][end - 1], rel=1e-5)
                assert line.seasonal_naive == pytest.approx(of_series["y"][row - SEASON], rel=1e-5)
                assert line.mase_denominator == pytest.approx(naive_error, rel=1e-5)
    for origin in (1, 2, 3):
        cutoff = {name: len(of) - (4 - origin) * HORIZON for name, of in whole.groupby("unique_id")}
        short = pd.concat([of[: cutoff[name]] for name, of in whole.groupby("unique_id")])
        short.to_csv(tmp_path / "short.csv", index=False)
        out = predict(compose(f"run={run}", f"data.path={tmp_path / 'short.csv'}", config_name="predict"))
        said = pd.read_csv(out)
        here = table[table["origin"] == origin]
        assert said["sequence"].tolist() == here["series"].tolist()
        np.testing.assert_allclose(said["y"], here["forecast"], rtol=1e-5)
        for level in ("50", "90"):
            for end in ("lo", "hi"):
                np.testing.assert_allclose(said[f"y-{end}-{level}"], here[f"forecast-{end}-{level}"], rtol=1e-5)
    errors = pd.read_csv(run / "backtest" / "errors.csv")
    for model in ("forecast", "naive", "seasonal_naive"):
        off = (table[model] - table["y"]).abs()
        for origin in ("1", "2", "3", "all"):
            for step in ("1", "2", "3", "4", "all"):
                chosen = off[
                    ((origin == "all") | (table["origin"].astype(str) == origin))
                    & ((step == "all") | (table["step"].astype(str) == step))
                ]
                line = errors[(errors["origin"] == origin) & (errors["step"] == step) & (errors["model"] == model)]
                assert line["mae"].item() == pytest.approx(chosen.mean(), rel=1e-6)
                assert line["rmse"].item() == pytest.approx(np.sqrt((chosen**2).mean()), rel=1e-6)
                scaled = (chosen / table["mase_denominator"][chosen.index]).mean()
                assert line["mase"].item() == pytest.approx(scaled, rel=1e-6)
                rows = table.loc[chosen.index]
                inside = (rows["forecast-lo-90"] <= rows["y"]) & (rows["y"] <= rows["forecast-hi-90"])
                coverage = line["coverage_90"].item()
                assert coverage == pytest.approx(inside.mean()) if model == "forecast" else np.isnan(coverage)
    assert len(errors) == 3 * 4 * 5
    off = (table["forecast"] - table["y"]).abs()
    assert found["backtest/mae"] == pytest.approx(off.mean(), rel=1e-6)


def test_a_backtest_takes_calibrated_intervals_too(run, compose):
    evaluate(compose(f"run={run}", "backtest=2", "conformal=[0.9]", config_name="evaluate"))
    calibrated = pd.read_csv(run / "backtest" / "forecasts.csv")
    assert [name for name in calibrated if "-lo-" in name] == ["forecast-lo-90"]
    evaluate(compose(f"run={run}", "backtest=2", config_name="evaluate"))
    plain = pd.read_csv(run / "backtest" / "forecasts.csv")
    np.testing.assert_allclose(plain["forecast"], calibrated["forecast"])
    below = plain["forecast-lo-90"] - calibrated["forecast-lo-90"]
    above = calibrated["forecast-hi-90"] - plain["forecast-hi-90"]
    np.testing.assert_allclose(below, above, rtol=1e-3, atol=1e-5)


def test_evaluation_with_intervals_equals_the_record_and_writes_them_by_row_ahead(run, compose):
    record = load_run(run).record
    found = evaluate(compose(f"run={run}", config_name="evaluate"))
    assert found == {name: record.metrics[name] for name in found}
    table = pd.read_csv(run / "intervals.csv")
    assert table["step"].tolist() == ["1", "2", "3", "4", "all"] * 2
    whole = table[table["step"] == "all"].set_index("coverage")
    assert whole.loc[0.9, "measured"] == pytest.approx(found["test/coverage_90"], rel=1e-6)
    assert whole.loc[0.5, "width"] == pytest.approx(found["test/width_50_unit"], rel=1e-5)
    assert whole.loc[0.9, "msis"] == pytest.approx(found["test/msis_90"], rel=1e-5)
    by_series = pd.read_csv(run / "series.csv")
    assert np.average(by_series["coverage_90"], weights=by_series["windows"]) == pytest.approx(
        found["test/coverage_90"]
    )


@pytest.mark.parametrize(("windows", "number", "expected"), [(9, 3, [0, 4, 8]), (6, 3, [1, 3, 5]), (5, 1, [4])])
def test_origins_are_a_horizon_apart_where_there_is_room(windows, number, expected):
    rows = torch.zeros(30, 1)
    split = WindowSplit(rows, rows, torch.arange(windows), lookback=5, horizon=4)
    found, which = origins(split, number)
    assert found.tolist() == expected
    assert which.tolist() == list(range(1, number + 1))


def test_what_cannot_be_is_refused(frame, run, compose):
    with pytest.raises(UserError, match=r"backtest=99 needs a series with 99 windows, but the longest has 1\d"):
        evaluate(compose(f"run={run}", "backtest=99", config_name="evaluate"))
    with pytest.raises(UserError, match="Conformal intervals are calibrated on split=val"):
        evaluate(compose(f"run={run}", "split=val", "conformal=[0.9]", config_name="evaluate"))
    with pytest.raises(UserError, match=r"steps_ahead=5 exceeds data\.horizon=4"):
        predict(compose(f"run={run}", f"data.path={frame[1] / 'two.csv'}", "steps_ahead=5", config_name="predict"))
