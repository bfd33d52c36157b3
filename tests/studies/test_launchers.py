"""A plain multirun gives the same runs through every launcher that needs no daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.runs.record import find_runs
from src.train import train

ROOT = Path(__file__).resolve().parents[2]
TINY = ("model.hidden_size=4", "trainer.max_epochs=1", "logger=csv", "trainer.enable_progress_bar=false", "test=false")
PROBE = """
import json, os, sys
from pathlib import Path
from hydra.core.hydra_config import HydraConfig
from src.config.shell import command

def probe(cfg):
    if cfg.seed == 9:
        raise ValueError("seed 9 is unlucky")
    import torch
    told = {"threads": torch.get_num_threads(), "process": os.getpid(), "variable": os.environ["OMP_NUM_THREADS"]}
    Path(HydraConfig.get().runtime.output_dir, "probe.json").write_text(json.dumps(told))

command("train", probe)
"""


def multirun(places: Path, *command: str) -> subprocess.CompletedProcess[str]:
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment = {**free, "GATEBENCH_CACHE_DIR": str(places / "derived"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def metrics(folder: Path) -> dict[str, dict[str, float]]:
    return {str(record.identity): record.metrics for _, record in find_runs(folder)}


def test_launchers_give_the_same_runs(places: Path, tmp_path: Path, compose: Callable[..., DictConfig]) -> None:
    for model in ("gru", "lstm"):
        train(compose(f"model={model}", *TINY, f"paths.runs_dir={tmp_path / 'one by one'}"))
    expected = metrics(tmp_path / "one by one")
    assert len(expected) == 2
    for name, setting in (("local", "n_jobs=1"), ("submitit_local", "timeout_min=5")):
        options = (
            f"hydra/launcher={name}",
            f"hydra.launcher.{setting}",
            f"paths.runs_dir={tmp_path / name}",
            "model=gru,lstm",
        )
        done = multirun(places, "-m", "src.train", "-m", *options, *TINY)
        assert done.returncode == 0, done.stderr
        assert metrics(tmp_path / name) == expected


def test_jobs_of_the_local_launcher_have_their_threads_and_one_that_fails_stops_no_other(
    places: Path, tmp_path: Path
) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    options = ("hydra/launcher=local", "hydra.launcher.n_jobs=2", "threads=2", "seed=0,9,1")
    done = multirun(places, str(tmp_path / "probe.py"), "-m", *options, f"paths.runs_dir={tmp_path / 'runs'}")
    assert done.returncode == 1
    assert done.stderr.count("This job failed: ValueError: seed 9 is unlucky") == 1
    assert "Traceback" not in done.stderr
    told = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/probe.json")}
    assert told.keys() == {"0", "2"}
    assert all((facts["threads"], facts["variable"]) == (2, "2") for facts in told.values())
    assert 1 <= len({facts["process"] for facts in told.values()}) <= 2


@pytest.mark.parametrize(("threads", "jobs"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_jobs_at_once_fill_the_cores(threads: int, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.studies.test_resources import launcher

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert launcher("local", f"threads={threads}").n_jobs == jobs
