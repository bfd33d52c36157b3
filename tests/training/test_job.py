"""The further processes of a run that a scheduler starts by itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from src.config.errors import UserError
from src.tasks.build import build
from src.train import train
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
    train(cfg)
    assert followed(cfg, monkeypatch) == str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert followed(other, monkeypatch) is None
    assert settled(cfg)


def followed(cfg: DictConfig, monkeypatch: pytest.MonkeyPatch) -> str | None:
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    with Job(cfg) as job:
        assert not job.main
        job.identify(*build(cfg))
    return job.checkpoint


def test_tasks_of_slurm_cannot_look_for_a_run(quick: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(UserError, match="give ckpt=PATH"):
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
