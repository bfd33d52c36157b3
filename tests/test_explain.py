"""The command on trained runs: pictures and numbers, which are the networks' own; mistakes in one sentence."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

from src.config.errors import UserError
from src.explain import explain
from src.explaining.forecasts import whence
from src.recurrent import trace_gates
from src.runs.load import load_run
from src.runs.record import read_record
from src.tasks.build import build
from src.train import train

Compose = Callable[..., DictConfig]
ROOT = Path(__file__).resolve().parent.parent
SMALL = ("shown=6", "sequences=4", "steps=8", "jacobians=2")


def trained(quick: Compose, run: Path, *overrides: str) -> Path:
    train(quick("trainer.max_epochs=1", f"paths.run_dir={run}", *overrides))
    return run


@pytest.fixture
def runs(quick: Compose, tmp_path: Path) -> list[Path]:
    return [
        trained(quick, tmp_path / "runs" / "one", "model.hidden_size=6"),
        trained(quick, tmp_path / "runs" / "two", "model=lstm_bi", "model.hidden_size=5"),
    ]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_two_runs_side_by_side(runs: list[Path], compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    asked = (f"run=[{runs[0]},{runs[1]}]", f"output={out}", "sequence=3", *SMALL)
    files = explain(compose(*asked, config_name="explain"))
    pictures = {"gates_layer0", "gates_layer0_backward", "gradients_layer0", "gradients_layer0_backward", "saturation",
                "horizons"}  # fmt: skip
    assert {file.name for file in files} == {
        *(f"{name}.{ending}" for name in pictures for ending in ("png", "svg")),
        "gates-gru.npz", "gates-lstm.npz", "units.csv", "gradients.csv",
    }  # fmt: skip
    assert all(file.stat().st_size for file in files)

    run = load_run(runs[0])
    batch = run.data.splits["test"][torch.tensor([3])]
    with np.load(out / "gates-gru.npz") as found:
        (trace,) = trace_gates(run.task.network, batch.x)[0]
        assert set(found) == {f"layer0/{name}" for name in trace}
        np.testing.assert_allclose(found["layer0/update"], trace["update"][0, :6].detach())

    units = rows(out / "units.csv")
    assert len(units) == 2 * 6 + 2 * 2 * 5
    four = run.data.splits["test"][torch.arange(3, 7)]
    for when, task in (("trained", run.task), ("at initialisation", build(run.config)[1].eval())):
        trace = trace_gates(task.network, four.x, lengths=four.lengths)[0][0]["update"].detach()
        kept = trace.sum((0, 1)) / four.lengths.sum()
        said = [float(row["kept"]) for row in units if row["run"] == "gru" and row["when"] == when]
        np.testing.assert_allclose(said, kept, rtol=1e-5)
    assert {row["quantity"] for row in rows(out / "gradients.csv")} == {"loss", "strongest", "typical", "largest"}
    said_on_screen = capsys.readouterr().out
    assert "The recomputed states differ" in said_on_screen


def test_a_forecast_is_shown_with_its_error_by_distance(quick: Compose, compose: Compose, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pd.DataFrame({"load": rng.normal(size=150).cumsum(), "oil": rng.normal(size=150)}).to_csv(
        tmp_path / "x.csv", index=False
    )
    data = ("data=csv", f"data.path={tmp_path / 'x.csv'}", "data.lookback=8", "data.horizon=3", "model.hidden_size=4")
    run = trained(quick, tmp_path / "runs" / "f", *data)
    files = explain(compose(f"run={run}", *SMALL, config_name="explain"))
    assert {"forecast.png", "forecast_error.svg", "forecast.csv"} <= {file.name for file in files}
    assert all(file.parent == run / "inside" for file in files)
    errors = rows(run / "inside" / "forecast_error.csv")
    record = read_record(run)
    assert record is not None
    for name, metric in (("mse", "test/mse"), ("mae", "test/mae")):
        said = [float(row[name]) for row in errors if row["run"] != "naive (last row repeated)"]
        assert np.mean(said) == pytest.approx(record.metrics[metric], rel=1e-5)
        naive = [float(row[name]) for row in errors if row["run"] == "naive (last row repeated)"]
        assert np.mean(naive) == pytest.approx(record.baselines[f"naive/{name}"], rel=1e-5)
    values = {(r["run"], r["target"], int(r["step"])): float(r["value"]) for r in rows(run / "inside" / "forecast.csv")}
    data = load_run(run).data
    window = data.splits["test"][torch.tensor([0])]
    truth = window.y[0].double().numpy() * data.scaling.scale + data.scaling.mean
    np.testing.assert_allclose([values["truth", "oil", step] for step in (1, 2, 3)], truth[:, 1], rtol=1e-4)


def test_a_forecast_is_shown_with_its_intervals_in_the_unit_of_its_series(
    quick: Compose, compose: Compose, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    pieces = [pd.DataFrame({"id": k, "load": 100.0**k * rng.normal(size=90).cumsum()}) for k in range(2)]
    pd.concat(pieces).to_csv(tmp_path / "x.csv", index=False)
    data = ("data=csv", f"data.path={tmp_path / 'x.csv'}", "data.lookback=8", "data.horizon=3", "model.hidden_size=4")
    more = ("task=forecasting", "task.intervals=quantiles", "task.coverage=[0.6]", "data.group_column=id")
    run = trained(quick, tmp_path / "runs" / "f", *data, *more)
    loaded = load_run(run)
    sequence = len(loaded.data.splits["test"]) - 1
    explain(compose(f"run={run}", *SMALL, f"sequence={sequence}", config_name="explain"))
    said = {(r["run"], int(r["step"])): float(r["value"]) for r in rows(run / "inside" / "forecast.csv")}
    batch = loaded.data.splits["test"][torch.tensor([sequence])]
    with torch.no_grad():
        quantiles = loaded.task.says(batch)[0, :, 0].double() * batch.units.scale[0] + batch.units.mean[0]
    for k, name in enumerate(("gru-lo-60", "gru", "gru-hi-60")):
        np.testing.assert_allclose([said[name, step] for step in (1, 2, 3)], quantiles[:, k], rtol=1e-5)


def test_a_window_has_its_series_name_and_its_time_stamps() -> None:
    data: Any = SimpleNamespace(
        lookback=4,
        horizon=2,
        series_names=("Ada", "Bo"),
        origins=lambda split: {"item": np.array([3, 12]), "series": np.array([0, 1])},
    )
    assert whence(data, "test", 1) == ((), "Bo")
    data.times = pd.Series(pd.date_range("2024-01-30", periods=20))
    assert whence(data, "test", 0)[0] == tuple(f"2024-02-{day:02}" for day in range(2, 8))
    data.series_names = ()
    assert whence(data, "test", 0)[1] == ""
    data.origins = lambda split: {"item": np.array(["a", "b"])}
    assert whence(data, "test", 0) == ((), "")


def test_runs_of_one_model_are_told_apart(quick: Compose, compose: Compose, tmp_path: Path) -> None:
    pair = [trained(quick, tmp_path / "runs" / n, f"seed={n}", "model.hidden_size=4") for n in ("0", "1")]
    files = explain(compose(f"run=[{pair[0]},{pair[1]}]", *SMALL, "jacobians=0", config_name="explain"))
    assert [file.name for file in files if file.suffix == ".npz"] == ["gates-gru-seed-0.npz", "gates-gru-seed-1.npz"]


def test_what_is_not_there_is_said(runs: list[Path], quick: Compose, compose: Compose) -> None:
    def refused(words: str, *overrides: str) -> None:
        with pytest.raises(UserError, match=words):
            explain(compose(*overrides, config_name="explain"))

    refused("sequence must be from 0 to 369 in the test split of this run, got 1000", f"run={runs[0]}", "sequence=1000")
    refused("split must be one of train, val, test, got exam", f"run={runs[0]}", "split=exam")
    refused("Give either run, as in", "run=[]")
    refused("Give either run, as in", f"run={runs[0]}", "study=mine")
    refused(
        r"output must be a folder, got the file .*README\.md", f"run={runs[0]}", f"output={ROOT / 'README.md'}", *SMALL
    )
    other = trained(quick, runs[0].parent / "other", "data.name=BasicMotions", "model.hidden_size=4")
    refused(r"the same data, but .* read data\.name=JapaneseVowels and .* data\.name=Basic", f"run=[{runs[0]},{other}]")
    refused("is given twice", f"run=[{runs[0]},{runs[0]}]")
    refused("it must be the directory of a run", f"run=[{runs[0]},{runs[0].parent}]")
    (runs[1] / "checkpoints" / "best.ckpt").unlink()
    refused(r"There is no checkpoint .*best\.ckpt", f"run=[{runs[0]},{runs[1]}]")
