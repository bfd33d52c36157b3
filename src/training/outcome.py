"""What a training came to: the best epoch, its metrics, and the table at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from src.data.module import SequenceData
from src.runs.load import read_checkpoint
from src.runs.metrics_file import read_metrics
from src.runs.record import RunRecord
from src.tasks.base import SPLITS, Task
from src.training.callbacks import Watch
from src.training.job import Job
from src.training.trainer import measure


def best_epoch(trainer: pl.Trainer, job: Job) -> dict[str, Any]:
    """Which epoch was best, and how long everything took, for the record."""
    watch = next(c for c in trainer.callbacks if isinstance(c, Watch)).measured  # type: ignore[attr-defined]
    seconds = watch["epoch_seconds"]
    facts: dict[str, Any] = {
        "timing": {
            "epochs": len(watch["elapsed"]),
            "updates": trainer.global_step,
            "seconds": watch["elapsed"][-1] if watch["elapsed"] else 0.0,
            "seconds_per_epoch": sum(seconds) / max(len(seconds), 1),
            "steps_per_second": watch["steps"] / max(sum(seconds), 1e-9),
            "sequences_per_second": watch["sequences"] / max(sum(seconds), 1e-9),
            **job.shared(),
        }
    }
    keeper = next((c for c in trainer.callbacks if isinstance(c, ModelCheckpoint)), None)  # type: ignore[attr-defined]
    if keeper is None or keeper.best_model_score is None:
        return facts
    epoch = int(read_checkpoint(job.record.checkpoints / "best.ckpt")["epoch"])
    facts["best"] = {
        "epoch": epoch,
        "monitor": keeper.monitor,
        "value": float(keeper.best_model_score),
        # A run whose best epoch is its last might have gone on improving.
        "is_last": epoch == len(watch["elapsed"]) - 1,
    }
    facts["timing"]["seconds_to_best"] = watch["elapsed"][epoch] if epoch < len(watch["elapsed"]) else math.nan
    return facts


def final_metrics(cfg: DictConfig, job: Job, task: Task, data: SequenceData) -> dict[str, float]:
    """Metrics of the best epoch: ``train/`` as logged in it, ``val/`` and ``test/`` measured with its weights.

    The sequences' losses and predictions go to ``sequences/``.
    """
    metrics: dict[str, float] = {}
    best = job.record.checkpoints / "best.ckpt"
    if best.is_file() and "best" in job.record.content:
        task.load_state_dict(read_checkpoint(best)["state_dict"])
        rows = [
            r
            for r in read_metrics(job.record.directory / "metrics.csv")
            if r.get("epoch") == job.record.content["best"]["epoch"]
        ]
        metrics |= {k: float(v) for row in rows for k, v in row.items() if k.startswith("train/")}
    for split in ("val", "test") if cfg.test else ("val",):
        metrics |= measure(task, data, split, cfg.trainer)
        if split in task.tables:
            job.record.write_sequences(split, task.tables[split].columns())
    return metrics


def show(record: RunRecord) -> None:
    """Print the table of results and, last, where they lie."""
    content = record.content
    if content["status"] == "diverged":
        print(f"Diverged. {content['error']}")
    elif content.get("metrics"):
        best = f", best epoch {content['best']['epoch']}" if "best" in content else ""
        print_metrics(content["metrics"], content.get("baselines", {}), content["name"] + best)
    here = Path.cwd()
    print(record.directory.relative_to(here) if record.directory.is_relative_to(here) else record.directory)


def print_metrics(metrics: dict[str, float], baselines: dict[str, float], title: str) -> None:
    """A table of metrics by name and split, trivial baselines beside them."""
    from rich.console import Console
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
        if name == "loss":  # stands there under the task's own name too
            continue
        cells = [metrics.get(f"{split}/{name}") for split in splits] + [
            baselines.get(f"{kind}/{name}") for kind in kinds
        ]
        table.add_row(name, *("" if value is None else f"{value:.6g}" for value in cells))
    Console().print(table)
