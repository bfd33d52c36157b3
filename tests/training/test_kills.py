"""A process killed at any point of a run, the last and unfinished epoch included: it goes on as if nothing had been."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.explaining import Explain
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import RunRecord, find_runs
from src.tasks.base import Task
from src.train import train
from src.training import checkpoint_files
from src.training.callbacks import BestCheckpoint, LastCheckpoint, Watch
from src.training.job import Job

STEPS = 5  # of an epoch
CAP = 13  # so that the third epoch ends in its middle
OPTIONS = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "model.num_layers=2", "model.dropout=0.3", "scheduler=plateau", "scheduler.patience=0", "trainer.max_epochs=9",
    f"trainer.max_steps={CAP}", "callbacks.early_stopping.patience=1", "logger=csv",
    "trainer.enable_progress_bar=false", "ckpt=auto",
)  # fmt: skip
Point = tuple[type, str, int]  # a method and which call of it the process does not survive
CHANCE = random.Random(14)
POINTS: dict[str, Point] = {
    "before the record has its facts": (RunRecord, "note", 1),
    **{f"step {n}": (Watch, "on_train_batch_end", n) for n in sorted(CHANCE.sample(range(STEPS + 1, CAP + 1), 2))},
    "in the first epoch": (Watch, "on_train_batch_end", 3),
    "in the last, unfinished epoch": (Watch, "on_train_batch_end", CAP),
    "in validation": (Task, "validation_step", 2),
    "between the best checkpoint and the last": (LastCheckpoint, "on_train_epoch_end", 2),
    "at the end of the unfinished epoch": (LastCheckpoint, "on_train_epoch_end", 3),
    "before the best checkpoint": (BestCheckpoint, "on_validation_end", 2),
    "between training and the test": (Job, "log", 1),
    "in the validation after training": (Task, "validation_step", 3),
    "in the test": (Task, "test_step", 1),
    "before the record ends": (RunRecord, "end", 1),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(config: Path, point: Point) -> None:
    """Train in this process, which kills itself when it gets to the point."""
    where, hook, at = point
    calls, real = iter(range(1, 1000)), getattr(where, hook)

    def stop(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == at:
            die()
        return real(*arguments, **keywords)

    setattr(where, hook, stop)
    train(DictConfig(OmegaConf.load(config)))


def train_until_written(config: Path, number: int, share: float) -> None:
    """Train in this process, which kills itself when a share of a checkpoint has been written."""
    real, calls = checkpoint_files.write_atomically, iter(range(1, 1000))

    def write(path: Path, fill: Callable[[Any], object]) -> None:
        def some(out: Any) -> None:
            fill(out)
            out.truncate(int(share * out.tell()))
            out.flush()
            die()

        real(path, some if next(calls) == number and share < 1 else fill)
        if share == 1:
            die()

    checkpoint_files.write_atomically = write
    train(DictConfig(OmegaConf.load(config)))


def killed(target: Callable[..., None], *arguments: Any) -> None:
    """Let a fresh process do something and die of it (the processes come from one that has imported everything)."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["src.train", "src.training.job", "src.training.outcome", "src.training.trainer"])
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def left_by(runs: Path) -> dict[str, Any]:
    """Everything that a finished run has written, but for times."""
    (directory, record), *more = find_runs(runs)
    assert not more
    assert record.status == "finished"
    last, best = (read_checkpoint(directory / "checkpoints" / f"{name}.ckpt") for name in ("last", "best"))
    for key in list(last["callbacks"]):
        if key == "Watch" or "Checkpoint" in key:
            del last["callbacks"][key]  # seconds, paths
    return {
        "metrics": record.metrics,
        "best": record.best,
        "why": record.stop_reason,
        "length": (record.timing.epochs, record.timing.updates),
        "rows": [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(directory / "metrics.csv")],
        "last": {k: v for k, v in last.items() if k != "loops"},
        "best weights": best["state_dict"],
    }


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    """To the bit, through containers."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_equal(one, other, f"{where}/{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What the undisturbed run left, once there is one."""
    return {}


@pytest.fixture
def run(compose: Callable[..., DictConfig], tmp_path: Path, expected: dict[str, Any]) -> Callable[..., None]:
    """``run(every_seconds, victim, *arguments)`` kills a run so and compares it, resumed, with the undisturbed one."""

    def compared(every_seconds: float, victim: Callable[..., None], *arguments: Any) -> None:
        seconds = f"callbacks.last.every_seconds={every_seconds}"
        if not expected:
            train(compose(*OPTIONS, "callbacks.last.every_seconds=0", f"paths.runs_dir={tmp_path / 'a'}"))
            expected.update(left_by(tmp_path / "a"))
        cfg = compose(*OPTIONS, seconds, f"paths.runs_dir={tmp_path / 'b'}")
        OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
        killed(victim, tmp_path / "config.yaml", *arguments)
        ((_, cut),) = find_runs(tmp_path / "b")
        assert cut.status == "interrupted"
        train(cfg)
        found = left_by(tmp_path / "b")
        if every_seconds:  # the last checkpoint is then of some epoch
            found["last"] = expected["last"]
        assert_equal(found, expected)

    return compared


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_killed_run_ends_as_an_undisturbed_one(point: Point, run: Callable[..., None]) -> None:
    run(0, train_until, point)


@pytest.mark.parametrize(
    ("number", "share"),
    [(1, 0.5), (3, 0.5), (4, 0.0), (4, 0.99), (5, 0.5), (1, 1.0)],
    ids=lambda value: str(value),
)
def test_a_run_killed_while_a_checkpoint_is_written_too(number: int, share: float, run: Callable[..., None]) -> None:
    run(0, train_until_written, number, share)


@pytest.mark.parametrize("name", ["in the last, unfinished epoch", "in the test"])
def test_so_does_one_whose_checkpoint_is_some_epochs_old(name: str, run: Callable[..., None]) -> None:
    run(100, train_until, POINTS[name])


def test_a_kill_before_there_is_a_record_leaves_nothing_behind(
    compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """Folders that hold nothing of a run, and half-written files anywhere; what a living process is at stays."""
    runs = tmp_path / "b"
    cfg = compose(*OPTIONS, "trainer.max_steps=5", f"paths.runs_dir={runs}")
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    killed(train_until, tmp_path / "config.yaml", (RunRecord, "write", 1))
    (shell,) = (path for path in runs.iterdir() if path.name != ".widths")
    assert not (shell / "result.json").exists()
    (shell / ".result.json.01234567.part").write_text("{")
    old, young, held, mine = (runs / f"2026-01-01_00-00-00_00000{n}" for n in range(4))
    for folder in (old, young, held, mine):
        (folder / ".hydra").mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    (mine / ".result.json.01234567.part").write_text("{")
    (mine / ".result.json.of-mine.part").write_text("mine")
    os.utime(old, (0, 0))
    at_work = RunRecord(held)
    at_work.hold()
    os.utime(held, (0, 0))
    train(cfg)
    assert not shell.exists()
    assert not old.exists()
    assert {path.name for path in mine.iterdir()} == {".hydra", "notes.txt", ".result.json.of-mine.part"}
    assert (young.is_dir(), held.is_dir()) == (True, True)
    at_work.leave()
    train(cfg)
    assert not held.exists()
    assert len(list(find_runs(runs))) == 2


def test_what_callbacks_do_when_training_ends_is_done_after_a_kill_too(
    compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """Nothing is left to train then, and pictures and last figures are still to be made."""
    pytest.importorskip("matplotlib")
    options = (*OPTIONS, "callbacks=explain", "callbacks.last.every_seconds=0", "callbacks.explain.share=1.0")
    cfg = compose(*options, f"paths.runs_dir={tmp_path / 'b'}")
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    killed(train_until, tmp_path / "config.yaml", (Explain, "on_train_end", 1))
    ((directory, _),) = find_runs(tmp_path / "b")
    assert not (directory / "inside").exists()
    train(cfg)
    assert (directory / "inside" / "training.npz").is_file()
    assert {"inside/kept_l0", "test/mse"} <= left_by(tmp_path / "b")["rows"][-1].keys()


@pytest.mark.parametrize("threshold", [1e9, None])
def test_a_run_that_stopped_early_trains_no_further(
    threshold: float | None, compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """Where the first epoch was the last, too."""
    settings = (
        "callbacks.early_stopping.patience=1"
        if threshold is None
        else (f"+callbacks.early_stopping.stopping_threshold={threshold}")
    )
    options = (*OPTIONS, "optimizer.lr=0.5", "trainer.max_steps=-1", "callbacks.last.every_seconds=0", settings)
    train(compose(*options, f"paths.runs_dir={tmp_path / 'a'}"))
    expected = left_by(tmp_path / "a")
    assert len(expected["rows"]) < 9
    cfg = compose(*options, f"paths.runs_dir={tmp_path / 'b'}")
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    killed(train_until, tmp_path / "config.yaml", POINTS["in the test"])
    train(cfg)
    assert_equal(left_by(tmp_path / "b"), expected)


def test_an_epoch_that_is_not_validated_counts_for_nothing(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    """Neither for patience, which 1 would be at its end, nor among the metrics of the best epoch."""
    metrics = train(compose(*OPTIONS, f"paths.runs_dir={tmp_path}"))
    left = left_by(tmp_path)
    assert left["why"] == "max_steps"
    assert left["best"].epoch == 1
    assert left["best"].is_last
    row = left["rows"][left["best"].epoch]
    assert {k: v for k, v in metrics.items() if k.startswith("train/")} == {
        k: v for k, v in row.items() if k.startswith("train/")
    }
