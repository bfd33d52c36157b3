"""Every argument of Lightning's trainer and every callback that it ships: the record holds, or a sentence says why not.

A record holds where it is of the epoch that was best on validation, and measuring its checkpoint again gives the same.
"""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, open_dict
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from src.config.errors import UserError
from src.config.schema.arguments import TRAINER_HAS
from src.runs.described import read_config
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs
from src.runs.result import RunResult
from src.tasks.build import build
from src.train import train
from src.training.trainer import measure

TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "trainer.max_epochs=4", "logger=csv", "trainer.enable_progress_bar=false",
)  # fmt: skip
Compose = Callable[..., DictConfig]


def trained(
    compose: Compose, runs: Path, trainer: dict[str, Any], callbacks: dict[str, Any], *more: str
) -> tuple[Path, RunResult]:
    """Train with further keys of ``trainer`` and ``callbacks``; the run's directory and record."""
    cfg = compose(*TINY, *more, f"paths.runs_dir={runs}")
    with open_dict(cfg):
        cfg.trainer.update(trainer)
        cfg.callbacks.update(callbacks)
    train(cfg)
    ((directory, record),) = find_runs(runs)
    return directory, record


def assert_holds(directory: Path, record: RunResult) -> None:
    """The record is of the best epoch by validation, which has a row of its own, and of its checkpoint's weights."""
    assert record.status == "finished"
    rows = [row for row in read_metrics(directory / "metrics.csv") if "val/loss" in row]
    assert [row["epoch"] for row in rows] == list(range(len(rows)))  # each epoch was validated once
    assert record.best is not None
    best = rows[record.best.epoch]
    assert record.best.value == best["val/loss"] == min(row["val/loss"] for row in rows)
    assert {k: v for k, v in best.items() if k.startswith("train/")} == {
        k: v for k, v in record.metrics.items() if k.startswith("train/")
    }
    assert record.metrics["val/loss"] == pytest.approx(best["val/loss"], rel=1e-9)
    config = read_config(directory)
    data, task = build(config)
    task.load_state_dict(read_checkpoint(directory / "checkpoints" / "best.ckpt")["state_dict"])
    for split in ("val", "test"):
        again = measure(task, data, split, config.trainer)
        assert again == {name: record.metrics[name] for name in again}
    assert {file.name for file in (directory / "checkpoints").glob("*.ckpt")} == {"best.ckpt", "last.ckpt"}


@pytest.fixture(scope="module")
def plain_metrics() -> dict[str, float]:
    """What a run without any of these gives, once there is one."""
    return {}


# Values to try of every argument that is not refused; those that may change what is computed stand in CHANGING.
NEUTRAL: dict[str, Any] = {
    "accelerator": "auto", "strategy": "auto", "devices": "auto", "num_nodes": 1, "precision": "32",
    "min_epochs": 2, "min_steps": 3, "max_time": "00:01:00:00", "limit_val_batches": 9, "limit_test_batches": 9,
    "num_sanity_val_steps": 1, "log_every_n_steps": 1, "enable_progress_bar": False, "enable_model_summary": True,
    "deterministic": True, "benchmark": True, "inference_mode": False, "profiler": "simple", "detect_anomaly": True,
    "sync_batchnorm": True, "enable_autolog_hparams": False, "gradient_clip_algorithm": "norm",
    "max_epochs": 4, "max_steps": 20, "gradient_clip_val": 1.0, "accumulate_grad_batches": 1,
    "limit_train_batches": 1.0, "fast_dev_run": False, "overfit_batches": 0.0, "val_check_interval": 1.0,
    "check_val_every_n_epoch": 1, "reload_dataloaders_every_n_epochs": 1, "use_distributed_sampler": False,
}  # fmt: skip
CHANGING: dict[str, Any] = {
    "max_epochs": 2, "max_steps": 13, "limit_train_batches": 3, "accumulate_grad_batches": 2,
    "gradient_clip_val": 0.01, "gradient_clip_algorithm": "value",
    "limit_val_batches": 0.5, "limit_test_batches": 0.5,
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "logger": False, "callbacks": [], "default_root_dir": "elsewhere", "enable_checkpointing": False, "plugins": [],
    "model_registry": "name", "limit_predict_batches": 3, "barebones": True,
}  # fmt: skip
ALSO_REFUSED = [
    ("strategy", "ddp"), ("strategy", "ddp_spawn"), ("devices", 2), ("precision", "transformer-engine"),
    ("limit_val_batches", 0), ("limit_train_batches", 0.0), ("use_distributed_sampler", True),
]  # fmt: skip


def test_every_argument_of_the_trainer_is_tried() -> None:
    arguments = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    assert arguments == NEUTRAL.keys() | REFUSED.keys()
    assert not NEUTRAL.keys() & REFUSED.keys()
    assert REFUSED.keys() == TRAINER_HAS.keys()


@pytest.mark.filterwarnings("ignore")
def test_arguments_that_change_nothing(compose: Compose, tmp_path: Path, plain_metrics: dict[str, float]) -> None:
    """All together give the metrics of a run without them."""
    if not plain_metrics:
        plain_metrics |= trained(compose, tmp_path / "plain", {}, {})[1].metrics
    directory, record = trained(compose, tmp_path / "all", NEUTRAL, {})
    torch.use_deterministic_algorithms(False)
    assert_holds(directory, record)
    assert record.metrics == plain_metrics
    assert record.timing.seconds_per_epoch is not None
    assert record.timing.seconds_per_epoch < 60  # the sanity check is no epoch


@pytest.mark.parametrize(("name", "value"), CHANGING.items())
def test_an_argument_that_changes_the_result(name: str, value: Any, compose: Compose, tmp_path: Path) -> None:
    assert_holds(*trained(compose, tmp_path, {name: value}, {}, "data.eval_batch_size=8"))


@pytest.mark.parametrize(("name", "value"), [*REFUSED.items(), *ALSO_REFUSED])
def test_an_argument_with_which_the_record_would_not_hold(
    name: str, value: Any, compose: Compose, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"^trainer\.\w+(=.*:| must be) .*\.$"):
        trained(compose, tmp_path, {name: value}, {})
    assert not list(tmp_path.iterdir())  # before anything is written


def test_what_a_refusal_advises_is_accepted(compose: Compose, tmp_path: Path) -> None:
    settings = {"val_check_interval": 1.0, "check_val_every_n_epoch": 1, "limit_train_batches": 3}
    assert_holds(*trained(compose, tmp_path, settings, {}))


def throughput() -> pl.callbacks.ThroughputMonitor:
    return pl.callbacks.ThroughputMonitor(batch_size_fn=lambda batch: len(batch.lengths))


LIGHTNING = "pytorch_lightning.callbacks."
ALLOWED: dict[str, dict[str, Any]] = {  # with arguments; all are trained with together and change nothing
    "Callback": {}, "Checkpoint": {}, "LambdaCallback": {}, "DeviceStatsMonitor": {}, "LearningRateMonitor": {},
    "EarlyStopping": {"monitor": "val/mae", "patience": 50}, "GradientAccumulationScheduler": {"scheduling": {0: 1}},
    "ModelCheckpoint": {}, "ModelSummary": {}, "RichModelSummary": {}, "OnExceptionCheckpoint": {"dirpath": "x"},
    "Timer": {"duration": "00:01:00:00"}, "SpikeDetection": {"warmup": 1000},
    "ThroughputMonitor": {"_target_": f"{__name__}.throughput"},
}  # fmt: skip
BARS = {"ProgressBar": {}, "RichProgressBar": {}, "TQDMProgressBar": {}}
NOT_POSSIBLE: dict[str, dict[str, Any]] = {
    "BackboneFinetuning": {}, "BaseFinetuning": {}, "BasePredictionWriter": {}, "BatchSizeFinder": {},
    "LearningRateFinder": {}, "ModelPruning": {"pruning_fn": "l1_unstructured"},
    "StochasticWeightAveraging": {"swa_lrs": 0.01}, "WeightAveraging": {}, "EMAWeightAveraging": {},
}  # fmt: skip


def node(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"_target_": LIGHTNING + name, **arguments}


def test_every_callback_that_lightning_ships_is_tried() -> None:
    assert set(pl.callbacks.__all__) == ALLOWED.keys() | BARS.keys() | NOT_POSSIBLE.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ALLOWED)
def test_a_callback_that_changes_nothing(
    name: str, compose: Compose, tmp_path: Path, plain_metrics: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not plain_metrics:
        plain_metrics |= trained(compose, tmp_path / "plain", {}, {})[1].metrics
    if name == "DeviceStatsMonitor" and find_spec("psutil") is None:
        with pytest.raises(UserError, match="`psutil` is not installed"):
            trained(compose, tmp_path / "runs", {}, {"mine": node(name, {})})
        return
    directory, record = trained(compose, tmp_path / "runs", {}, {"mine": node(name, ALLOWED[name])})
    assert_holds(directory, record)
    assert record.metrics == plain_metrics


@pytest.mark.parametrize("name", BARS)
def test_a_progress_bar_of_ones_own_takes_the_place_of_ours(name: str, compose: Compose, tmp_path: Path) -> None:
    assert_holds(*trained(compose, tmp_path, {"enable_progress_bar": True, "max_epochs": 1}, {"mine": node(name, {})}))


def test_a_progress_bar_where_none_is_wanted_is_refused(compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="enable_progress_bar=False"):
        trained(compose, tmp_path, {}, {"mine": node("TQDMProgressBar", {})})


@pytest.mark.parametrize("name", NOT_POSSIBLE)
def test_a_callback_with_which_the_record_would_not_hold(name: str, compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^callbacks\.mine is a {name}, .*: .*\.$"):
        trained(compose, tmp_path, {}, {"mine": node(name, NOT_POSSIBLE[name])})


@pytest.mark.parametrize(
    "arguments",
    [
        {"save_last": True},
        {"monitor": "val/mae", "mode": "min", "save_top_k": 2},
        {"filename": "best", "save_weights_only": True, "monitor": "train/loss", "mode": "min"},
        {"every_n_train_steps": 2, "save_top_k": -1},
        {"monitor": "val/loss", "save_on_train_epoch_end": True},
    ],
    ids=lambda arguments: ",".join(arguments),
)
def test_a_checkpoint_of_ones_own_changes_nothing(
    arguments: dict[str, Any], compose: Compose, tmp_path: Path, plain_metrics: dict[str, float]
) -> None:
    if not plain_metrics:
        plain_metrics |= trained(compose, tmp_path / "plain", {}, {})[1].metrics
    directory, record = trained(compose, tmp_path / "runs", {}, {"mine": node("ModelCheckpoint", arguments)})
    assert_holds(directory, record)
    assert record.metrics == plain_metrics
    assert record.best is not None
    assert read_checkpoint(directory / "checkpoints" / "best.ckpt")["epoch"] == record.best.epoch
    assert list((directory / "checkpoints" / "mine").glob("*.ckpt"))


class Shrink(pl.Callback):
    """Changes the weights between two epochs."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with torch.no_grad():
            for weight in pl_module.parameters():
                weight *= 0.9


def test_what_is_kept_is_what_was_validated(compose: Compose, tmp_path: Path) -> None:
    """Also where a callback changes the weights after that."""
    assert_holds(*trained(compose, tmp_path, {}, {"mine": {"_target_": f"{__name__}.Shrink"}}))


def test_a_checkpoint_of_ones_own_in_the_place_of_ours_is_refused(compose: Compose, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    cfg = compose(*TINY, f"paths.runs_dir={tmp_path / 'runs'}", f"paths.run_dir={run}")
    with open_dict(cfg):
        cfg.callbacks.mine = node("ModelCheckpoint", {"dirpath": str(run / "checkpoints"), "filename": "best"})
    with pytest.raises(UserError, match=r"callbacks\.mine\.dirpath=.* is the run's checkpoint folder: choose another"):
        train(cfg)


def test_a_share_of_less_than_a_batch_is_refused(compose: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"0\.5 \* 1 < 1"):
        trained(compose, tmp_path, {"limit_val_batches": 0.5}, {})


def test_two_callbacks_that_lightning_cannot_tell_apart_are_refused(compose: Compose, tmp_path: Path) -> None:
    same = node("EarlyStopping", {"monitor": "val/loss", "mode": "min"})
    with pytest.raises(UserError, match="more than one stateful callback of type `EarlyStopping`"):
        trained(compose, tmp_path, {}, {"mine": same})


class Swapped(ModelCheckpoint):
    """A class of the user's own goes the way of what it is."""


def test_a_class_of_the_users_own_is_what_it_derives_from(tmp_path: Path) -> None:
    from src.training.refused import refuse_callbacks

    mine, stop = Swapped(), EarlyStopping("val/loss", check_on_train_epoch_end=True)
    refuse_callbacks({"mine": mine, "stop": stop}, tmp_path)
    assert mine.dirpath == str(tmp_path.resolve() / "mine")
    assert stop._check_on_train_epoch_end is False
    kind = type("Mine", (pl.callbacks.WeightAveraging,), {})
    with pytest.raises(UserError, match="is a Mine, which is not supported"):
        refuse_callbacks({"mine": kind()}, tmp_path)


@pytest.mark.parametrize("kind", ["data=adding", "data=text"])
def test_lightnings_own_predict_finds_the_test_set(kind: str, compose: Compose, tmp_path: Path) -> None:
    """Without a run of ours: every sequence once, whole, and what the task says of it."""
    (tmp_path / "a.txt").write_text("the cat sat on the mat and the hat\n" * 40)
    adding = ("data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8")
    more = adding if kind == "data=adding" else (f"data.path={tmp_path / 'a.txt'}", "data.batch_size=4")
    data, task = build(compose(kind, *more, "model.hidden_size=4"))
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    predictions = trainer.predict(task, datamodule=data)
    assert predictions is not None
    batches = list(data.test_dataloader())
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == list(range(len(data.splits["test"])))
    for prediction, batch in zip(predictions, batches, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(prediction, task.eval()(batch))
