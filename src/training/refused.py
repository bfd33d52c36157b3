"""Settings of Lightning's trainer, and callbacks of its own, with which a record would not say what was trained.

What a record holds is the validation that was best, measured again with its weights: so what is validated is what the
checkpoint has. All other arguments and callbacks are left to whoever gives them; ``tests/training/test_lightning.py``
tries each.
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

EPOCHS_LOST = "it keeps other weights than those that were validated and recorded"
CALLBACKS: dict[type[pl.Callback], str] = {
    lightning.StochasticWeightAveraging: "the record is of the best epoch, and the average would never be measured",
    lightning.WeightAveraging: EPOCHS_LOST,
    lightning.ModelPruning: EPOCHS_LOST,
    lightning.BaseFinetuning: "no parts of a network here are trained one after the other",
    lightning.BatchSizeFinder: "the record would name another batch size than was used; use data.batch_size=N",
    lightning.LearningRateFinder: "the record would name another learning rate than was used; use optimizer.lr=VALUE",
    lightning.BasePredictionWriter: "training predicts nothing; use gatebench predict",
}


def refuse_arguments(trainer: Mapping[str, Any]) -> None:
    """Refuse arguments of the trainer with which a record would not say what was trained.

    Raises:
        UserError: names the argument and what to do instead.
    """
    for name, instead in TRAINER_HAS.items():
        if trainer.get(name) is not None:
            raise UserError(f"trainer.{name}={trainer[name]} is not possible here: {instead}.")
    for name in ("limit_train_batches", "limit_val_batches"):
        if trainer.get(name) == 0:
            raise UserError(f"trainer.{name}=0 leaves nothing to choose the best epoch by: it must be above 0.")
    if trainer.get("use_distributed_sampler"):
        raise UserError("trainer.use_distributed_sampler must be false: the batches share themselves out.")
    precision = str(trainer.get("precision") or "32-true")
    if precision not in PRECISION_NAMES:
        raise UserError(f"trainer.precision must be one of {', '.join(PRECISION_NAMES)}, got {precision}.")
    strategy = trainer.get("strategy") or "auto"
    # Of several devices Lightning would start this command line again.
    wrong = f"devices={trainer['devices']}" if strategy == "auto" and _several_devices(trainer) else None
    if wrong or (isinstance(strategy, str) and strategy != "auto"):
        raise UserError(
            f"trainer.{wrong or f'strategy={strategy}'} is not possible here: trainer=ddp (on GPUs) and "
            "trainer=ddp_cpu train with several processes, trainer.devices=N of them."
        )


def _several_devices(trainer: Mapping[str, Any]) -> bool:
    devices = trainer.get("devices") or 1
    if str(devices) in ("-1", "auto"):
        return trainer.get("accelerator") != "cpu" and torch.cuda.device_count() > 1
    return (len(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else int(devices)) > 1


def refuse_callbacks(callbacks: Mapping[str, pl.Callback], checkpoints: Path) -> None:
    """Refuse callbacks with which a record would not say what was trained, and settle where others keep their files.

    A ``ModelCheckpoint`` writes to a folder of its name below the run's checkpoints unless it says where.

    Args:
        callbacks: of the user's own, by their names in the config.
        checkpoints: the folder of best.ckpt and last.ckpt.

    Raises:
        UserError: names the callback and why.
    """
    for name, callback in callbacks.items():
        for kind, why in CALLBACKS.items():
            if isinstance(callback, kind):
                raise UserError(f"callbacks.{name} is a {type(callback).__name__}, which is not possible here: {why}.")
        if isinstance(callback, lightning.ModelCheckpoint):
            if callback.dirpath is None:
                callback.dirpath = str(checkpoints.resolve() / name)
            elif Path(callback.dirpath).resolve() == checkpoints.resolve():
                raise UserError(
                    f"callbacks.{name}.dirpath={callback.dirpath} is where the run's own checkpoints lie: it must be "
                    "another folder, or left out."
                )
        if isinstance(callback, lightning.EarlyStopping):
            # At the end of a validation, and so not at the end of an epoch that max_steps ends before it is validated.
            callback._check_on_train_epoch_end = False
