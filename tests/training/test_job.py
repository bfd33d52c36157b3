"""The further processes of a run that a scheduler starts by itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from src.config.errors import UserError
from src.runs.record import RunRecord, read_record
from src.tasks.build import build
from src.train import train
from src.training.callbacks import Watch
from src.training.job import Job, settled

Compose = Callable[..., DictConfig]
PART = "study_job={study:s,phase:trial,model:gru,data:ucr,arm:main,id:'0123456789abcdef'}"


def test_a_further_process_goes_on_from_the_same_checkpoint(
    quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (PART, "ckpt=auto", "trainer.max_epochs=1", "test=false", f"paths.run_dir={tmp_path / 'run'}")
    cfg, other = quick(*options), quick(*options, "seed=1")
    assert followed(cfg, monkeypatch) is None
    monkeypatch.undo()
    metrics = train(cfg)
    assert followed(cfg, monkeypatch) == str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert followed(other, monkeypatch) is None
    assert settled(cfg) == metrics


def test_a_job_that_is_done_or_under_way_is_left_alone(
    quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cfg = quick(PART, "trainer.max_epochs=1", f"paths.run_dir={tmp_path / 'run'}")
    assert settled(quick(f"paths.run_dir={tmp_path / 'run'}")) is None
    assert settled(cfg) is None
    record = RunRecord(tmp_path / "run")
    record.begin({"seed": 0}, seed=0)
    assert settled(cfg) == {}
    assert caplog.messages.pop() == f"Another process is training {tmp_path / 'run'}; skipping it."
    assert train(cfg) == {}
    with monkeypatch.context() as patched:  # a further process of the run that is at work joins it
        patched.setattr(rank_zero_only, "rank", 1, raising=False)
        assert settled(cfg) is None
    record.end("failed", "why")
    assert settled(cfg) is None
    record.begin({"seed": 0}, seed=0)
    record.end("diverged", "the loss is nan")
    caplog.clear()
    assert settled(cfg) == train(cfg) == {}
    assert not caplog.messages


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("trainer.max_epochs=2",), "max_epochs"),
        (("trainer.max_epochs=50", "trainer.max_steps=40"), "max_steps"),
        (("trainer.max_epochs=50", "callbacks.early_stopping.patience=1", "optimizer.lr=0.3"), "patience"),
        (("trainer.max_epochs=5000", "trainer.max_time={seconds:1}"), "max_time"),
    ],
)
def test_why_training_ended_is_on_record(options: tuple[str, ...], reason: str, quick: Compose, tmp_path: Path) -> None:
    train(quick(*options, "test=false", f"paths.run_dir={tmp_path / 'run'}"))
    record = read_record(tmp_path / "run")
    assert record is not None
    assert record.stop_reason == reason


def test_early_stopping_beats_a_cap_that_is_reached_with_it(quick: Compose, tmp_path: Path) -> None:
    stopped = ("callbacks.early_stopping.patience=1", "optimizer.lr=0.3", "test=false")
    train(quick(*stopped, "trainer.max_epochs=50", f"paths.run_dir={tmp_path / 'free'}"))
    free = read_record(tmp_path / "free")
    assert free is not None
    train(quick(*stopped, f"trainer.max_epochs={free.timing.epochs}", f"paths.run_dir={tmp_path / 'capped'}"))
    capped = read_record(tmp_path / "capped")
    assert capped is not None
    assert (capped.timing.epochs, capped.stop_reason) == (free.timing.epochs, "patience")


def test_who_stops_training_for_another_reason_is_not_guessed_at(
    quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Watch, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = True

    monkeypatch.setattr(Watch, "on_validation_end", stop)
    train(quick("test=false", "trainer.max_epochs=9", f"paths.run_dir={tmp_path / 'run'}"))
    record = read_record(tmp_path / "run")
    assert record is not None
    assert record.timing.epochs == 1
    assert record.stop_reason is None


def followed(cfg: DictConfig, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    with Job(cfg) as job:
        assert not job.main
        job.identify(*build(cfg))
    return job.checkpoint


def test_tasks_of_slurm_cannot_look_for_a_run(quick: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(UserError, match="use ckpt=PATH"):
        Job(quick("ckpt=auto"))
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    Job(quick("ckpt=auto"))


def test_slurms_variables_do_not_make_one_process_a_task_of_several(
    quick: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shell that Slurm has given four tasks a run is still one process; Lightning would refuse to train there."""
    for name, value in {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert "test/acc" in train(quick("trainer.max_epochs=1"))


def test_what_several_processes_leave_out_is_said(
    quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("src.data.tbptt.ChunkOrder.left_out", lambda self: 0.25)
    caplog.set_level("INFO")
    options = ("data=copy_memory", "data.length=2", "data.sizes=[16,8,8]", "data.chunk=10", "trainer.max_epochs=1")
    train(quick(*options, f"paths.run_dir={tmp_path / 'run'}"))
    record = read_record(tmp_path / "run")
    assert record is not None
    assert record.data.notes["train/left_out"] == 0.25
    assert any("25% of an epoch's batches are not read" in message for message in caplog.messages)


def test_an_unfinished_link_to_the_latest_run_goes_with_the_next_start(quick: Compose, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".latest.123").symlink_to("a")
    with Job(quick(f"paths.runs_dir={tmp_path / 'runs'}")):
        assert not list((tmp_path / "runs").glob(".latest.*"))
