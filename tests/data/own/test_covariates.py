"""Columns known ahead and one value a series: what forecasts read of them, and that no target of the future is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from src.config.errors import UserError
from src.data.describe import Description, Features, Horizon
from src.data.own.csv import CSV
from src.data.own.file import File
from src.predict import predict
from src.recurrent import GRU
from src.runs.load import load_run
from src.runs.record import find_runs
from src.tasks.forecasting import Forecasting
from src.train import train
from tests.tasks.tiny import task

LOOKBACK, HORIZON = 10, 4
SIZES, KINDS = {"a": 1.0, "b": 3.0, "c": 8.0}, {"a": "shop", "b": "mall", "c": "shop"}


def table(rows: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pieces = []
    for k, site in enumerate("abc"):
        holiday, heat = (rng.random(rows) < 0.3).astype(int), rng.normal(size=rows)
        values = 10**k * (rng.normal(size=rows) / 10 + 3 * holiday + 5)
        frame = pd.DataFrame({"site": site, "date": pd.date_range("2024-01-01", periods=rows), "y": values})
        pieces.append(frame.assign(heat=heat, holiday=holiday, size=SIZES[site], kind=KINDS[site]))
    return pd.concat(pieces, ignore_index=True)


def built(place: Path, frame: pd.DataFrame, **more: object) -> CSV:
    frame.to_csv(place, index=False)
    options = {"known": "holiday", "static": ["size", "kind"], "target": "y", "group_column": "site"}
    return CSV(path=str(place), lookback=LOOKBACK, horizon=HORIZON, **options | more)


@pytest.fixture
def data(tmp_path: Path) -> CSV:
    return built(tmp_path / "sites.csv", table())


def model(data: CSV, **more: object) -> Forecasting:
    return task(Forecasting, data.description, scale=1, **more).eval()


def test_a_window_has_what_is_known_of_the_rows_it_forecasts_and_the_values_of_its_series(data):
    frame, output = table(), data.description.output
    assert data.roles.features == ["y", "heat", "holiday"]
    assert (output.columns, output.known, data.description.input.size) == ((0,), (2,), 6)
    split = data.splits["test"]
    for row in (0, len(split) - 1):
        batch, series = split[torch.tensor([row])], int(split.series[row])
        own = frame[frame["site"] == "abc"[series]].reset_index(drop=True)
        first = int(split.starts[row]) - 80 * series
        trained = own["holiday"][:56]
        ahead = own["holiday"][first + LOOKBACK : first + LOOKBACK + HORIZON]
        np.testing.assert_allclose(batch.known[0, :, 0], (ahead - trained.mean()) / trained.std(ddof=0), rtol=1e-5)
        sizes = np.array([1, 3, 8])
        static = [(sizes[series] - sizes.mean()) / sizes.std(), float(series == 1), float(series != 1)]
        np.testing.assert_allclose(batch.x[0, :, 3:], np.tile(static, (LOOKBACK, 1)), rtol=1e-5)


def test_a_value_may_be_given_once_a_series(data, tmp_path):
    frame = table()
    again = frame.duplicated("site")
    once = built(tmp_path / "once.csv", frame.assign(size=frame["size"].mask(again), kind=frame["kind"].mask(again)))
    assert once.description == data.description
    assert torch.equal(once.splits["val"].values, data.splits["val"].values)


def test_categories_and_moments_are_those_of_series_that_are_trained_on(tmp_path):
    frame = table().assign(fold=lambda f: f["site"].map({"a": "train", "b": "val", "c": "test"}))
    data = built(tmp_path / "sites.csv", frame, splits="fold")
    assert data.description.input.size == 5, "one category was trained on, mall is none that is known"
    values = data.splits["test"].values[:, 3:].numpy()
    np.testing.assert_allclose(values, np.repeat([[0, 1], [2, 0], [7, 1]], 80, axis=0))
    assert "kind has a category not seen in training: mall" in " ".join(map(str, data.notes.values()))


def test_a_number_that_all_trained_series_share_is_not_divided_by_its_rounding_error(tmp_path):
    data = built(tmp_path / "sites.csv", table().assign(size=0.1))
    data.setup()
    assert float(data.splits["test"].values[:, 3].abs().max()) < 1e-6
    assert data.static is not None
    assert data.static.scale == (1.0, 1.0)


@pytest.mark.parametrize("intervals", [None, "gaussian", "quantiles"])
def test_no_forecast_reads_a_target_or_another_feature_of_the_future(tmp_path, intervals):
    """All that a window forecasts is changed but what is known of it: its forecast stays; of what is known it moves."""
    frame = table()
    data = built(tmp_path / "sites.csv", frame)
    module = model(data, intervals=intervals)
    nn.init.normal_(module.head.weight)
    row = len(data.splits["test"]) - 1
    border = len(frame) - HORIZON
    future = np.arange(len(frame)) >= border

    def says(changed: pd.DataFrame) -> torch.Tensor:
        changed.to_csv(tmp_path / "changed.csv", index=False)
        other = built(tmp_path / "changed.csv", changed)
        _ = other.description
        split = other.splits["test"]
        assert int(split.starts[row]) + LOOKBACK == border
        with torch.no_grad():
            return module.says(split[torch.tensor([row])])

    with torch.no_grad():
        before = module.says(data.splits["test"][torch.tensor([row])])
    noise = np.random.default_rng(1).normal(size=len(frame)) * 1000
    assert torch.equal(says(frame.assign(y=frame["y"] + noise * future, heat=frame["heat"] + noise * future)), before)
    assert not torch.equal(says(frame.assign(holiday=np.where(future, 1 - frame["holiday"], frame["holiday"]))), before)


def test_what_is_fitted_depends_on_no_row_after_the_training_ones(data, tmp_path):
    frame = table()
    later = frame.groupby("site").cumcount() >= 56
    other = built(
        tmp_path / "other.csv", frame.assign(y=frame["y"].mask(later, 7), holiday=frame["holiday"].mask(later, 1))
    )
    assert other.description == data.description
    np.testing.assert_array_equal(other.scaling.mean, data.scaling.mean)
    assert other.static == data.static


def test_the_head_is_one_map_of_state_and_known_values():
    torch.manual_seed(0)
    x = torch.randn(2, LOOKBACK, 2)
    known = torch.randn(2, HORIZON, 1)
    output = Horizon(1, ("y",), (0.0,), (1.0,), HORIZON, (0,), (1.0,), known=(1,))
    module = Forecasting(
        description=Description(Features(2), output, False, False, causal=False),
        network=partial(GRU, hidden_size=5, batch_first=True), optimizer=None, monitor="val/loss",
    ).eval()  # fmt: skip
    nn.init.normal_(module.head.weight)
    level = torch.cat([x[:, -1:, :1], torch.zeros(2, 1, 1)], 2)
    layer = nn.GRU(2, 5, batch_first=True)
    layer.load_state_dict(module.network.state_dict())
    with torch.no_grad():
        hidden = layer(x - level)[0][:, -1]
        expected = torch.cat([hidden, known[..., 0]], 1) @ module.head.weight.T + module.head.bias + x[:, -1, :1]
        torch.testing.assert_close(module.predict_future(x, HORIZON, known)[..., 0], expected, rtol=1e-4, atol=1e-5)


def test_a_forecast_learns_from_what_is_known(tmp_path):
    """The target is 3 on holidays and 0 otherwise, which come by chance: nothing else can say it."""
    errors = {}
    for known in (None, "holiday"):
        data = built(tmp_path / "sites.csv", table(300), known=known, static=None, batch_size=16)
        module = task(Forecasting, data.description, scale=1)
        optimizer = torch.optim.Adam(module.parameters(), 0.01)
        for _ in range(6):
            for batch in data.train_dataloader():
                optimizer.zero_grad()
                module.reduce(module.losses(batch)).backward()
                optimizer.step()
        batch = data.splits["test"][torch.arange(len(data.splits["test"]))]
        with torch.no_grad():
            errors[known] = float((module.eval()(batch) - batch.y).square().mean())
    assert errors["holiday"] < 0.2 * errors[None]


@pytest.fixture
def run(tmp_path: Path, quick: Callable[..., DictConfig]) -> Path:
    table().to_csv(tmp_path / "sites.csv", index=False)
    train(
        quick(
            *("data=csv", f"data.path={tmp_path / 'sites.csv'}", "data.target=y", "data.group_column=site"),
            *(
                "data.known=[holiday]",
                "data.static=[size,kind]",
                f"data.lookback={LOOKBACK}",
                f"data.horizon={HORIZON}",
            ),
        )
    )
    return next(find_runs(tmp_path / "runs"))[0]


def test_predict_reads_what_is_known_from_rows_without_a_target(run, compose, tmp_path):
    frame = table()
    ahead = frame.groupby("site").cumcount(ascending=False) < HORIZON + 2  # more rows than are needed do no harm
    new = frame.assign(y=frame["y"].mask(ahead), heat=frame["heat"].mask(ahead))
    new.to_csv(tmp_path / "new.csv", index=False)
    said = pd.read_csv(predict(compose(f"run={run}", f"data.path={tmp_path / 'new.csv'}", config_name="predict")))
    assert said.columns.tolist() == ["sequence", "step", "time", "y"]
    dates = frame["date"][ahead & (frame["site"] == "a")]
    assert pd.to_datetime(said["time"][:HORIZON]).tolist() == dates[:HORIZON].tolist()
    kept, whole = load_run(run, read_data=False), load_run(run)
    row = int(np.flatnonzero(whole.data.splits["test"].starts == 80 - HORIZON - 2 - LOOKBACK)[0])
    batch = whole.data.splits["test"][torch.tensor([row])]
    read = kept.data.new_data(str(tmp_path / "new.csv")).split[torch.tensor([0])]
    torch.testing.assert_close(read.x, batch.x)
    torch.testing.assert_close(read.known, batch.known)
    with torch.no_grad():
        expected = whole.task(batch)[0, :, 0] * batch.units.scale[0] + batch.units.mean[0]
    np.testing.assert_allclose(said["y"][:HORIZON], expected, rtol=1e-5)


@pytest.mark.parametrize("resample", [None, "1D"])
def test_one_series_reads_ahead_as_it_was_trained(tmp_path, resample):
    frame = table()[:80].drop(columns="site")
    if resample:  # each day in two halves
        halves = frame.assign(date=frame["date"] + pd.Timedelta("12h"), y=frame["y"] + 1)
        frame = pd.concat([frame, halves]).sort_values("date", ignore_index=True)
    data = built(tmp_path / "one.csv", frame, group_column=None, static=None, resample=resample)
    assert data.description.output.series == 1
    batch = data.splits["test"][torch.tensor([len(data.splits["test"]) - 1])]
    last = frame["date"] > frame["date"].max().normalize() - pd.Timedelta(days=HORIZON)
    frame.assign(y=frame["y"].mask(last), heat=frame["heat"].mask(last)).to_csv(tmp_path / "new.csv", index=False)
    new = data.new_data(str(tmp_path / "new.csv"))
    read = new.split[torch.tensor([0])]
    # Of the day in which the last value lies, its second half is not there yet: it is read, and not forecast.
    torch.testing.assert_close(read.x[:, : -1 if resample else None], batch.x[:, : -1 if resample else None])
    torch.testing.assert_close(read.known, batch.known)
    assert new.following(0, 1) == [str(frame["date"].max().normalize() - pd.Timedelta(days=HORIZON - 1))]


def test_rows_that_are_missing_ahead_are_named(run, compose, tmp_path):
    frame = table()
    ask = partial(compose, f"run={run}", f"data.path={tmp_path / 'new.csv'}", config_name="predict")
    frame.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(
        UserError, match=r"a has 0 rows after its last value of y, but a forecast of 4 rows reads holiday"
    ):
        predict(ask())
    ahead = frame.groupby("site").cumcount(ascending=False) < HORIZON
    gone = frame.assign(y=frame["y"].mask(ahead), holiday=frame["holiday"].mask(ahead & (frame.index == 238)))
    gone.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=r"line 240, column holiday: the value is missing"):
        predict(ask())
    frame.drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=r"new\.csv has no column kind, which the run reads"):
        predict(ask())


def test_rows_after_the_last_values_are_left_out_of_training(data, tmp_path):
    frame = table(86)
    ahead = frame.groupby("site").cumcount() >= 80
    shorter = frame[~ahead]
    longer = built(tmp_path / "long.csv", frame.assign(y=frame["y"].mask(ahead), heat=frame["heat"].mask(ahead)))
    assert longer.description == built(tmp_path / "short.csv", shorter).description
    assert "Rows after the last known value were skipped (18)" in " ".join(map(str, longer.notes.values()))


def test_what_makes_no_sense_is_refused(tmp_path):
    frame, place = table(), tmp_path / "sites.csv"
    for changed, options, words in (
        (frame.assign(size=frame["heat"]), {}, r"line 3, column size: .* is a second value in its series"),
        (frame.assign(kind=""), {}, r"line 2, column kind: a column of data\.static needs a value for each series"),
        (frame.assign(holiday="Easter"), {}, r"column holiday: 'Easter' is not a finite number"),
        (frame, {"known": "y"}, r"data\.known=y already has another role"),
        (frame, {"static": "site"}, r"data\.static=site already has another role"),
        (frame, {"known": "holidays"}, r"data\.known=holidays is not a column .* holiday\?"),
        (frame, {"known": "holiday", "features": "holiday", "target": None}, "no numeric column left as input"),
        (frame, {"task": "classification", "target": "kind", "static": None}, "are for forecasting"),
    ):
        with pytest.raises(UserError, match=words):
            _ = built(place, changed, **options).description
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 60, 2)))
    with pytest.raises(UserError, match=r"has arrays, but holiday \(data\.known, data\.static\) needs a table"):
        _ = File(path=str(tmp_path / "x.npz"), known="holiday").description
