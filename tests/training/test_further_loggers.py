"""Loggers beside metrics.csv, each read back by its own library; a package that is not here skips its test."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
from omegaconf import DictConfig

from src.config.errors import UserError
from src.runs.metrics_file import read_metrics
from src.runs.record import find_runs, read_record
from src.train import train

Compose = Callable[..., DictConfig]
TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "trainer.max_epochs=2", "trainer.enable_progress_bar=false",
)  # fmt: skip


@pytest.fixture
def tiny(compose: Compose) -> Compose:
    return lambda *more: compose(*TINY, *more)


@pytest.fixture(autouse=True)
def no_network(no_wandb_account: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staging"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def steps_of(directory: Path, name: str) -> list[tuple[int, float]]:
    return [(int(row["step"]), row[name]) for row in read_metrics(directory / "metrics.csv") if name in row]


def events(directory: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(directory / "tensorboard"))
    read.Reload()
    return [(event.step, event.value) for event in read.Scalars(name)]


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_holds_what_metrics_csv_holds_beside_wandb_too(tiny: Compose, tmp_path: Path) -> None:
    train(tiny("logger=[wandb,tensorboard]"))
    ((directory, record),) = find_runs(tmp_path / "runs")
    for name in ("train/loss", "val/mse", "test/mse"):
        assert events(directory, name) == [(s, pytest.approx(v)) for s, v in steps_of(directory, name)], name
    assert record.wandb.mode == "offline"
    assert list(directory.glob("wandb/offline-run-*/*.wandb"))
    assert "hidden_size: 4" in (directory / "tensorboard" / "hparams.yaml").read_text()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_a_resumed_run_is_on_tensorboard_once(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.training.callbacks import LastCheckpoint

    written = LastCheckpoint.on_train_epoch_end

    def cut(self: Any, trainer: pl.Trainer, *rest: Any) -> None:
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        written(self, trainer, *rest)

    options = ("logger=tensorboard", "trainer.max_epochs=4", "callbacks.last.every_seconds=0")
    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", cut)
    with pytest.raises(SystemExit):
        train(tiny(*options))
    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", written)
    train(tiny(*options, "ckpt=auto"))
    ((directory, record),) = find_runs(tmp_path / "runs")
    assert record.attempts == 2
    assert events(directory, "val/mse") == [(s, pytest.approx(v)) for s, v in steps_of(directory, "val/mse")]


@pytest.mark.skipif(find_spec("mlflow") is None or find_spec("sqlalchemy") is None, reason="mlflow is not installed")
def test_mlflow_holds_what_metrics_csv_holds(tiny: Compose, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    train(tiny("logger=mlflow", "logger.mlflow.experiment_name=mine"))
    ((directory, record),) = find_runs(tmp_path / "runs")
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    run = client.get_run(record.loggers["mlflow"])
    assert client.get_experiment(run.info.experiment_id).name == "mine"
    assert (run.info.run_name, run.info.status) == (record.name, "FINISHED")
    assert run.data.params["model/hidden_size"] == "4"
    for name in ("train/loss", "val/mse", "test/mse"):
        held = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
        assert held == [(s, pytest.approx(v)) for s, v in steps_of(directory, name)], name


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_package_that_is_missing_is_said_before_anything_begins(
    name: str, tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.training.further_loggers.find_spec", lambda module: None)
    with pytest.raises(UserError, match=f"^logger={name} needs the package {name}: pip install {name}\\.$"):
        train(tiny(f"logger={name}"))
    assert list(find_runs(tmp_path / "runs")) == []


class Seen(pl.Callback):
    """Which logger a callback of the user's own is shown."""

    kinds: ClassVar[list[str]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Notes it."""
        self.kinds[:] = [type(trainer.logger).__name__, type(pl_module.logger).__name__]


@pytest.mark.parametrize(
    ("choice", "kind"), [("[wandb,csv]", "WandbMirror"), ("csv", "MetricsCSV"), ("csv_of_lightning", "CSVLogger")]
)
def test_the_trainers_logger_is_the_one_that_was_chosen(choice: str, kind: str, tiny: Compose, tmp_path: Path) -> None:
    own = choice == "csv_of_lightning"
    more = ("logger=csv", "+logger.mine._target_=pytorch_lightning.loggers.CSVLogger") if own else (f"logger={choice}",)
    train(tiny(*more, "+callbacks.seen._target_=tests.training.test_further_loggers.Seen", "trainer.max_epochs=1"))
    assert Seen.kinds == [kind, kind]
    ((directory, record),) = find_runs(tmp_path / "runs")
    assert (record.wandb is not None) == (kind == "WandbMirror")
    assert bool(list(directory.glob("lightning_logs/version_0/metrics.csv"))) == own


def test_an_argument_that_no_logger_takes_is_said(tiny: Compose) -> None:
    target = "+logger.mine._target_=pytorch_lightning.loggers.CSVLogger"
    with pytest.raises(UserError, match=r"CSVLogger has no argument nme \(did you mean name\?\)"):
        train(tiny("logger=csv", target, "+logger.mine.nme=x"))


def wandb_run(directory: Path) -> Any:
    """The record of the run in its one offline folder, and the artifacts."""
    import json
    import subprocess
    import sys

    (file,) = directory.glob("wandb/offline-run-*/*.wandb")
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(file)]
    if not Path(command[0]).exists():  # an environment that sees another's packages
        import wandb

        command[0] = str(Path(wandb.__file__).parents[4] / "bin" / "wandb")
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    run = next(record["run"] for record in records if record["type"] == "run")
    return run, [record["artifact"] for record in records if record["type"] == "artifact"]


ENVIRONMENT = {
    "WANDB_PROJECT": "theirs",
    "WANDB_NAME": "fine",
    "WANDB_TAGS": "x,y",
    "WANDB_NOTES": "noted",
    "WANDB_RUN_ID": "abc123",
}


def test_wandbs_variables_count_where_the_config_leaves_a_field_open(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    train(tiny("logger=wandb", "trainer.max_epochs=1"))
    ((directory, record),) = find_runs(tmp_path / "runs")
    run, _ = wandb_run(tmp_path / "shared")
    assert (run["project"], run["display_name"], run["run_id"]) == ("theirs", "fine", "abc123")
    assert (run["tags"], run["notes"]) == (["x", "y"], "noted")
    assert record.wandb.id == "abc123"
    assert not (directory / "wandb").exists()


def test_the_config_counts_before_the_variables(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    train(
        tiny(
            *("logger=wandb", "trainer.max_epochs=1", "name=mine", "tags=abc", "logger.project=ours", "logger.id=run7"),
            *("logger.notes=said", "logger.log_model=true", "logger.offline=true", "logger.tags=first"),
        )
    )
    ((directory, record),) = find_runs(tmp_path / "runs")
    run, (artifact,) = wandb_run(directory)
    assert (run["project"], run["display_name"], run["run_id"]) == ("ours", "mine", "run7")
    assert (run["tags"], run["notes"]) == (["first", "abc"], "said")
    assert record.wandb.id == "run7"
    assert "best" in artifact["aliases"]
    size = (directory / "checkpoints" / "best.ckpt").stat().st_size
    assert [str(part["size"]) for part in artifact["manifest"]["contents"]] == [str(size)]


def test_offline_and_another_mode_exclude_each_other(tiny: Compose) -> None:
    with pytest.raises(UserError, match=r"logger\.offline=true and logger\.mode=online contradict each other"):
        train(tiny("logger=wandb", "logger.offline=true", "logger.mode=online"))


def test_a_resumed_run_keeps_its_id_in_wandb(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "first")
    place = f"paths.run_dir={tmp_path / 'runs' / 'one'}"

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr("src.training.outcome.measure", stopped)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(tiny("logger=wandb", place))
    monkeypatch.setenv("WANDB_RUN_ID", "second")
    train(tiny("logger=wandb", place))
    record = read_record(tmp_path / "runs" / "one")
    assert record is not None
    assert (record.attempts, record.wandb.id) == (2, "first")  # type: ignore[union-attr]
