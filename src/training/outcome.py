"""The outcome of training: the best epoch, its metrics, and the final table."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Timer
from torch import Tensor

from src.config.digits import three
from src.config.screen import printable, screen
from src.data.module import SequenceData
from src.files import from_here
from src.runs.load import read_checkpoint
from src.runs.metrics_file import Row, read_metrics
from src.runs.result import Best, RunResult, StopReason, Timing
from src.tasks.base import SPLITS, Task
from src.training import by_series
from src.training.callbacks import BestCheckpoint, Watch
from src.training.divergence import check_validation
from src.training.job import Job
from src.training.trainer import measure
from src.training.wandb_folders import sync_command

log = logging.getLogger(__name__)


def note_training(trainer: pl.Trainer, job: Job, task: Task, untrained: Callable[[], float]) -> None:
    """Record why training ended, which epoch was best and how long everything took.

    Raises:
        Diverged: the best validation loss is far above that of trivial predictors (:mod:`src.training.divergence`).
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    watch = next(callback for callback in callbacks if isinstance(callback, Watch)).measured
    elapsed, seconds = watch["elapsed"], sum(watch["epoch_seconds"])
    rows = read_metrics(job.record.directory / "metrics.csv")
    diverged = check_validation(rows, job.record.result.val_baselines, task.loss_name, untrained)
    keeper, best = next((c for c in callbacks if isinstance(c, BestCheckpoint)), None), None
    if not diverged and keeper is not None and keeper.best_model_score is not None:
        epoch = int(read_checkpoint(job.record.checkpoints / "best.ckpt")["epoch"])
        best = Best(epoch, float(keeper.best_model_score), task.monitor)
        # A run whose last validation was the best might have improved further.
        last = next((row for row in reversed(rows) if task.monitor in row), None)
        best = replace(best, is_last=last is None or last is row_of(best, rows))
    busy = job.machine_load.busy_cores()
    timing = Timing(
        epochs=len(elapsed),
        updates=trainer.global_step,
        seconds=elapsed[-1] if elapsed else 0.0,
        seconds_per_epoch=seconds / max(len(watch["epoch_seconds"]), 1),
        steps_per_second=watch["steps"] / max(seconds, 1e-9),
        sequences_per_second=watch["sequences"] / max(seconds, 1e-9),
        seconds_to_best=elapsed[best.epoch] if best is not None and best.epoch < len(elapsed) else None,
        others_busy_cores=busy,
        shared=None if busy is None else busy > 0.1,
    )
    job.record.note(timing=timing, best=best, stop_reason=stop_reason(trainer))
    if watch.get("left_out"):
        note_data(job, {"train/left_out": round(watch["left_out"], 4)})
    if diverged:
        raise diverged


def row_of(best: Best, rows: Sequence[Row]) -> Row:
    """Return the row of the best validation, one of several in its epoch if ``val_check_interval`` is set."""
    found = [row for row in rows if row.get("epoch") == best.epoch and best.monitor in row]
    same = [row for row in found if row[best.monitor] == best.value]
    return min(same or found, key=lambda row: row.get("val/loss", math.inf), default={})


def loss_with(weights: dict[str, Tensor], cfg: DictConfig, task: Task, data: SequenceData) -> float:
    """Return a task's validation loss with other weights, which replace its own."""
    task.load_state_dict(weights)
    return measure(task, data, "val", cfg.trainer)["val/loss"]


def stop_reason(trainer: pl.Trainer) -> StopReason | None:
    """Return why training ended; None if it was for another reason than these.

    If patience and a limit ran out in the same epoch it is ``patience``: no higher limit would have continued it.
    """
    if any(callback.wait_count >= max(callback.patience, 1) for callback in trainer.early_stopping_callbacks):
        return "patience"
    if 0 <= trainer.max_steps <= trainer.global_step:
        return "max_steps"
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch:
        return "max_epochs"
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # type: ignore[attr-defined]
    seconds_left = [seconds for timer in timers if (seconds := timer.time_remaining()) is not None]
    return "max_time" if seconds_left and min(seconds_left) <= 0 else None


def final_metrics(cfg: DictConfig, job: Job, task: Task, data: SequenceData) -> dict[str, float]:
    """Return metrics of the best epoch: ``train/`` as logged in it, ``val/`` and ``test/`` measured with its weights.

    Losses and predictions by sequence are written to ``sequences/``.
    """
    metrics: dict[str, float] = {}
    weights, best = job.record.checkpoints / "best.ckpt", job.record.result.best
    if best is not None and weights.is_file():
        task.load_state_dict(read_checkpoint(weights)["state_dict"])
        row = row_of(best, read_metrics(job.record.directory / "metrics.csv"))
        metrics |= {k: float(v) for k, v in row.items() if k.startswith("train/")}
    for split in ("val", "test") if cfg.test else ("val",):
        metrics |= measure(task, data, split, cfg.trainer)
        if split in task.tables:
            columns = task.tables[split].columns()
            origins = {name: values[columns["row"]] for name, values in data.origins(split).items()}
            job.record.write_sequences(split, columns | origins)
            if split == "test" and data.series_names:
                rows = by_series.by_series(task.metrics_declared, columns | origins, data.series_names, task.neutral)
                log.info(by_series.write(job.record.directory, rows))
    note_data(job, {name: value for name, value in data.notes.items() if name.endswith("/measured")})
    return metrics


def note_data(job: Job, notes: dict[str, Any]) -> None:
    """Add notes to the record of the data."""
    facts = job.record.result.data
    job.record.note(data=replace(facts, notes=facts.notes | notes))


def show(result: RunResult, directory: Path) -> None:
    """Print the table of results and, last, their location."""
    if result.status == "diverged":
        print(printable(f"Diverged. {result.error}"))
    elif result.metrics:
        best = f", best epoch {result.best.epoch}" if result.best else ""
        print_metrics(result.metrics, result.baselines, f"{result.name}{best}{parts(result.data.notes)}")
    if command := sync_command(directory):
        print(f"next: {command}")
    print(from_here(directory))


def parts(notes: Mapping[str, Any]) -> str:
    """Return the addition to a table's title if the batches of a split were limited.

    >>> parts({"test/measured": 0.25})
    ', on 25% of the batches of test'
    """
    shares = {name: notes.get(f"{name}/measured") for name in ("val", "test")}
    return "".join(f", on {share:.0%} of the batches of {name}" for name, share in shares.items() if share)


def print_metrics(metrics: dict[str, float], baselines: dict[str, float], title: str) -> None:
    """Print metrics by name and split, with trivial baselines."""
    from rich.table import Table

    splits = [s for s in SPLITS if any(k.startswith(f"{s}/") for k in metrics)]
    kinds = sorted({key.rpartition("/")[0] for key in baselines})
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for split in splits:
        table.add_column(split, justify="right")
    for kind in kinds:
        table.add_column(kind, justify="right", style="dim")
    for name in dict.fromkeys(key.partition("/")[2] for key in metrics):
        if name == "loss":  # also present under the task's own name
            continue
        values = [metrics.get(f"{split}/{name}") for split in splits]
        values += [baselines.get(f"{kind}/{name}") for kind in kinds]
        table.add_row(name, *map(three, values))
    screen().print(table)
