"""Final runs on several random splits of one file, and what is said of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.analysis.checks import task_flags
from src.analysis.compare import adjusted, compare
from src.analysis.models import Model, points_of, sum_up
from src.analysis.pairs import differences_of
from src.analysis.run import Run
from src.analysis.task import Comparison, Task
from src.config.errors import UserError
from src.runs.result import DataFacts
from src.statistics.decision import decide
from src.statistics.resplits import over_splits
from src.studies.run import Study, run_study
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
SIZES = {"train": 42, "val": 9, "test": 9}


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", x=rng.normal(size=(60, 5, 2)), y=np.arange(60) % 3)
    return {"npz": {"data.path": str(tmp_path / "mine.npz")}}


def test_final_runs_go_over_splits_and_tuning_stays_on_the_first(make_study: Make, arrays: dict[str, Any]) -> None:
    launcher = FakeLauncher(lambda s: 1.0)
    tuning = {**PLAN["tuning"], "extensions": 0}
    final = run_study(make_study(launcher, data=arrays, resplits=5, pairs=2, tuning=tuning))
    keys = [(job.values["data.split_seed"], job.seed, job.model) for job in final]
    assert keys == [(split, seed, model) for split in range(5) for seed in range(2) for model in ("gru", "lstm")]
    assert len({job.id for job in final}) == 20
    by_phase = {s["study_job"]["phase"]: set[Any]() for s in launcher.launched}
    for settings in launcher.launched:
        by_phase[settings["study_job"]["phase"]].add(settings.get("data.split_seed"))
    assert by_phase == {"trial": {None}, "repeat": {None}, "final": {0, 1, 2, 3, 4}}


def test_data_that_are_not_split_by_chance_are_refused(make_study: Make, tmp_path: Path) -> None:
    launcher = FakeLauncher(lambda s: 1.0)
    with pytest.raises(UserError, match=r"study\.resplits must be null for ucr: its test set is fixed"):
        run_study(make_study(launcher, resplits=5))
    times = pd.date_range("2020-01-01", periods=400, freq="h")
    load = np.random.default_rng(0).normal(size=400)
    pd.DataFrame({"time": times, "load": load}).to_csv(tmp_path / "load.csv", index=False)
    series = {"csv": {"data.path": str(tmp_path / "load.csv"), "data.lookback": 8, "data.horizon": 4}}
    with pytest.raises(UserError, match=r"study\.resplits must be null for csv: time series cannot be split"):
        run_study(make_study(launcher, resplits=5, data=series, primary={**PLAN["primary"], "metric": "test/mse"}))
    assert launcher.launched == []


def runs_of(splits: int, seeds: int, gap: float) -> list[Run]:
    """Runs whose advantage of the GRU differs much between splits and hardly between seeds."""
    rng = np.random.default_rng(1)
    of_split, noise = gap + 0.02 * rng.normal(size=splits), 1e-4 * rng.normal(size=(splits, seeds))
    return [
        Run(
            id=f"{model}-{split}-{seed}",
            seed=seed,
            status="finished",
            model=model,
            data_name="npz",
            metrics={"test/nll": 1.0 - (of_split[split] + noise[split, seed] if model == "gru" else 0.0)},
            data=DataFacts(f"sum-{split}", SIZES, split_seed=split),
        )
        for split in range(splits)
        for seed in range(seeds)
        for model in ("gru", "lstm")
    ]


def compared(runs: list[Run], margin: float | None) -> tuple[Task, Comparison]:
    models: list[Model] = []
    for name in ("gru", "lstm"):
        mine = [run for run in runs if run.model == name]
        points, flags, untested = points_of(mine, "test/nll", "min", splits=True)
        assert (flags, untested) == ([], [])
        models.append(sum_up(name, mine, points))
    task = Task("npz", "main", "test/nll", "nats", "min", margin, models)
    (task,) = adjusted(
        [Task(**{**vars(task), "comparisons": [compare(task, *models, primary=True, sequences=None, sizes=(9, 51))]})]
    )
    return task, task.comparisons[0]


def test_splits_are_compared_by_the_corrected_interval_and_never_as_independent_pairs() -> None:
    runs = runs_of(splits=6, seeds=4, gap=0.03)
    task, c = compared(runs, margin=0.02)
    means = [
        float(np.mean([p.difference for p in c.pairs if p.split == split and p.difference is not None]))
        for split in range(6)
    ]
    assert c.splits == over_splits(means, 9, 51)
    assert (c.n, c.t, c.bca, c.wilcoxon, c.sequences, c.power) == (24, None, None, None, None, None)
    assert c.verdict is not None
    assert c.verdict.outcome == "undecided"
    assert decide(differences_of(c.pairs), 0.02, ("gru", "lstm"))[0] == "better"  # were they independent
    assert c.verdict.interval_better == c.splits
    assert "6 splits of this file" in c.verdict.sentence
    assert c.verdict.sentence.endswith("the verdict is about other splits of this file.")
    assert all(model.interval is None for model in task.models)
    kinds = {flag.kind for flag in task_flags(task, runs, 0.02, 24, {})}
    assert not kinds & {"checksum", "missing", "conflict"}


@pytest.mark.parametrize(
    ("gap", "margin", "outcome"), [(0.5, 0.1, "better"), (0.0, 0.3, "same"), (0.5, None, "better")]
)
def test_what_is_clear_over_splits_is_said(gap: float, margin: float | None, outcome: str) -> None:
    _, c = compared(runs_of(splits=5, seeds=2, gap=gap), margin)
    assert c.verdict is not None
    assert c.verdict.outcome == outcome


def test_fewer_than_five_splits_give_no_verdict() -> None:
    _, c = compared(runs_of(splits=4, seeds=10, gap=0.5), 0.1)
    assert c.verdict is not None
    assert (c.verdict.outcome, c.splits) == ("no verdict", None)
    assert "4 splits have a complete pair, and 5 are needed" in c.verdict.sentence


def test_nothing_is_concluded_before_all_pairs_of_all_splits_are_there() -> None:
    """The figure that failed: asked after each split, equal models were called better in 0.11."""
    runs = runs_of(splits=6, seeds=4, gap=0.5)
    models = [
        sum_up(name, [], points_of([r for r in runs if r.model == name], "test/nll", "min", splits=True)[0])
        for name in ("gru", "lstm")
    ]
    task = Task("npz", "main", "test/nll", "nats", "min", 0.1, models)
    said = [
        compare(task, *models, primary=True, sequences=None, sizes=(9, 51), planned=planned).verdict
        for planned in (24, 40)
    ]
    assert [verdict.outcome for verdict in said if verdict] == ["better", "no verdict"]
    assert "24 of 40 planned pairs are complete" in said[1].sentence  # type: ignore[union-attr]


def test_runs_on_unlike_data_within_one_split_are_flagged() -> None:
    runs = runs_of(splits=5, seeds=2, gap=0.5)
    runs[0].data = DataFacts("other", SIZES, split_seed=0)
    task, _ = compared(runs, 0.1)
    assert "checksum" in {flag.kind for flag in task_flags(task, runs, 0.02, 10, {})}
