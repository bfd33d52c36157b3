"""The overhead per step of training as shipped over a raw loop: ``python -m benchmarks.overhead model=lstm``.

A ladder from a raw loop to training as shipped, one more thing on each rung. All rungs train copies of the same task
on the same batches. They run between the epochs of the shipped training, so that a slow minute of the machine hits all
of them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor

from benchmarks import CONF
from benchmarks.statistics import median_interval
from benchmarks.tables import show
from src.config.errors import UserError
from src.config.shell import command
from src.data.batches import Batch
from src.data.module import SequenceData
from src.tasks.base import Task
from src.tasks.build import build
from src.tasks.music import PolyphonicMusic
from src.training.callbacks import Watch
from src.training.job import Job
from src.training.trainer import build_trainer

RAW, LOSSES, LOADER, NOTES = "raw loop", "+ the task's losses", "+ the loader's batches", "+ metrics and clipping"
BARE, SHIPPED, OUTSIDE = "Lightning's loop instead", "training as shipped", "between epochs"


def overhead(cfg: DictConfig) -> dict[str, list[float]]:
    """Train as ``src.train`` does, with plain loops over the same batches between the epochs, and print both.

    Args:
        cfg: a config composed from ``benchmarks/conf/overhead.yaml``.

    Returns:
        As `climb` does.

    Raises:
        UserError: in one sentence, when the config cannot be trained.
    """
    milliseconds = climb(cfg)
    show([table(milliseconds)])
    return milliseconds


def climb(cfg: DictConfig) -> dict[str, list[float]]:
    """Train as shipped with the other rungs between its epochs.

    Args:
        cfg: as for training; ``trainer.max_epochs`` is the number of rounds, of which the first is dropped.

    Returns:
        Milliseconds of a step by rung, and under :data:`OUTSIDE` milliseconds an epoch for everything but the
        training batches (validation, checkpoints, rows of metrics.csv), one entry for each epoch.

    Raises:
        UserError: when the task is not music, the device no CPU, or there are fewer than two epochs.
    """
    if cfg.trainer.accelerator != "cpu" or cfg.trainer.devices != 1:
        raise UserError("overhead is measured in a single CPU process: use trainer=cpu.")
    if not cfg.trainer.max_epochs or cfg.trainer.max_epochs < 2:
        raise UserError(
            f"trainer.max_epochs={cfg.trainer.max_epochs} is too few: it must be 2 or more, one to warm up."
        )
    if "mode" in (cfg.logger or {}):
        cfg.logger.mode = "offline"  # what is trained here belongs on nobody's dashboard
    torch.set_num_threads(cfg.threads)
    with Job(cfg) as job:
        data, task = build(cfg)
        if not isinstance(task, PolyphonicMusic):
            raise UserError(
                "overhead's raw loop supports music only: use data=jsb_chorales or another set of piano rolls."
            )
        job.identify(data, task)
        rungs = Rungs(task, data, cfg.trainer.gradient_clip_val)
        trainer = build_trainer(cfg, job.record, task, job.start_loggers())
        trainer.callbacks.append(rungs)  # type: ignore[attr-defined]
        trainer.fit(task, datamodule=data)
    watch = next(c for c in trainer.callbacks if isinstance(c, Watch)).measured  # type: ignore[attr-defined]
    steps = watch["steps"] / len(watch["elapsed"])
    milliseconds = {name: [1e3 * s / steps for s in seconds[1:]] for name, seconds in rungs.seconds.items()}
    milliseconds[SHIPPED] = [1e3 * s / steps for s in watch["epoch_seconds"][1:]]
    whole = [b - a for a, b in zip(watch["elapsed"], watch["elapsed"][1:], strict=False)]
    parts = zip(whole, watch["epoch_seconds"][1:], rungs.took, strict=False)
    milliseconds[OUTSIDE] = [1e3 * (all_ - training - others) for all_, training, others in parts]
    return milliseconds


class Rungs(pl.Callback):
    """Runs an epoch of each rung after every epoch of the shipped training.

    Args:
        task: copied before it is trained.
        data: read already.
        clip: the norm that gradients are clipped to; None: not at all.

    Attributes:
        seconds: of the training batches of an epoch, by rung.
        took: seconds of all rungs together, by epoch.
    """

    def __init__(self, task: Task, data: SequenceData, clip: float | None) -> None:
        self.data, self.clip = data, clip
        self.rungs: dict[str, Callable[[], float]] = {
            RAW: self._loop(copy.deepcopy(task), raw_loss, prepared=True),
            LOSSES: self._loop(copy.deepcopy(task), task_loss, prepared=True),
            LOADER: self._loop(copy.deepcopy(task), task_loss),
            NOTES: self._loop(copy.deepcopy(task), noted_loss, clip=clip),
            BARE: self._bare(copy.deepcopy(task)),
        }
        self.seconds: dict[str, list[float]] = {name: [] for name in self.rungs}
        self.took: list[float] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Run every rung for an epoch, in an order that rotates."""
        began, names = time.perf_counter(), list(self.rungs)
        start = trainer.current_epoch % len(names)
        for name in names[start:] + names[:start]:
            self.seconds[name].append(self.rungs[name]())
        self.took.append(time.perf_counter() - began)

    def _loop(
        self, task: Task, loss: Callable[[Any, Batch], Tensor], prepared: bool = False, clip: float | None = None
    ) -> Callable[[], float]:
        optimizer = task.configure_optimizers()
        optimizer = optimizer["optimizer"] if isinstance(optimizer, dict) else optimizer
        loader: Iterable[Batch] = self.data.train_dataloader()
        batches = list(loader) if prepared else loader

        def epoch() -> float:
            began = time.perf_counter()
            for batch in batches:
                optimizer.zero_grad()
                loss(task, batch).backward()
                if clip is not None:
                    torch.nn.utils.clip_grad_norm_(task.parameters(), clip)
                optimizer.step()
            seconds = time.perf_counter() - began
            task.sums["train"].reset()
            return seconds

        return epoch

    def _bare(self, task: Task) -> Callable[[], float]:
        loader = self.data.train_dataloader()

        def epoch() -> float:
            watch = Watch()
            trainer = pl.Trainer(
                accelerator="cpu", devices=1, max_epochs=1, limit_val_batches=0, gradient_clip_val=self.clip,
                logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                use_distributed_sampler=False, callbacks=[watch],
            )  # fmt: skip
            trainer.fit(task, loader, self.data.val_dataloader())
            task.sums["train"].reset()
            return float(watch.measured["epoch_seconds"][0])

        return epoch


def raw_loss(task: PolyphonicMusic, batch: Batch) -> Tensor:
    """Return a hand-written training loss: cross-entropy over the valid steps."""
    logits = task.head(task.network(batch.x, lengths=batch.lengths)[0])
    per_step = F.binary_cross_entropy_with_logits(logits, batch.y.to(logits.dtype), reduction="none").sum(-1)
    return (per_step * batch.mask).sum() / batch.lengths.sum()


def task_loss(task: Task, batch: Batch) -> Tensor:
    """Return the task's training loss, which also computes the sums for its metrics."""
    return task.reduce(task.losses(batch))


def noted_loss(task: Task, batch: Batch) -> Tensor:
    """Return the same, and update the metrics."""
    return task.training_step(batch, 0)


def table(milliseconds: dict[str, list[float]]) -> Table:
    """Medians with intervals, and what each rung is above the raw loop, epoch by epoch."""
    shown = Table("a training step", title="The overhead around the kernel", title_justify="left")
    for name in ("ms", "interval", "above the raw loop, ms", "interval"):
        shown.add_column(name, justify="right")
    for name, times in milliseconds.items():
        if name == OUTSIDE:
            continue
        here = median_interval(times)
        over = median_interval([t - r for t, r in zip(times, milliseconds[RAW], strict=True)])
        cells = [f"{over.value:.2f}", f"{over.low:.2f} to {over.high:.2f}"] if name != RAW else []
        shown.add_row(name, f"{here.value:.2f}", f"{here.low:.2f} to {here.high:.2f}", *cells)
    shown.add_section()
    outside = median_interval(milliseconds[OUTSIDE])
    shown.add_row(f"{OUTSIDE}, each", f"{outside.value:.0f}", f"{outside.low:.0f} to {outside.high:.0f}")
    return shown


def main() -> None:
    """Run the command line."""
    command("overhead", overhead, CONF)


if __name__ == "__main__":
    main()
