"""Progress display: one line per epoch in a terminal, a single line in a notebook."""

from __future__ import annotations

import sys
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm

from src.config.digits import three
from src.config.screen import screen


def bar() -> pl.callbacks.ProgressBar:
    """Return the progress bar that suits the output."""
    return EpochBar() if screen().is_jupyter else Progress(refresh_rate=10)


def monitored(trainer: pl.Trainer, task: Any) -> dict[str, str]:
    """Return the current value of the metric that selects the best epoch."""
    value = trainer.callback_metrics.get(str(task.monitor))
    return {} if value is None else {str(task.monitor): three(float(value))}


class Progress(pl.callbacks.RichProgressBar):
    """Lightning's progress bar with the monitored metric and without the run's version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return the metrics to show next to the bar."""
        return dict(monitored(trainer, pl_module))


class EpochBar(pl.callbacks.ProgressBar):
    """A single line of text that counts epochs and needs no widgets."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Show nothing (called by Lightning in all processes but the first)."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar."""
        self._shown = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the line, at the epoch from which training resumes."""
        most = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        begun = {"total": most, "initial": trainer.current_epoch, "unit": "epoch", "file": sys.stdout}
        self._bar = tqdm(**begun, disable=not getattr(self, "_shown", True))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count an epoch after its validation."""
        if self._bar is not None:
            self._bar.set_postfix(monitored(trainer, pl_module), refresh=False)
            self._bar.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.close()
