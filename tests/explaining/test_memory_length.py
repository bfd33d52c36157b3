"""The share of solved runs against the length, from planted runs on disk."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from statsmodels.stats.proportion import proportion_confint

from src.config.errors import UserError
from src.explain import explain
from src.explaining.memory_length import Attempt, attempts, memory_horizon, shares
from src.figures.memory_horizon import Share, draw_memory
from src.figures.palette import style
from src.runs.result import RunResult


def plant(
    folder: Path, name: str, length: int | None, loss: float | None, model: str = "gru", phase: str | None = "final",
    status: str = "finished", task: str = "src.data.sets.synthetic.Adding",
) -> None:  # fmt: skip
    run = folder / name
    run.mkdir(parents=True)
    data = {"_target_": task} | ({} if length is None else {"length": length})
    OmegaConf.save(OmegaConf.create({"data": data, "model": {"_target_": "src.recurrent.GRU"}}), run / "config.yaml")
    record: dict[str, Any] = {"schema": 1, "seed": 0, "status": status, "baselines": {"one/mse": 0.16, "one/mae": 0.3}}
    record["metrics"] = {} if loss is None else {"test/mse": loss}
    record |= (
        {"part": {"study": "s", "phase": phase, "model": model, "data": "d"}}
        if phase
        else {"choices": {"model": model}}
    )
    (run / "result.json").write_text(json.dumps(record))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    for k, loss in enumerate((0.001, 0.015, 0.02)):
        plant(folder, f"gru{k}", 10, loss)
    plant(folder, "lstm", 10, None, "lstm", status="diverged")
    plant(folder, "outside", 40, 0.001, "lstm", phase=None)
    plant(folder, "trial", 10, 0.001, "lstm", phase="trial")
    plant(folder, "failed", 10, 0.001, "lstm", status="failed")
    plant(folder, "music", None, 0.001)
    return folder


def test_final_runs_with_a_length_are_counted(study: Path) -> None:
    found = sorted(attempts(study, 0.1))
    assert found == [
        Attempt("Adding", "gru", 10, False),
        Attempt("Adding", "gru", 10, True),
        Attempt("Adding", "gru", 10, True),
        Attempt("Adding", "lstm", 10, False),
        Attempt("Adding", "lstm", 40, True),
    ]


def test_the_best_trivial_baseline_is_the_measure() -> None:
    baselines = {"a/nll": 2.0, "b/nll": 1.0, "b/acc": 0.01}
    record = RunResult("id", 0, "finished", baselines=baselines, metrics={"test/nll": 0.15})
    assert record.solved(0.2)
    assert record.solved(0.1) is False
    assert replace(record, status="diverged").solved(0.2) is False
    assert replace(record, baselines={}).solved(0.2) is None
    assert replace(record, status="running").solved(0.2) is None


def test_intervals_are_wilsons() -> None:
    found = shares([Attempt("t", "gru", 5, k < 7) for k in range(10)])["t"]["gru"]
    low, high = proportion_confint(7, 10, method="wilson")
    assert found == [Share(5, 7, 10, pytest.approx(low), pytest.approx(high))]


def test_picture_and_table_say_the_same(study: Path, tmp_path: Path) -> None:
    files = memory_horizon(tmp_path / "out", study, 0.1)
    assert {file.name for file in files} == {f"memory_horizon.{ending}" for ending in ("png", "svg", "csv")}
    with open(tmp_path / "out" / "memory_horizon.csv") as file:
        rows = [(r["model"], int(r["length"]), int(r["solved"]), int(r["runs"])) for r in csv.DictReader(file)]
    assert rows == [("gru", 10, 2, 3), ("lstm", 10, 0, 1), ("lstm", 40, 1, 1)]


def test_every_share_is_a_point_with_its_interval() -> None:
    tasks = {
        "Adding": {"gru": [Share(10, 3, 4, 0.3, 0.95), Share(40, 0, 4, 0, 0.5)], "lstm": [Share(10, 4, 4, 0.5, 1)]}
    }
    figure = draw_memory(tasks, "a test loss below 10 % of the baseline's")
    (axes,) = figure.axes
    gru = axes.containers[0]
    assert gru.lines[0].get_ydata().tolist() == [0.75, 0]
    assert gru.lines[0].get_color() == style("gru").colour
    bars = [segment[:, 1].tolist() for segment in gru.lines[2][0].get_segments()]
    assert bars == [pytest.approx([0.3, 0.95]), pytest.approx([0, 0.5])]
    assert axes.get_xlabel() == "length (steps)"
    assert "share of runs" in axes.get_ylabel()


def test_what_holds_no_such_runs_is_refused(tmp_path: Path, compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match=r"There is no study .*none; that folder has no studies"):
        explain(compose(f"study={tmp_path / 'none'}", config_name="explain"))
    with pytest.raises(UserError, match="has no finished runs on data with a length"):
        explain(compose(f"study={tmp_path}", config_name="explain"))
    with pytest.raises(UserError, match="Give either run, as in"):
        explain(compose(config_name="explain"))
