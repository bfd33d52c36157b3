"""Trainer settings and callbacks of Lightning's that would make a run's record wrong.

A record holds the best validation, measured again with its weights, so what is validated must be what the checkpoint
has. All other arguments and callbacks are allowed; ``tests/training/test_lightning.py`` tries each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks as lightning

from src.config.errors import UserError
from src.config.schema.arguments import TRAINER_HAS
from src.config.schema.training import PRECISION_NAMES

EPOCHS_LOST = "it keeps weights other than those validated and recorded"
CALLBACKS: dict[type[pl.Callback], str] = {
    lightning.StochasticWeightAveraging: "the record is of the best epoch, so the average would never be measured",
    lightning.WeightAveraging: EPOCHS_LOST,
    lightning.ModelPruning: EPOCHS_LOST,
    lightning.BaseFinetuning: "it trains parts of a network one after another, which no task here supports",
    lightning.BatchSizeFinder: "the record would not have the batch size used; set data.batch_size=N",
    lightning.LearningRateFinder: "the record would not have the learning rate used; set optimizer.lr=VALUE",
    lightning.BasePredictionWriter: "training makes no predictions; use gatebench predict",
}


def refuse_arguments(trainer: Mapping[str, Any]) -> None:
    """Refuse trainer arguments that would make a run's record wrong.

    Raises:
        UserError: there is such an argument; the message states what to do instead.
    """
    for name, instead in TRAINER_HAS.items():
        if trainer.get(name) is not None:
            raise UserError(f"trainer.{name}={trainer[name]} is not supported: {instead}.")
    for name in ("limit_train_batches", "limit_val_batches"):
        if trainer.get(name) == 0:
            raise UserError(f"trainer.{name}=0 leaves no metric to choose the best epoch by: it must be above 0.")
    if trainer.get("use_distributed_sampler"):
        raise UserError("trainer.use_distributed_sampler must be false, because GateBench shards batches itself.")
    precision = str(trainer.get("precision") or "32-true")
    if precision not in PRECISION_NAMES:
        raise UserError(f"trainer.precision must be one of {', '.join(PRECISION_NAMES)}, got {precision}.")
    strategy = trainer.get("strategy") or "auto"
    # With several devices Lightning would run this command line again.
    wrong = f"devices={trainer['devices']}" if strategy == "auto" and _several_devices(trainer) else None
    if wrong or (isinstance(strategy, str) and strategy != "auto"):
        raise UserError(
            f"trainer.{wrong or f'strategy={strategy}'} is not supported: use trainer=ddp (GPUs) or trainer=ddp_cpu "
            "with trainer.devices=N for several processes."
        )


def _several_devices(trainer: Mapping[str, Any]) -> bool:
    devices = trainer.get("devices") or 1
    if str(devices) in ("-1", "auto"):
        return trainer.get("accelerator") != "cpu" and torch.cuda.device_count() > 1
    return (len(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else int(devices)) > 1


def refuse_callbacks(callbacks: Mapping[str, pl.Callback], checkpoints: Path) -> None:
    """Refuse callbacks that would make a run's record wrong, and set where others keep their files.

    A ``ModelCheckpoint`` without a folder writes to one of its own name below the run's checkpoints.

    Args:
        callbacks: the user's own callbacks, by name in the config.
        checkpoints: the folder of best.ckpt and last.ckpt.

    Raises:
        UserError: there is such a callback; the message states the reason.
    """
    for name, callback in callbacks.items():
        for kind, why in CALLBACKS.items():
            if isinstance(callback, kind):
                raise UserError(f"callbacks.{name} is a {type(callback).__name__}, which is not supported: {why}.")
        if isinstance(callback, lightning.ModelCheckpoint):
            if callback.dirpath is None:
                callback.dirpath = str(checkpoints.resolve() / name)
            elif Path(callback.dirpath).resolve() == checkpoints.resolve():
                raise UserError(
                    f"callbacks.{name}.dirpath={callback.dirpath} is the run's checkpoint folder: choose another "
                    "one, or drop it."
                )
        if isinstance(callback, lightning.EarlyStopping):
            # At the end of validation, hence not after an epoch that max_steps ends before its validation.
            callback._check_on_train_epoch_end = False
