"""A study as a user starts it, in processes: killed and taken up, shared, in parallel, with a broken job."""

import csv
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from src.config.places import CONF

ROOT = CONF.parent
PLAN = """# @package _global_
defaults:
  - base
  - _self_
  - override /hydra/sweeper: study

study:
  name: quick
  question: Does it run?
  models:
    gru: {model.hidden_size: 8}
    lstm: {model.hidden_size: 8}
  data:
    ucr: {}
  settings:
    trainer.max_epochs: 4
    callbacks.last.every_seconds: 0
  tuning:
    draws:
      optimizer.lr: [0.003, 0.01]
    repeat: {best: 1, seeds: 1}
    extensions: 0
  pairs: 2
  primary: {models: [gru, lstm], metric: test/acc, margin: 0.02}
"""
RUNS = 4 + 2 + 4
STUDY = ("-m", "experiments=quick", "logger=csv")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quick.yaml").write_text(PLAN)
    return tmp_path


def start(place: Path, places: Path, *arguments: str, module: str = "src.train") -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "HYDRA"))}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "GATEBENCH_CACHE_DIR": str(places / "derived"),
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def results(place: Path) -> dict[str, Any]:
    """Metrics and every logged row of each run, and how often it was begun."""
    runs = {}
    for path in (place / "runs" / "quick").glob("*/result.json"):
        record = json.loads(path.read_text())
        rows = list(csv.DictReader((path.parent / "metrics.csv").read_text().splitlines()))
        runs[path.parent.name] = (
            record["status"],
            record["metrics"],
            [{k: r[k] for k in r if "second" not in k} for r in rows],
        )
    return runs


def test_killed_at_random_moments_it_ends_as_if_undisturbed(place: Path, places: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    (undisturbed / "experiments").mkdir(parents=True)
    (undisturbed / "experiments" / "quick.yaml").write_text(PLAN)
    before = time.monotonic()
    code, out, err = finish(start(undisturbed, places, *STUDY))
    took = time.monotonic() - before
    assert (code, "quick: 10 of 10 runs" in out) == (0, True), err
    chance = random.Random(0)
    for _ in range(3):
        process = start(place, places, *STUDY)
        time.sleep(took * chance.uniform(0.3, 0.9))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.communicate()
    finished = {
        path: text for path in place.rglob("result.json") if '"status": "finished"' in (text := path.read_text())
    }
    code, out, err = finish(start(place, places, *STUDY))
    assert code == 0, err
    assert results(place) == results(undisturbed)
    assert len(results(place)) == RUNS
    assert {path: path.read_text() for path in finished} == finished, "what was finished was not touched again"


def test_two_processes_share_a_study_and_repeat_nothing(place: Path, places: Path) -> None:
    both = [start(place, places, *STUDY) for _ in range(2)]
    for process in both:
        code, out, err = finish(process)
        assert code == 0, err
        assert "quick: 10 of 10 runs" in out
    records = [json.loads(path.read_text()) for path in place.rglob("result.json")]
    assert [record["attempts"] for record in records] == [1] * RUNS


def test_a_run_that_another_process_has_just_taken_is_waited_for(place: Path, places: Path) -> None:
    code, _, err = finish(start(place, places, *STUDY))
    assert code == 0, err
    before = results(place)
    last = max((place / "runs" / "quick").glob("*/result.json"), key=lambda path: path.stat().st_mtime).parent
    shutil.rmtree(last)
    last.mkdir()
    with open(last / ".lock", "w") as lock:  # as between taking a directory and writing the record
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(place, places, *STUDY)
        said = []
        reader = threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")), daemon=True)  # type: ignore[union-attr]
        reader.start()
        until = time.monotonic() + 120
        while not any("Waiting for 1 run" in line for line in said) and time.monotonic() < until:
            time.sleep(0.05)
        waited = any("Waiting for 1 run" in line for line in said)
    with process:  # which closes its pipes
        code = process.wait(timeout=300)
        reader.join()
        out, err = "".join(said), process.stderr.read()  # type: ignore[union-attr]
    assert waited, out
    assert code == 0, err
    assert "quick: 10 of 10 runs" in out
    assert results(place) == before


def test_processes_of_joblib_and_the_command_in_a_record_give_the_same_runs(
    place: Path, places: Path, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    alone = tmp_path / "alone"
    (alone / "experiments").mkdir(parents=True)
    (alone / "experiments" / "quick.yaml").write_text(PLAN)
    code, _, err = finish(start(alone, places, *STUDY, "study.tuning=null"))
    assert code == 0, err
    code, _, err = finish(
        start(place, places, *STUDY, "study.tuning=null", "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    )
    assert code == 0, err
    assert results(place) == results(alone)
    assert len(results(place)) == 4
    path = next((alone / "runs" / "quick").glob("*/result.json"))
    record = json.loads(path.read_text())
    code, _, err = finish(start(place, places, *record["command"][1:], "paths.runs_dir=single"))
    assert code == 0, err
    single = next((place / "single").glob("*/result.json"))
    assert json.loads(single.read_text())["metrics"] == record["metrics"]


def test_a_job_that_breaks_ends_neither_the_others_nor_silently(place: Path, places: Path) -> None:
    (place / "experiments" / "quick.yaml").write_text(
        PLAN.replace(
            "lstm: {model.hidden_size: 8}",
            "lstm: {model.budget: 7, model.budget_tolerance: 0.0001}",
        )
    )
    code, out, err = finish(start(place, places, *STUDY, "study.tuning=null"))
    assert code == 1
    assert "2 runs of the study failed" in err
    assert out.index("lstm cannot be trained on ucr: No width meets") < out.index("quick: ")  # before anything is run
    assert "No width meets model.budget=7" in err
    assert "Traceback" not in out + err
    records = {path.parent: json.loads(path.read_text()) for path in place.rglob("result.json")}
    assert sorted(record["status"] for record in records.values()) == ["failed", "failed", "finished", "finished"]
    failed = next(directory for directory, record in records.items() if record["status"] == "failed")
    assert "UserError" in (failed / "traceback.txt").read_text()
    code, out, err = finish(start(place, places, "study=quick", module="src.status"))
    assert code == 0, err
    assert "quick: 2 of 4 runs" in out
    assert out.count("No width meets") == 2
