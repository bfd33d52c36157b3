"""Whole runs on the GPU: what they leave, how they are resumed, and what other machines make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from benchmarks import made_up
from src.data.batches import Batch
from src.evaluate import evaluate
from src.export import export
from src.predict import predict
from src.runs.load import load_run, read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs
from src.runs.result import RunResult
from src.train import train
from src.training.callbacks import LastCheckpoint
from tests.gpu.device import DEVICE, ON_CUDA, TRAINER, cuda_alone, on_gpu

pytestmark = on_gpu
Compose = Callable[..., DictConfig]

QUICK = (
    "model.hidden_size=16", "trainer.max_epochs=2", "logger=csv", "trainer.enable_progress_bar=false",
    "callbacks.last.every_seconds=0", TRAINER,
)  # fmt: skip
MODELS = ("gru", "gru_cho", "lstm_custom", "gru_bi", "lstm_stacked", "gru_residual", "lstm_coupled")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_up.labelled(folder / "labelled.npz", sequences=160)
    made_up.piano_rolls(folder / "music.npz", pieces=40)
    return folder


@pytest.fixture
def labelled(compose: Compose, data: Path) -> Compose:
    return lambda *more: compose(*QUICK, "data=npz", f"data.path={data / 'labelled.npz'}", *more)


@pytest.fixture
def music(compose: Compose, data: Path) -> Compose:
    path = data / "music.npz"
    return lambda *more: compose(
        *QUICK, "data=npz", f"data.path={path}", "data.task=music", "optimizer.lr=0.001", *more
    )


def trained(cfg: DictConfig) -> tuple[Path, RunResult]:
    train(cfg)
    return next(find_runs(Path(cfg.paths.runs_dir)))


@pytest.mark.parametrize("model", MODELS)
def test_a_run_equals_the_same_on_the_cpu(model: str, labelled: Compose, tmp_path: Path) -> None:
    _, record = trained(labelled(f"model={model}"))
    assert record.status == "finished"
    cpu = labelled(f"model={model}", "model.backend=reference", f"paths.runs_dir={tmp_path / 'cpu'}")
    cpu.trainer.accelerator = "cpu"
    _, expected = trained(cpu)
    for name, value in expected.metrics.items():
        if name.endswith("loss"):  # accuracies of few sequences jump
            assert record.metrics[name] == pytest.approx(value, rel=2e-3), name
    if ON_CUDA:
        assert record.memory.peak_gpu_mb
        assert record.hardware["gpu"]


def test_what_a_gpu_left_is_read_on_the_cpu(
    labelled: Compose, compose: Compose, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, record = trained(labelled("model=gru_bi"))
    kept = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert all(tensor.device.type == "cpu" for tensor in kept["state_dict"].values())
    assert next(load_run(run).task.parameters()).device.type == "cpu"
    written = predict(compose(f"run={run}", f"data.path={data / 'labelled.npz'}", config_name="predict"))
    assert written.read_text().count("\n") == 161
    assert export(compose(f"run={run}", config_name="export")).is_file()
    on_gpu = evaluate(compose(f"run={run}", "split=test", config_name="evaluate"))
    assert on_gpu == {name: record.metrics[name] for name in on_gpu}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = evaluate(compose(f"run={run}", "split=test", config_name="evaluate"))
    assert found["test/loss"] == pytest.approx(record.metrics["test/loss"], rel=1e-4)


def test_a_checkpoint_of_the_cpu_goes_on_here(labelled: Compose, tmp_path: Path) -> None:
    cpu = labelled("model=gru_cho", "trainer.max_epochs=1", f"paths.runs_dir={tmp_path / 'cpu'}")
    cpu.trainer.accelerator = "cpu"
    run, _ = trained(cpu)
    _, record = trained(labelled("model=gru_cho", f"ckpt={run / 'checkpoints' / 'last.ckpt'}"))
    assert record.status == "finished"
    assert record.timing.epochs == 2


@pytest.mark.parametrize("options", [("model=gru",), ("model=gru_cho",), ("model=lstm_stacked", "model.dropout=0.3")])
@pytest.mark.parametrize("deterministic", [False, True])
def test_interrupted_and_resumed_equals_undisturbed(
    options: tuple[str, ...], deterministic: bool, music: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit where that is promised: always on one kind of GPU, deterministic or not, for the cells tested."""
    options = (*options, "trainer.max_epochs=4", f"trainer.deterministic={deterministic}")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    a, undisturbed = trained(music(*options, f"paths.runs_dir={tmp_path / 'a'}"))
    cfg = music(*options, f"paths.runs_dir={tmp_path / 'b'}", "ckpt=auto")
    written = LastCheckpoint.on_train_epoch_end

    def stop(self: LastCheckpoint, trainer: Any, module: Any) -> None:
        written(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LastCheckpoint, "on_train_epoch_end", stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(cfg)
    b, resumed = trained(cfg)
    assert resumed.attempts == 2
    assert resumed.metrics == undisturbed.metrics
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(d / "metrics.csv")] for d in (a, b)
    ]
    assert rows[0] == rows[1]
    last = [read_checkpoint(d / "checkpoints" / "last.ckpt")["state_dict"] for d in (a, b)]
    assert all(torch.equal(value, last[1][name]) for name, value in last[0].items())
    torch.use_deterministic_algorithms(False)


def test_a_look_inside_while_it_trains(music: Compose) -> None:
    run, record = trained(music("model=gru_cho", "callbacks=explain", "callbacks.last.every_seconds=0"))
    assert record.status == "finished"
    assert (run / "inside" / "training.npz").is_file()


@cuda_alone
@pytest.mark.parametrize("task", ["labelled", "music", "copy_memory", "adding"])
def test_deterministic_algorithms_are_there(task: str, compose: Compose, data: Path, tmp_path: Path) -> None:
    sets = {
        "labelled": ("data=npz", f"data.path={data / 'labelled.npz'}", "model=gru_bi"),
        "music": ("data=npz", f"data.path={data / 'music.npz'}", "data.task=music", "model=lstm"),
        "copy_memory": ("data=copy_memory", "data.sizes=[200,40,40]", "model=gru_cho"),
        "adding": ("data=adding", "data.sizes=[200,40,40]", "model=lstm_custom"),
    }
    try:
        _, record = trained(compose(*QUICK, *sets[task], "trainer.deterministic=true"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert record.status == "finished"


@pytest.mark.parametrize("model", ["gru", "gru_cho", "lstm_custom"])
def test_mixed_precision(model: str, music: Compose) -> None:
    _, full = trained(music(f"model={model}"))
    _, mixed = trained(music(f"model={model}", *(["trainer.precision=bf16-mixed"] if ON_CUDA else [])))
    assert mixed.metrics["val/loss"] == pytest.approx(full.metrics["val/loss"], rel=0.02)


@cuda_alone
@pytest.mark.parametrize("options", [("model=gru",), ("model=gru_cho",), ("model=gru_bi",)])
def test_a_training_step_waits_for_nothing(
    options: tuple[str, ...], compose: Compose, data: Path, tmp_path: Path
) -> None:
    """But for one look at the loss in fifty steps (`src.training.callbacks.Watch`)."""
    made_up.labelled(tmp_path / "many.npz", sequences=400)
    path = tmp_path / "counted.json"
    count = {"_target_": "benchmarks.synchronisations.CountSynchronisations", "path": str(path)}
    node = f"+callbacks.count={{_target_:{count['_target_']},path:'{count['path']}'}}"
    train(compose(*QUICK, "data=npz", f"data.path={tmp_path / 'many.npz'}", "data.batch_size=4", *options, node))
    counted = json.loads(path.read_text())
    assert counted == {"steps": 30, "places": {}}


@cuda_alone
@pytest.mark.parametrize("accelerator", ["gpu", "cpu"])
def test_batches_for_a_gpu_alone_come_from_page_locked_memory(
    accelerator: str, labelled: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    real = Batch.to

    def to(self: Batch, device: Any) -> Batch:
        seen.append(self.x.is_pinned() and self.y.is_pinned())
        return real(self, device)

    monkeypatch.setattr(Batch, "to", to)
    cfg = labelled("model=gru")
    cfg.trainer.accelerator = accelerator
    train(cfg)
    assert set(seen) == {accelerator == "gpu"}


def test_predictions_on_the_gpu_are_those_of_the_cpu(labelled: Compose) -> None:
    from src.tasks.predictions import predictions

    run = load_run(trained(labelled("model=lstm_custom"))[0])
    expected = predictions(run.task, run.data.test_dataloader())
    found = predictions(run.task.to(DEVICE), run.data.test_dataloader())
    for name, column in expected.items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(found[name], column, atol=1e-4)
        else:
            np.testing.assert_array_equal(found[name], column)
