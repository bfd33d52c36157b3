"""What is seen of a training while it runs: a line for each epoch on a terminal, one line in all in a notebook."""

from __future__ import annotations

import sys
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm

from src.config.screen import screen


def bar() -> pl.callbacks.ProgressBar:
    """The bar that fits where the output goes."""
    return EpochBar() if screen().is_jupyter else Progress(refresh_rate=10)


def monitored(trainer: pl.Trainer, task: Any) -> dict[str, str]:
    """The metric by which the best epoch is chosen, as it stands."""
    value = trainer.callback_metrics.get(str(task.monitor))
    return {} if value is None else {str(task.monitor): f"{float(value):.4g}"}


class Progress(pl.callbacks.RichProgressBar):
    """Lightning's bar, with the monitored metric beside it and without the run's version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands beside the bar."""
        return dict(monitored(trainer, pl_module))


class EpochBar(pl.callbacks.ProgressBar):
    """One line of text that counts epochs, which needs no widgets."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None

    def disable(self) -> None:
        """Show nothing (Lightning asks for it in all processes but the first)."""
        self._shown = False

    def enable(self) -> None:
        """Show the bar."""
        self._shown = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the line, where the training goes on from."""
        most = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        begun = {"total": most, "initial": trainer.current_epoch, "unit": "epoch", "file": sys.stdout}
        self._bar = tqdm(**begun, disable=not getattr(self, "_shown", True))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count an epoch, validated before."""
        if self._bar is not None:
            self._bar.set_postfix(monitored(trainer, pl_module), refresh=False)
            self._bar.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.close()
