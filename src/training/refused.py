"""Settings of Lightning's trainer, and callbacks of its own, with which a record would not say what was trained.

What a record holds is the epoch that was best on validation, measured again with its weights: so every epoch is
validated once, at its end, and what is validated is what the checkpoint has. All other arguments and callbacks are left
to whoever gives them; ``tests/training/test_lightning.py`` tries each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import callbacks as lightning

from src.config.errors import UserError

# By argument: the only values that it may have, and what to do instead.
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
OURS = "it is set by GateBench: "
VALIDATION = "every epoch is validated once, at its end, and its metrics are of the whole of it: "
SHORTER = "+trainer.limit_train_batches=N makes epochs shorter"
ARGUMENTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "logger": ((), OURS + "use logger=wandb or logger=csv"),
    "callbacks": ((), OURS + "use +callbacks.NAME._target_=CLASS"),
    "default_root_dir": ((), OURS + "use paths.run_dir=DIR"),
    "enable_checkpointing": ((), OURS + "best.ckpt and last.ckpt are always written"),
    "plugins": ((), OURS + "leave it out"),
    "model_registry": ((), "checkpoints stay in the run's directory: leave it out"),
    "limit_predict_batches": ((), "training predicts nothing: leave it out"),
    "val_check_interval": ((1.0, None), VALIDATION + SHORTER),
    "check_val_every_n_epoch": ((1,), VALIDATION + "leave it out"),
    "overfit_batches": ((0, 0.0), "it validates on other data than it says: use debug=overfit"),
    "reload_dataloaders_every_n_epochs": ((0,), "the data do not change from epoch to epoch: leave it out"),
    "use_distributed_sampler": ((False,), "the batches share themselves out among processes: leave it out"),
    "barebones": ((False,), "nothing would be recorded: leave it out"),
}
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
    for name, (allowed, instead) in ARGUMENTS.items():
        if name in trainer and not any(trainer[name] == v and type(trainer[name]) is type(v) for v in allowed):
            raise UserError(f"trainer.{name}={trainer[name]} is not possible here: {instead}.")
    for name in ("limit_train_batches", "limit_val_batches"):
        if trainer.get(name) == 0:
            raise UserError(f"trainer.{name}=0 leaves nothing to choose the best epoch by: it must be above 0.")
    precision = str(trainer.get("precision") or "32-true")
    if precision not in (*PRECISIONS, *(name.partition("-")[0] for name in PRECISIONS)):
        raise UserError(f"trainer.precision={precision} is not possible here: it must be {' or '.join(PRECISIONS)}.")
    strategy = trainer.get("strategy")
    if isinstance(strategy, str) and strategy != "auto":
        raise UserError(
            f"trainer.strategy={strategy} is not possible here: trainer=ddp (on GPUs) and trainer=ddp_cpu train with "
            "several processes."
        )


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
