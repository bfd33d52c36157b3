"""The look inside while training: the same results with it and without, its own time bounded, pictures at the end."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger

from src.explaining import callback
from src.explaining.callback import Explain
from src.runs.load import load_run, read_checkpoint
from src.runs.record import RunRecord
from src.tasks.build import build
from src.train import train
from src.training.trainer import build_trainer

Compose = Callable[..., DictConfig]
SMALL = ("model.hidden_size=6", "callbacks.explain.sequences=3")


def trained(quick: Compose, run: Path, *overrides: str) -> Path:
    train(quick(f"paths.run_dir={run}", "trainer.max_epochs=4", *overrides))
    return run


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def looked(quick: Compose, tmp_path: Path) -> Path:
    return trained(quick, tmp_path / "runs" / "with", "callbacks=explain", "callbacks.explain.share=1", *SMALL)


def test_a_run_gives_the_same_results_with_it_and_without(quick: Compose, looked: Path) -> None:
    plain = trained(quick, looked.parent / "without", "model.hidden_size=6")
    ours, theirs = (json.loads((run / "result.json").read_text()) for run in (looked, plain))
    assert ours["metrics"] == theirs["metrics"]
    assert ours["identity"] == theirs["identity"]
    weights = [load_run(run).task.state_dict() for run in (looked, plain)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_it_looks_at_weights_of_any_precision_and_leaves_them_as_they_are(
    precision: str, quick: Compose, tmp_path: Path
) -> None:
    kinds = (f"trainer.precision={precision}", "model.hidden_size=6", "callbacks.last.every_seconds=0")
    plain = trained(quick, tmp_path / "without", *kinds)
    looked = trained(quick, tmp_path / "with", "callbacks=explain", "callbacks.explain.sequences=3", *kinds)
    ours, theirs = (json.loads((run / "result.json").read_text()) for run in (looked, plain))
    assert ours["metrics"] == theirs["metrics"]
    weights = [read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (looked, plain)]
    # Products in bfloat16 are not the same to the bit from process to process: they depend on where memory lies.
    rounding = {"rtol": 0.0, "atol": 0.0} if precision == "64-true" else {"rtol": 0.02, "atol": 0.02}
    torch.testing.assert_close(weights[0], weights[1], **rounding)
    assert [row["step"] for row in rows(looked) if row["inside/reach_l0"]][:1] == ["0"]
    assert (looked / "inside" / "training_gates_layer0.png").is_file()


def test_numbers_stand_beside_the_validation(looked: Path) -> None:
    first, *with_numbers = [row for row in rows(looked) if row["inside/reach_l0"]]
    assert (first["step"], first["val/nll"]) == ("0", "")  # as it was drawn
    assert [row["epoch"] for row in with_numbers] == ["0", "1", "3"]  # after 1, 2 and 4 epochs
    for row in with_numbers:
        assert row["val/nll"]
        assert 0 < float(row["inside/kept_l0"]) < 1
        assert float(row["inside/horizon_l0"]) > 1
        assert 0 <= float(row["inside/shut_l0"]) + float(row["inside/open_l0"]) <= 1


def test_the_curves_begin_with_the_network_as_it_was_drawn(looked: Path) -> None:
    with np.load(looked / "inside" / "training.npz") as found:
        assert found["epochs"].tolist() == [0, 1, 2, 4]
        curves = found["loss"]
    assert np.nanmax(np.abs(curves[:, 0] - 1)) == 0
    config = load_run(looked).config
    data, fresh = build(config)
    batch = callback.sample(data.splits["val"], data.description, 0, 3, 50)
    first = callback.look_inside(fresh.eval(), batch, 50).layers[-1].median
    np.testing.assert_array_equal(curves[0], first)
    assert not np.array_equal(curves[3], first)


def test_there_are_pictures_at_the_end(looked: Path) -> None:
    names = {file.name for file in (looked / "inside").iterdir()}
    pictures = {"training_gradients", "training_gates_layer0"}
    assert names == {"training.npz", *(f"{name}.{ending}" for name in pictures for ending in ("png", "svg"))}


def test_its_time_is_bounded(quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes far longer than an epoch is made at the start and at the end alone."""
    look = callback.look_inside

    def slow(*arguments: Any) -> Any:
        time.sleep(0.4)
        return look(*arguments)

    monkeypatch.setattr(callback, "look_inside", slow)
    run = trained(quick, tmp_path / "runs" / "slow", "callbacks=explain", "callbacks.explain.share=0.05", *SMALL)
    with np.load(run / "inside" / "training.npz") as found:
        assert found["epochs"].tolist() == [0, 4]
    looks = [row for row in rows(run) if row["inside/reach_l0"]]
    assert [row["epoch"] for row in looks] == ["0", "4"]
    assert looks[-1]["test/nll"]


class Album(Logger):
    """Notes which images come."""

    name, version = "", ""

    def __init__(self) -> None:
        self.images: list[str] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        pass

    def log_hyperparams(self, params: Any) -> None:
        pass

    def log_image(self, key: str, images: list[str]) -> None:
        assert all(Path(image).is_file() for image in images)
        self.images.append(key)


def fitted(quick: Compose, record: Any, epochs: int, checkpoint: str | None = None) -> tuple[Explain, Album]:
    cfg = quick("callbacks=explain", "callbacks.explain.share=1", f"trainer.max_epochs={epochs}", *SMALL)
    data, task = build(cfg)
    album = Album()
    trainer = build_trainer(cfg, record, task, [album])
    trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return next(c for c in trainer.callbacks if isinstance(c, Explain)), album  # type: ignore[attr-defined]


def test_pictures_go_to_loggers_that_take_them_and_a_resumed_run_goes_on(quick: Compose, tmp_path: Path) -> None:
    record = RunRecord(tmp_path / "run")
    first, album = fitted(quick, record, 2)
    assert sorted(album.images) == ["inside/training_gates_layer0", "inside/training_gradients"]
    kept = read_checkpoint(record.checkpoints / "last.ckpt")["callbacks"][first.state_key]["spent"]
    second, _ = fitted(quick, record, 4, str(record.checkpoints / "last.ckpt"))
    assert second.epochs == [0, 1, 2, 4]
    torch.testing.assert_close(second.curves[1], first.curves[1], rtol=0, atol=0, equal_nan=True)
    assert second.spent > kept > 0  # not of first: it drew pictures after its last checkpoint
