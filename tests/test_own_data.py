"""Files of one's own: what docs/own_data.md and docs/file_formats.md say of series, splits, seeds and names."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.summary import Summary
from src.predict import predict
from src.runs.load import load_run
from src.runs.record import read_record, read_sequences
from src.runs.result import RunResult
from src.train import train

Compose = Callable[..., DictConfig]
QUICK = ["trainer.max_epochs=1", "model.hidden_size=8", "logger=csv", "trainer.enable_progress_bar=false"]


def test_a_small_series_beside_a_large_one_is_forecast_as_well_as_alone(compose: Compose, tmp_path, monkeypatch):
    """Two series, at 10,000 and at 1.3: each is scaled by itself, measured by itself and forecast in its own unit."""
    monkeypatch.chdir(tmp_path)
    rng, days = np.random.default_rng(3), np.arange(400)
    frame = pd.DataFrame({"date": pd.date_range("2023-01-01", periods=400)})
    small = frame.assign(sold=1.3 + 0.2 * np.cos(2 * np.pi * days / 7) + rng.normal(0, 0.03, 400), item="small")
    large = frame.assign(sold=1e4 + 800 * np.sin(2 * np.pi * days / 7) + rng.normal(0, 150, 400), item="large")
    pd.concat([large, small]).to_csv("two.csv", index=False)
    small.drop(columns="item").to_csv("one.csv", index=False)
    options = ["data=csv", "data.lookback=14", "data.horizon=7", *QUICK, "trainer.max_epochs=20"]
    alone = train(compose(*options, "data.path=one.csv", "paths.run_dir=runs/one"))
    together = train(compose(*options, "data.path=two.csv", "data.group_column=item", "paths.run_dir=runs/two"))
    table = pd.read_csv("runs/two/series.csv", index_col="series")
    assert table.loc["small", "mase"] < 1.1 * alone["test/mase"]
    assert table["mase"].is_monotonic_decreasing
    assert table["windows"].tolist() == [54, 54]
    for name in ("mse", "mae", "mase"):
        assert table[name].mean() == pytest.approx(together[f"test/{name}_series"], rel=1e-6)
    predict(compose("run=runs/two", "data.path=two.csv", "output=out.csv", config_name="predict"))
    forecast = pd.read_csv("out.csv").groupby("sequence")["sold"].mean()
    assert 8e3 < forecast["large"] < 12e3
    assert 1 < forecast["small"] < 1.6


def test_a_file_of_sixty_sequences_has_the_same_test_items_for_every_seed(compose: Compose, tmp_path, monkeypatch):
    """Three seeds of two models are about the same nine sequences; another split is another question."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = np.repeat([f"take {k}" for k in range(60)], 5)
    columns = {"take": names, "u": rng.normal(size=300), "kind": np.repeat(["cat", "dog"], 150)}
    pd.DataFrame(columns).to_csv("mine.csv", index=False)
    options = ["data=csv", "data.path=mine.csv", "data.group_column=take", "data.target=kind", *QUICK]

    def run(model: str, seed: int, split_seed: int | None = None) -> tuple[RunResult, dict[str, np.ndarray]]:
        place = f"{model}-{seed}-{split_seed}"
        # What Hydra would say of the command line.
        monkeypatch.setattr("src.training.job.choices", lambda: {"model": model, "data": "csv"})
        more = [] if split_seed is None else [f"data.split_seed={split_seed}"]
        train(compose(*options, f"model={model}", f"seed={seed}", f"paths.run_dir=runs/{place}", *more))
        record = read_record(Path("runs") / place)
        assert record is not None
        return record, read_sequences(Path("runs") / place, "test")

    seeds = [[run(model, seed) for model in ("gru", "lstm")] for seed in range(3)]
    items = {tuple(arrays["item"].tolist()) for pair in seeds for _, arrays in pair}
    assert len(items) == 1
    (test,) = items
    assert len(test) == 10 - 2  # 15 % of 30 of each class, rounded to the even number
    assert set(test) < set(names)
    records = [record for pair in seeds for record, _ in pair]
    assert len({record.data.checksum for record in records}) == 1
    assert {record.data.split_seed for record in records} == {0}
    assert records[0].metrics["val/loss"] != records[2].metrics["val/loss"]  # another initialisation, the same data
    assert records[0].val_baselines.keys() == records[0].baselines.keys() == {"majority/acc", "majority/nll"}

    collection = collect([Path("runs")], "runs")
    (comparison,) = summarise(collection, asked(collection)).tasks[0].comparisons
    assert comparison.sequences_note == "over 3 seeds and 8 test sequences"

    other = [run(model, 3, 1) for model in ("gru", "lstm")]
    assert set(other[0][1]["item"].tolist()) != set(test)
    assert other[0][0].data.checksum not in {record.data.checksum for record in records}
    assert other[0][0].data.split_seed == 1
    assert other[0][0].identity != run("gru", 3)[0].identity
    run("lstm", 3)
    collection = collect([Path("runs")], "runs")
    of = collection.sequences
    assert of[other[0][0].id].rows == of[other[1][0].id].rows != of[records[0].id].rows
    for folder in ("gru-3-None", "lstm-3-None"):
        shutil.rmtree(Path("runs") / folder)
    collection = collect([Path("runs")], "runs")
    (comparison,) = summarise(collection, asked(collection)).tasks[0].comparisons
    assert comparison.n == 4
    assert comparison.sequences is None
    assert comparison.sequences_note.startswith("The runs were tested on different data")


def test_a_run_from_before_split_seed_is_measured_on_its_own_split(compose: Compose, tmp_path, monkeypatch):
    """Its split followed the seed: measured again with that of seed 0 it would be asked what it had trained on."""
    monkeypatch.chdir(tmp_path)
    x = np.arange(60.0)[:, None, None] * np.ones((60, 4, 1))
    np.savez("mine.npz", x=x, y=np.arange(60) % 2)
    train(compose("data=npz", "data.path=mine.npz", "seed=2", "data.split_seed=2", "paths.run_dir=runs/old", *QUICK))
    config = Path("runs/old/config.yaml")
    text = config.read_text()
    config.write_text("".join(line for line in text.splitlines(keepends=True) if "split_seed" not in line))
    assert config.read_text() != text
    record = Path("runs/old/result.json")
    content = json.loads(record.read_text())
    record.write_text(json.dumps({k: v for k, v in content.items() if k != "digests"}))  # nor had it those
    data = load_run("runs/old").data
    data.setup()
    assert data.items["test"].tolist() == read_sequences(Path("runs/old"), "test")["item"].tolist()


def test_runs_are_called_by_their_file_and_two_files_are_never_pooled(compose: Compose, tmp_path, monkeypatch):
    """Nor where the files have one name; a copy elsewhere is the same data."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("a", "b", "c"):
        Path(folder).mkdir()
    for file in ("a/sensors.csv", "b/sensors.csv", "a/other.csv"):
        columns = {"take": np.repeat(range(40), 4), "u": rng.normal(size=160), "kind": np.repeat([0, 1] * 20, 4)}
        pd.DataFrame(columns).to_csv(file, index=False)
    shutil.copy("a/sensors.csv", "c/sensors.csv")

    def run(path: str, model: str) -> RunResult:
        monkeypatch.setattr("src.training.job.choices", lambda: {"model": model, "data": "csv"})
        place = f"paths.run_dir=runs/{path.replace('/', '-')}-{model}"
        train(compose("data=csv", f"data.path={path}", "data.target=kind", f"model={model}", place, *QUICK))
        record = read_record(Path(place.partition("=")[2]))
        assert record is not None
        return record

    record = run("a/sensors.csv", "gru")
    assert (record.name, record.data_name) == ("gru-sensors-seed0", "sensors")
    run("c/sensors.csv", "lstm")
    run("a/other.csv", "gru")
    assert {task.data for task in answered().tasks} == {"sensors", "other"}
    assert [c.n for task in answered().tasks for c in task.comparisons] == [1]
    run("b/sensors.csv", "gru")
    run("b/sensors.csv", "lstm")
    first, second = sorted(task.data for task in answered().tasks if task.data != "other")
    assert first.startswith("sensors@")
    assert second.startswith("sensors@")
    assert first != second


def answered() -> Summary:
    collection = collect([Path("runs")], "runs")
    return summarise(collection, asked(collection))
