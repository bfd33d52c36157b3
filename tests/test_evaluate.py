"""A run is rebuilt from its directory alone and gives what its record says, to the last digit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.evaluate import evaluate
from src.runs.load import load_run
from src.runs.record import find_runs
from src.train import train


@pytest.fixture
def run(quick: Callable[..., DictConfig], tmp_path: Path) -> Path:
    train(quick("model=lstm_bi", "trainer.max_epochs=1", "task.dropout=0.2"))
    ((directory, _),) = find_runs(tmp_path / "runs")
    moved = tmp_path / "elsewhere"
    shutil.move(directory, moved)
    return moved


def test_evaluation_equals_the_record(run: Path, compose: Callable[..., DictConfig]) -> None:
    record = load_run(run).record
    for split in ("val", "test"):
        cfg = compose(f"run={run}", f"split={split}", config_name="evaluate")
        found = evaluate(cfg)
        assert found
        assert found == {name: record.metrics[name] for name in found}


def test_a_run_from_a_gpu_is_measured_on_a_machine_without_one(run: Path, compose: Callable[..., DictConfig]) -> None:
    config = OmegaConf.load(run / "config.yaml")
    config.trainer.accelerator, config.trainer.precision = "gpu", "bf16-mixed"
    OmegaConf.save(config, run / "config.yaml")
    found = evaluate(compose(f"run={run}", "split=test", config_name="evaluate"))
    assert found == {name: load_run(run).record.metrics[name] for name in found}
    assert found


def test_float32_is_float32_in_cudnn_too(
    run: Path, quick: Callable[..., DictConfig], compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (
        lambda: evaluate(compose(f"run={run}", "split=test", config_name="evaluate")),
        lambda: train(quick("trainer.max_epochs=1", "test=false")),
    ):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
        command()
        assert not torch.backends.cudnn.allow_tf32


def test_a_notebook_gets_config_task_and_data(run: Path) -> None:
    loaded = load_run(run)
    assert loaded.config.model.hidden_size == 16
    assert not loaded.task.training
    batch = next(iter(loaded.data.test_dataloader()))
    assert loaded.task(batch).shape == (len(batch.lengths), 9)


def test_what_is_not_a_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be the directory of a run"):
        load_run(tmp_path)
    best = run / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        load_run(run)
    best.unlink()
    with pytest.raises(UserError, match="does not exist"):
        load_run(run)


def test_a_split_that_is_none_is_refused(run: Path, compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match="split=train is unknown: it must be val or test"):
        evaluate(compose(f"run={run}", "split=train", config_name="evaluate"))
