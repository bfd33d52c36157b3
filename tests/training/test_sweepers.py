"""Sweepers that are not ours: Optuna's plugin of Hydra, and the agent of a wandb sweep, each as it stands."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from src.config.errors import UserError
from src.config.places import CONF
from src.runs.record import find_runs
from src.train import objective

ROOT = CONF.parent
TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "trainer.max_epochs=1", "trainer.enable_progress_bar=false",
)  # fmt: skip


def process(command: list[str], here: Path, **environment: str) -> str:
    known = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    # The socket of a wandb service that another test has started, and ended, is none for this process.
    clean = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(
        command, cwd=here, env={**clean, **known}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_job_returns_the_monitored_value_of_validation_or_the_one_that_is_named(compose, tmp_path: Path) -> None:
    monitored = objective(compose(*TINY, "logger=csv"))
    ((_, record),) = find_runs(tmp_path / "runs")
    assert monitored == record.metrics["val/loss"] == pytest.approx(record.best.value)
    named = objective(compose(*TINY, "logger=csv", "optimized_metric=val/mae", "seed=1"))
    assert named in [run.metrics["val/mae"] for _, run in find_runs(tmp_path / "runs")]
    with pytest.raises(UserError, match=r"optimized_metric must be one of val/loss, val/mse, val/mae, got val/acc"):
        objective(compose(*TINY, "logger=csv", "optimized_metric=val/acc"))


def test_a_value_of_the_test_set_is_no_choice(compose) -> None:
    from src.config.rules import check

    with pytest.raises(UserError, match=r"optimized_metric must be a validation metric such as val/acc, or null"):
        check(compose(*TINY, "optimized_metric=test/mse"))


def test_a_run_that_diverged_is_worse_than_any(compose) -> None:
    worst = objective(
        compose(*TINY, "logger=csv", "optimizer=sgd", "optimizer.lr=1e38", "trainer.gradient_clip_val=null")
    )
    assert worst == float("inf")


@pytest.mark.skipif(
    find_spec("optuna") is None or find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="hydra-optuna-sweeper is not installed",
)
@pytest.mark.filterwarnings("ignore")  # of its SQLAlchemy
def test_optuna_chooses_by_it_passes_by_what_diverged_and_goes_on_from_its_storage(tmp_path: Path) -> None:
    import optuna

    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    sweep = [sys.executable, "-m", "src.train", "-m", *TINY, "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1"]
    sweep += ["hydra.sweeper.study_name=mine", f"hydra.sweeper.storage={storage}", "logger=csv"]
    sweep += ["optimizer=sgd", "trainer.gradient_clip_val=null"]
    process([*sweep, "hydra.sweeper.n_trials=3", "optimizer.lr=interval(1e36,1e38)"], tmp_path)
    said = process([*sweep, "hydra.sweeper.n_trials=1", "optimizer.lr=interval(0.01,0.02)"], tmp_path)
    study = optuna.load_study(study_name="mine", storage=storage)
    values = [trial.value for trial in study.trials]
    assert values[:3] == [float("inf")] * 3
    assert len(values) == 4
    kept = {run.metrics["val/loss"] for _, run in find_runs(tmp_path / "runs") if run.metrics}
    assert study.best_value == values[3]
    assert kept == {values[3]}
    assert "Best value" in said


def test_the_agent_of_a_wandb_sweep_types_a_line_that_trains(tmp_path: Path) -> None:
    from wandb.sdk.launch.sweeps import utils

    sweep = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())
    drawn = {"model": "lstm", "model.hidden_size": 32, "optimizer.lr": 0.0123456789}
    assert drawn.keys() == sweep["parameters"].keys()
    # As wandb.wandb_agent.Agent builds it.
    parts = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in drawn.items()}})
    parts["env"] = ["/usr/bin/env"]
    line: list[str] = []
    for word in utils.create_sweep_command(list(sweep["command"])):
        line += parts[word[2:-1]] if word.startswith("${") else [word]
    assert line[1:4] == ["python", "-m", "src.train"]
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    here = {"WANDB_SWEEP_ID": "abc", "WANDB_RUN_ID": "drawn1", "WANDB_MODE": "offline", "PATH": path}
    process([*line, "trainer.max_epochs=1", "trainer.enable_progress_bar=false"], tmp_path, **here)
    ((directory, record),) = find_runs(tmp_path / "runs")
    assert (record.status, record.wandb.id) == ("finished", "drawn1")
    assert sweep["metric"]["name"] in record.metrics
    assert not [name for name in record.metrics if name.startswith("test/")]
    assert "optimizer.lr" in sweep["parameters"]
    assert "lr: 0.0123456789" in (directory / "config.yaml").read_text()


def test_the_words_of_a_shell_are_completed_within_a_second(tmp_path: Path) -> None:
    import time

    start = time.monotonic()
    said = process([sys.executable, "-m", "src.train", "-sc", "install=bash"], tmp_path)
    assert "hydra_bash_completion()" in said
    query = [sys.executable, "-m", "src.train", "-sc", "query=bash"]
    assert "model=lstm_bi" in process(query, tmp_path, COMP_LINE="x model=lstm")
    assert time.monotonic() - start < 4, "two processes, half a second each on an idle machine"
