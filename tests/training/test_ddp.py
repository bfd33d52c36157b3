"""Several processes that train together: where the further ones run, and what is said when one of them dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, open_dict

from src.runs.record import find_runs
from src.runs.result import RunResult
from src.train import train
from src.training.ddp import OtherDied

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "model.hidden_size=4", "trainer.max_epochs=2", "logger=csv", "trainer.enable_progress_bar=false", "trainer=ddp_cpu",
    "data.batch_size=8",
)  # fmt: skip
ADDING = ("data=adding", "data.length=6", "data.sizes=[40,16,16]")
FILE = ("data=csv", "data.path=in/load.csv", "data.target=y", "data.lookback=6", "data.horizon=2")
DYING = """
import os, signal
import pytorch_lightning as pl

class Die(pl.Callback):
    def __init__(self, when, how):
        self.when, self.how = when, how
        self.now("init")

    def now(self, when):
        if when != self.when or os.environ.get("LOCAL_RANK", "0") == "0":
            return
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(3)
        raise ValueError("these are\\n  my last words")

    def setup(self, *_, **__): self.now("setup")
    def on_train_batch_end(self, *_, **__): self.now("train")
    def on_validation_batch_end(self, *_, **__): self.now("validation")
"""
WORDS = {
    "raise": "Process 1 of 2 (counted from 0) ended: ValueError: these are my last words",
    "kill": "Process 1 of 2 (counted from 0) was killed by SIGKILL: the machine may be out of memory.",
    "exit": "Process 1 of 2 (counted from 0) ended with exit code 3.",
}
Compose = Callable[..., DictConfig]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: Path) -> Iterator[Path]:
    """A folder far from the project, with data and a class of its own; nothing of a job stays in the environment."""
    (tmp_path / "in").mkdir()
    rows = [f"{(7 * k) % 11},{(3 * k) % 5}" for k in range(120)]
    (tmp_path / "in" / "load.csv").write_text("\n".join(["x,y", *rows]))
    (tmp_path / "dying.py").write_text(DYING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    before = dict(os.environ)
    yield tmp_path
    sys.modules.pop("dying", None)
    assert {name for name in os.environ if os.environ[name] != before.get(name)} <= {"PYTEST_CURRENT_TEST"}


def process(folder: Path, *overrides: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A training as it is started at a terminal in ``folder``, which says one sentence where it ends with 1."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "src.train", *overrides]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def only(runs: Path) -> tuple[Path, RunResult]:
    ((directory, record),) = find_runs(runs)
    return directory, record


@pytest.mark.parametrize("more", [(), ("hydra.job.chdir=true",)], ids=["here", "chdir"])
def test_relative_places_are_of_the_folder_where_it_was_typed(folder: Path, more: tuple[str, ...]) -> None:
    """All that a command line may name by a path, in both processes: data, runs, a run's own folder, a checkpoint."""
    done = process(folder, *FILE, *TINY, *more, "paths.runs_dir=out", "paths.run_dir=out/one")
    directory, first = only(folder / "out")
    assert (folder / done.stdout.splitlines()[-1]).samefile(directory)  # a path that works when typed
    assert (directory, first.status) == (folder / "out" / "one", "finished")
    on = ("ckpt=out/one/checkpoints/last.ckpt", "paths.runs_dir=more", "trainer.max_epochs=3")
    process(folder, *FILE, *[o for o in TINY if "max_epochs" not in o], *more, *on)
    _, second = only(folder / "more")
    assert (second.status, second.timing.epochs) == ("finished", 3)
    assert {path.name for path in folder.iterdir()} == {"in", "out", "more", "dying.py"}


CASES = [
    ("init", "raise"), ("setup", "exit"), ("train", "raise"), ("train", "kill"), ("validation", "exit"),
    *(pytest.param(when, how, marks=pytest.mark.slow) for when, how in (
        ("init", "kill"), ("init", "exit"), ("setup", "raise"), ("setup", "kill"), ("train", "exit"),
        ("validation", "raise"), ("validation", "kill"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("when", "how"), CASES)
def test_a_process_that_dies_is_reported(
    when: str, how: str, folder: Path, compose: Compose, capfd: pytest.CaptureFixture[str]
) -> None:
    """In its words, and soon; the record says failed, and the next job of this process trains."""
    cfg = compose(*ADDING, *TINY, "paths.runs_dir=out")
    with open_dict(cfg):
        cfg.callbacks.die = {"_target_": "dying.Die", "when": when, "how": how}
    began = time.monotonic()
    with pytest.raises(OtherDied) as died:
        train(cfg)
    assert time.monotonic() - began < 60
    words = WORDS[how].replace("ValueError", "dying.Die" if when == "init" else "ValueError")  # which cannot be built
    assert str(died.value) == words
    directory, record = only(folder / "out")
    assert (record.status, record.error) == ("failed", words)
    assert json.loads((directory / "result.json").read_text())["status"] == "failed"
    assert (how == "raise") == (directory / "traceback.txt").is_file()
    if how == "raise":
        assert "in now" in (directory / "traceback.txt").read_text()
    assert "Connection" not in capfd.readouterr().err


def test_at_a_terminal_it_is_one_sentence(folder: Path) -> None:
    die = ("+callbacks.die._target_=dying.Die", "+callbacks.die.when=train", "+callbacks.die.how=raise")
    done = process(folder, *ADDING, *TINY, *die, "paths.runs_dir=out", code=1)
    assert done.stderr.splitlines()[-1] == WORDS["raise"]
    assert len(done.stderr.splitlines()) == 1
    assert only(folder / "out")[1].status == "failed"


def test_the_first_process_that_fails_says_why_and_takes_the_others_along(
    folder: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.tasks.base import Task
    from src.training import ddp

    others: list[Any] = []
    real = ddp._Other

    def kept(*arguments: Any) -> Any:
        others.append(real(*arguments))
        return others[-1]

    def fails(*_: Any) -> None:
        raise ValueError("mine")

    monkeypatch.setattr(ddp, "_Other", kept)
    monkeypatch.setattr(Task, "validation_step", fails)
    with pytest.raises(ValueError, match="mine"):
        train(compose(*ADDING, *TINY, "paths.runs_dir=out"))
    assert only(folder / "out")[1].error == "ValueError: mine"
    assert [other.process.poll() is not None for other in others] == [True]


def test_a_further_process_ends_with_the_first(folder: Path) -> None:
    """Where that is killed, nobody is left who could end it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    long = ("trainer.max_epochs=100000", "callbacks.early_stopping.patience=100000", "paths.runs_dir=out")
    line = [sys.executable, "-m", "src.train", *ADDING, *(w for w in TINY if w != "trainer.max_epochs=2"), *long]
    first = subprocess.Popen(line, cwd=folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    others: list[int] = []
    try:
        assert within(240, lambda: children(first.pid) and list(folder.glob("out/*/metrics.csv")))
        (other,) = others = children(first.pid)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert within(60, lambda: not alive(other))
    finally:  # or a failure would leave two processes to the tests that follow
        for pid in others or children(first.pid):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        first.kill()
        first.wait()


def within(seconds: float, condition: Callable[[], Any]) -> bool:
    """Return whether a condition becomes true within some time."""
    until = time.monotonic() + seconds
    while not (met := bool(condition())) and time.monotonic() < until:
        time.sleep(0.1)
    return met


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "submitit_local"])
def test_launchers_start_trainings_of_two_processes(launcher: str, folder: Path) -> None:
    """Two jobs of two processes each, by joblib and by submitit, from a folder far from the project."""
    jobs = ("hydra.launcher.n_jobs=2",) if launcher == "local" else ()
    process(folder, "-m", *FILE, *TINY, "seed=0,1", f"hydra/launcher={launcher}", *jobs, "paths.runs_dir=out")
    process(folder, *FILE, *TINY, "paths.runs_dir=alone", "seed=1")
    found = {record.identity: record for _, record in find_runs(folder / "out")}
    assert len(found) == 2
    assert {record.status for record in found.values()} == {"finished"}
    _, alone = only(folder / "alone")
    assert found[alone.identity].metrics == alone.metrics
