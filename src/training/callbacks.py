"""Callbacks: the noise stream, best and last checkpoint, timing, and divergence."""

from __future__ import annotations

import copy
import logging
import math
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from src.config.errors import UserError
from src.files import write_atomically
from src.rng import derive
from src.training.divergence import check_loss, check_weights


class NoiseStream(pl.Callback):
    """Makes dropout and other noise draw from the stream ``noise``, and saves that stream's state in checkpoints.

    Each process of a distributed run has its own stream.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._kept: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the stream, or continue from the checkpoint."""
        if self._kept is None:
            torch.manual_seed(derive(self.seed, "noise", trainer.global_rank))
            return
        torch.set_rng_state(self._kept["cpu"])
        if self._kept["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self._kept["cuda"])

    def state_dict(self) -> dict[str, Any]:
        """Return the generators' states, as tensors."""
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
        return {"cpu": torch.get_rng_state(), "cuda": cuda}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Store the states until training starts."""
        self._kept = state_dict


class BestCheckpoint(pl.callbacks.ModelCheckpoint):
    """Keeps the weights of the epoch with the best ``monitor``, breaking ties by the smallest ``val/loss``.

    Accuracies on few sequences often tie; if the losses tie as well, the first epoch wins.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._loss = math.inf

    def check_monitor_top_k(self, trainer: pl.Trainer, current: Tensor | None = None) -> bool:
        """Return whether this epoch is the best so far, and remember its loss if so."""
        loss = float(trainer.callback_metrics.get("val/loss", math.inf))
        tied = current is not None and self.best_model_score is not None and bool(current == self.best_model_score)
        best = super().check_monitor_top_k(trainer, current) or (
            tied and bool(trainer.strategy.reduce_boolean_decision(loss < self._loss))
        )
        if best:
            self._loss = loss
        return best

    @property
    def path(self) -> Path:
        """Path of the weights of the best epoch."""
        return Path(str(self.dirpath), f"{self.filename}{self.FILE_EXTENSION}")

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far: its value, its loss (the tie-breaker), and the bytes of its file.

        Lightning stores only the file's path, so that a run resumed in another directory would lose its best weights.
        """
        file = _content(self.path) if self.best_model_score is not None else None
        return {"best_model_score": self.best_model_score, "loss": self._loss, "file": file}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from that state, in any directory.

        Raises:
            UserError: the checkpoint comes from an earlier version without that file, and the file is not here either.
        """
        score, file = state_dict["best_model_score"], state_dict.get("file")
        if score is None:
            return
        if file is not None and int(getattr(rank_zero_only, "rank", 0)) == 0:
            write_atomically(self.path, lambda out: out.write(file.numpy().tobytes()))
        if file is None and not self.path.is_file():
            raise UserError(
                f"The checkpoint was written by an earlier version and lacks the best weights so far, and there is no "
                f"{self.path}: put the best.ckpt from the checkpoint's folder there."
            )
        self._loss = state_dict.get("loss", math.inf)
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = str(self.path)
        self.best_k_models = {str(self.path): score}


def _content(path: Path) -> Tensor | None:
    """Return a file's bytes in the form stored in a checkpoint; None if the file does not exist."""
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) if path.is_file() else None


class LastCheckpoint(pl.callbacks.Checkpoint):
    """Writes ``last.ckpt`` at the end of an epoch, after everything else in that epoch.

    As a ``Checkpoint`` it is called after the task and all other callbacks. Lightning does two things still later,
    which a resumed run would miss: logging values from ``on_train_epoch_end`` and stepping a plateau scheduler. The
    task therefore does both earlier (``src/tasks/base.py``). The checkpoint includes the metrics of the last
    validation, because an epoch that ``max_steps`` cuts short has no validation of its own, and callbacks at its end
    read those metrics.

    Writes are at least ``every_seconds`` apart; 0 writes after every epoch. ``metrics.csv`` is included as well, so
    that a run resumed in another directory has its first epochs there.
    """

    def __init__(self, path: Path, every_seconds: float = 1.0) -> None:
        self.path, self.every_seconds = path, every_seconds
        self._written = -math.inf
        self._validated: dict[str, Tensor] = {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the metrics of the last validation."""
        checkpoint["validated"] = {name: value.cpu() for name, value in trainer.callback_metrics.items()}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep them until training starts."""
        self._validated = checkpoint.get("validated", {})

    def state_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.csv``, which :meth:`src.training.loggers.MetricsCSV.resume` restores."""
        rows = _content(self.path.parents[1] / "metrics.csv")
        return {} if rows is None else {"metrics": rows}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once if early stopping had ended training before the run could finish."""
        device = trainer.strategy.root_device
        trainer.callback_metrics.update({name: value.to(device) for name, value in self._validated.items()})
        if any(c.stopping_reason != EarlyStoppingReason.NOT_STOPPED for c in trainer.early_stopping_callbacks):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint at the end of the epoch."""
        due = time.monotonic() - self._written >= self.every_seconds
        if trainer.strategy.broadcast(due):
            trainer.save_checkpoint(self.path)
            self._written = time.monotonic()


class Watch(pl.Callback):
    """Measures the time of training epochs, and stops a run whose loss or weights are no longer finite.

    Attributes:
        measured: seconds, steps and sequences of epochs; seconds from the start of training to each epoch's end; the
            share of batches that several processes skip.
    """

    def __init__(self) -> None:
        self.measured: dict[str, Any] = {"epoch_seconds": [], "elapsed": [], "steps": 0, "sequences": 0}
        self._start = 0.0
        self._since: float | None = None  # when training last continued; None while paused

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements so far, so that a resumed run continues them."""
        return copy.deepcopy(self.measured)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue an earlier attempt's measurements."""
        self.measured |= state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; time before a kill counts, time between kill and resume does not.

        Raises:
            UserError: training would end before its first validation.
        """
        epochs, accumulated = trainer.check_val_every_n_epoch or 1, trainer.accumulate_grad_batches
        updates = math.ceil(trainer.num_training_batches / accumulated) * (epochs - 1)
        updates += math.ceil(min(trainer.val_check_batch or math.inf, trainer.num_training_batches) / accumulated)
        if 0 <= trainer.max_steps < updates:
            raise UserError(
                f"trainer.max_steps={trainer.max_steps} ends before the first validation, so there would be no best "
                f"epoch: set it to {updates} or more, or make epochs shorter with trainer.limit_train_batches=N."
            )
        if 0 <= (trainer.max_epochs or -1) < epochs:
            raise UserError(
                f"trainer.max_epochs={trainer.max_epochs} ends before the first validation, so there would be no best "
                f"epoch: set it to {epochs} or more, or reduce trainer.check_val_every_n_epoch."
            )
        left_out = getattr(getattr(trainer.train_dataloader, "sampler", None), "left_out", lambda: 0.0)()
        self.measured["left_out"] = left_out
        if left_out:
            words = "%d processes have streams of unequal length: %.2g%% of an epoch's batches are not read."
            logging.getLogger(__name__).info(words, trainer.world_size, 100 * left_out)
        self._start = time.perf_counter() - (self.measured["elapsed"][-1] if self.measured["elapsed"] else 0.0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start an epoch's clock."""
        self.measured["epoch_seconds"].append(0.0)
        self._since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restart the clock after a validation in the middle of an epoch."""
        self._since = self._since or time.perf_counter()

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Check the loss while the weights that produced it are still in place.

        A single CPU process checks every batch. A GPU, which would have to synchronise, and several processes, which
        must agree, check only now and then.

        Raises:
            Diverged: the loss is not finite.
        """
        alone = loss.device.type == "cpu" and trainer.world_size == 1
        if not alone and self.measured["steps"] % 50:
            return
        here = loss.item()
        if not trainer.strategy.reduce_boolean_decision(math.isfinite(here)):
            check_loss(math.nan if math.isfinite(here) else here, pl_module, trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count."""
        self.measured["steps"] += 1
        self.measured["sequences"] += len(batch.lengths)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock (validation runs inside Lightning's training epoch).

        Raises:
            Diverged: the epoch left weights that are not finite.
        """
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop()
            check_weights(pl_module, trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record when the epoch ended.

        Raises:
            Diverged: the epoch left weights that are not finite.
        """
        self._stop()
        check_weights(pl_module, trainer.global_step)
        self.measured["elapsed"].append(time.perf_counter() - self._start)

    def _stop(self) -> None:
        if self._since is not None:
            self.measured["epoch_seconds"][-1] += time.perf_counter() - self._since
            self._since = None
