"""A run killed at any moment and resumed ends as one that was never disturbed, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs, read_record
from src.tasks.base import Task
from src.train import train
from src.training.callbacks import Watch

OPTIONS = (
    "model.num_layers=2", "model.dropout=0.3", "trainer.max_epochs=6", "scheduler=plateau", "scheduler.patience=0",
    "callbacks=no_early_stopping", "callbacks.last.every_seconds=0",
)  # fmt: skip
PROGRAM = """
import sys
from omegaconf import OmegaConf
from src.train import train
train(OmegaConf.load(sys.argv[1]))
"""


def test_killed_and_resumed_equals_undisturbed(quick: Callable[..., DictConfig], tmp_path: Path) -> None:
    undisturbed = quick(*OPTIONS, f"paths.runs_dir={tmp_path / 'a'}")
    expected = train(undisturbed)
    (a, record_a), *_ = find_runs(tmp_path / "a")

    cfg = quick(*OPTIONS, f"paths.runs_dir={tmp_path / 'b'}")
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    victim = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / "config.yaml")])
    deadline = time.monotonic() + 120
    while not list((tmp_path / "b").glob("*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    (b, cut), *_ = find_runs(tmp_path / "b")
    assert cut.status == "interrupted"
    assert cut.identity == record_a.identity

    cfg.ckpt = "auto"
    assert train(cfg) == expected
    assert [directory for directory, _ in find_runs(tmp_path / "b")] == [b]
    record_b = read_record(b)
    assert record_b is not None
    assert record_b.attempts == 2
    assert record_b.timing.updates == record_a.timing.updates
    rows_a, rows_b = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(d / "metrics.csv")] for d in (a, b)
    )
    assert rows_a == rows_b
    last_a, last_b = (read_checkpoint(d / "checkpoints" / "last.ckpt") for d in (a, b))
    assert all(torch.equal(v, last_b["state_dict"][k]) for k, v in last_a["state_dict"].items())
    assert last_a["lr_schedulers"] == last_b["lr_schedulers"]
    assert last_a["lr_schedulers"][0]["last_epoch"] == 6
    noise_a, noise_b = (last["callbacks"]["NoiseStream"]["cpu"] for last in (last_a, last_b))
    assert torch.equal(noise_a, noise_b)


Compose = Callable[..., DictConfig]


def interrupted(monkeypatch: pytest.MonkeyPatch, cfg: DictConfig, where: type, hook: str, at: int) -> None:
    """Train until a hook is called for the ``at``-th time, and stop there as Ctrl-C would."""
    calls = iter(range(1, 1000))
    real = getattr(where, hook)

    def stop(*arguments: Any) -> Any:
        if next(calls) == at:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(where, hook, stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(cfg)


def rows_of(runs: Path) -> list[dict[str, float]]:
    (directory, _), *_ = find_runs(runs)
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(directory / "metrics.csv")]


@pytest.mark.parametrize("cap", ["trainer.max_epochs=6", "trainer.max_steps=150", "trainer.max_steps=162"])
def test_interrupted_three_times_it_still_ends_as_undisturbed(
    cap: str, quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = () if "epochs" in cap else ("trainer.max_epochs=1000",)
    options = (cap, *epochs, "callbacks.last.every_seconds=0", "callbacks.early_stopping.patience=6")
    expected = train(quick(*options, f"paths.runs_dir={tmp_path / 'a'}"))
    cfg = quick(*options, f"paths.runs_dir={tmp_path / 'b'}", "ckpt=auto")
    interrupted(monkeypatch, cfg, Watch, "on_train_epoch_start", at=3)
    interrupted(monkeypatch, cfg, Watch, "on_train_epoch_start", at=2)
    interrupted(monkeypatch, cfg, Watch, "on_train_epoch_start", at=2)
    assert train(cfg) == expected
    ((_, record),) = find_runs(tmp_path / "b")
    assert record.attempts == 4
    assert rows_of(tmp_path / "b") == rows_of(tmp_path / "a")


def test_interrupted_after_early_stopping_it_trains_no_further(
    quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (
        "trainer.max_epochs=60", "callbacks.early_stopping.patience=1", "optimizer.lr=0.1",
        "callbacks.last.every_seconds=0",
    )  # fmt: skip
    expected = train(quick(*options, f"paths.runs_dir={tmp_path / 'a'}"))
    cfg = quick(*options, f"paths.runs_dir={tmp_path / 'b'}", "ckpt=auto")
    interrupted(monkeypatch, cfg, Task, "on_validation_epoch_end", at=len(rows_of(tmp_path / "a")))  # of the best epoch
    assert train(cfg) == expected
    rows = rows_of(tmp_path / "a")
    assert 2 < len(rows) < 60
    assert rows_of(tmp_path / "b") == rows


def test_auto_starts_anew_where_nothing_is_unfinished(quick: Callable[..., DictConfig], tmp_path: Path) -> None:
    first = train(quick("trainer.max_epochs=1"))
    second = train(quick("trainer.max_epochs=1", "ckpt=auto"))
    assert first == second
    assert len(list(find_runs(tmp_path / "runs"))) == 2


def test_auto_leaves_an_unfinished_run_of_a_study_to_the_study(
    quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = "++study_job={study: s, phase: final, model: gru, data: ucr, arm: main, id: x}"
    of_study = tmp_path / "runs" / "s" / "x"
    interrupted(monkeypatch, quick("ckpt=auto", job, f"paths.run_dir={of_study}"), Watch, "on_train_epoch_start", at=1)
    before = (of_study / "result.json").read_bytes()
    train(quick("ckpt=auto"))
    assert (of_study / "result.json").read_bytes() == before
    assert len(list(find_runs(tmp_path / "runs"))) == 2


@pytest.mark.parametrize("damage", ["truncated", "a bit", "something else"])
def test_a_study_begins_a_run_anew_whose_checkpoint_is_damaged(
    damage: str, quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = "study_job={study: s, phase: final, model: gru, data: ucr, arm: main, id: x}"
    options = ("trainer.max_epochs=3", "callbacks.last.every_seconds=0", "ckpt=auto", f"++{job}")
    expected = train(quick(*options, f"paths.run_dir={tmp_path / 'a' / 'x'}"))
    cfg = quick(*options, f"paths.run_dir={tmp_path / 'b' / 'x'}")
    interrupted(monkeypatch, cfg, Watch, "on_train_epoch_start", at=3)
    last = tmp_path / "b" / "x" / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    weights = next(iter(read_checkpoint(last)["state_dict"].values())).numpy().tobytes()
    content[content.index(weights) + 5] ^= 8
    last.write_bytes({"truncated": content[:-500], "a bit": content, "something else": b"no"}[damage])
    with caplog.at_level("WARNING"):
        assert train(cfg) == expected
    assert any(str(last) in line and "starts from scratch" in line for line in caplog.messages)
    assert rows_of(tmp_path / "b") == rows_of(tmp_path / "a")


@pytest.mark.parametrize("way", ["moved", "path"])
def test_what_is_best_travels_in_the_checkpoint(
    way: str, quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another directory the last epoch, which is worse than the one before the stop, must not become the best."""
    options = (
        "trainer.max_epochs=60", "callbacks.early_stopping.patience=1", "optimizer.lr=0.1",
        "callbacks.last.every_seconds=0",
    )  # fmt: skip
    expected = train(quick(*options, f"paths.runs_dir={tmp_path / 'a'}"))
    ((_, undisturbed),) = find_runs(tmp_path / "a")
    epochs = undisturbed.timing.epochs
    cfg = quick(*options, f"paths.runs_dir={tmp_path / 'b'}", "ckpt=auto")
    interrupted(monkeypatch, cfg, Watch, "on_train_epoch_start", at=epochs)
    ((stopped, _),) = find_runs(tmp_path / "b")
    go_on = "auto"
    if way == "moved":
        (tmp_path / "b").rename(tmp_path / "c")
    else:
        (stopped / "checkpoints" / "best.ckpt").unlink()  # it is not looked for by its path
        go_on = f"{stopped / 'checkpoints' / 'last.ckpt'}"
    assert train(quick(*options, f"paths.runs_dir={tmp_path / 'c'}", f"ckpt={go_on}")) == expected
    ((_, record),) = find_runs(tmp_path / "c")
    assert record.best == undisturbed.best
    assert record.best is not None
    assert record.best.epoch < epochs - 1
    assert rows_of(tmp_path / "c") == rows_of(tmp_path / "a")


def test_a_checkpoint_of_an_earlier_version_needs_its_best_weights_beside_it(
    quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("trainer.max_epochs=3", "callbacks.last.every_seconds=0")
    interrupted(monkeypatch, quick(*options, f"paths.runs_dir={tmp_path / 'b'}"), Watch, "on_train_epoch_start", at=3)
    ((stopped, _),) = find_runs(tmp_path / "b")
    last = stopped / "checkpoints" / "last.ckpt"
    kept = read_checkpoint(last)
    for state in kept["callbacks"].values():
        state.pop("file", None)
    torch.save(kept, last)
    with pytest.raises(UserError, match=r"put the best\.ckpt from the checkpoint's folder there"):
        train(quick(*options, f"paths.runs_dir={tmp_path / 'c'}", f"ckpt={last}"))
    assert train(quick(*options, f"paths.runs_dir={tmp_path / 'b'}", "ckpt=auto"))
