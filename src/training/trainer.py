"""Lightning's trainer as composed, with the callbacks and loggers that every run has."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from src.config.errors import UserError
from src.config.in_words import one_line
from src.config.instantiate import instantiate
from src.data.module import SequenceData
from src.runs.record import RunRecord
from src.tasks.base import Task
from src.training.bars import bar
from src.training.callbacks import BestCheckpoint, LastCheckpoint, NoiseStream, Watch
from src.training.checkpoint_files import WholeFiles
from src.training.ddp import tasks
from src.training.loggers import MetricsCSV
from src.training.refused import refuse_callbacks


def build_trainer(cfg: DictConfig, record: RunRecord, task: Task, loggers: list[Logger]) -> pl.Trainer:
    """The trainer of a run: checkpoints go to the directory of ``record``, the best by the metric that ``task`` names.

    Raises:
        UserError: when this machine has not what the trainer asks for.
    """
    quiet_lightning()
    full_float32()
    settings = dict(cfg.callbacks.get("last") or {})
    chosen = {str(k): instantiate(node) for k, node in cfg.callbacks.items() if node is not None and k != "last"}
    refuse_callbacks(chosen, record.checkpoints)
    callbacks: list[pl.Callback] = [NoiseStream(cfg.seed), Watch(), *chosen.values()]
    if cfg.trainer.enable_progress_bar and not any(isinstance(c, pl.callbacks.ProgressBar) for c in callbacks):
        callbacks.append(bar())
    if not cfg.trainer.get("fast_dev_run"):
        best = BestCheckpoint(
            record.checkpoints,
            "best",
            task.monitor,
            mode=task.mode,
            save_weights_only=True,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # at the end of validation: the very weights that were validated
        )
        callbacks += [best, LastCheckpoint(record.checkpoints / "last.ckpt", **settings)]
    # Lightning takes any process of a Slurm job for one of several tasks; one that stands alone is told so.
    alone = [LightningEnvironment()] if "SLURM_JOB_ID" in os.environ and tasks() == 1 else []
    try:
        trainer: pl.Trainer = instantiate(
            {name: value for name, value in cfg.trainer.items() if value is not None},
            callbacks=callbacks,
            logger=loggers or False,
            **({} if cfg.trainer.get("profiler") else {"profiler": NoProfiler()}),
            enable_checkpointing=not cfg.trainer.get("fast_dev_run"),
            default_root_dir=str(record.directory),
            plugins=[WholeFiles(), *alone],
        )
    except (MisconfigurationException, RuntimeError) as error:  # what does not go together
        raise UserError(f"Lightning refuses to train so: {one_line(str(error))}") from error
    trainer.fit_loop.__class__ = WholeEpochs
    if type(trainer) is pl.Trainer:
        trainer.__class__ = ShowsLogger
    return trainer


def fit(trainer: pl.Trainer, task: Task, data: SequenceData, checkpoint: str | None) -> None:
    """Train, going on from a checkpoint where there is one.

    Raises:
        UserError: in Lightning's words, when trainer, callbacks and data do not go together.
    """
    # Lightning would take the samplers away, which shuffle; these draw the same batches again instead.
    data.same_batches, trainer.overfit_batches = bool(trainer.overfit_batches), 0  # type: ignore[attr-defined]
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except (MisconfigurationException, ModuleNotFoundError) as error:
        raise UserError(f"Lightning refuses to train so: {one_line(str(error))}") from error
    except ValueError as error:
        if not str(error).strip().startswith("`val_check_interval`"):
            raise
        raise UserError(f"Lightning refuses to train so: {one_line(str(error))}") from error


class ShowsLogger(pl.Trainer):
    """Lightning's trainer whose ``logger`` is wandb's, or another that was chosen; metrics.csv is written first.

    So ``trainer.logger.experiment`` in a callback or network is what users of wandb and TensorBoard expect.
    """

    @property
    def logger(self) -> Logger | None:
        """The first of ``loggers`` that was chosen; that of metrics.csv without one."""
        return next((each for each in self.loggers if not isinstance(each, MetricsCSV)), None) or super().logger

    @logger.setter
    def logger(self, logger: Logger | None) -> None:
        self.loggers = [logger] if logger else []


class WholeEpochs(_FitLoop):
    """Lightning's loop over epochs, going on from the end of one, as `LastCheckpoint` leaves it."""

    def _iteration_based_training(self) -> bool:
        """No, with ``max_steps`` either: Lightning would take the checkpoint for one from an epoch's middle then, and
        on resuming end that epoch again, without metrics.
        """
        return False

    @property
    def skip(self) -> bool:
        """Not for want of anything to train: a kill may have come before what callbacks do when training ends."""
        return self.max_batches == 0


def refuse_what_is_not_here(trainer: DictConfig) -> None:
    """Refuse a trainer that this machine cannot serve.

    Raises:
        UserError: a GPU is asked for where there is none.
    """
    if trainer.get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(
            "This trainer needs a CUDA device and this machine has none: use trainer=cpu (or trainer=ddp_cpu for two "
            "processes)."
        )


def full_float32() -> None:
    """Have cuDNN compute in the float32 that it is given, as all backends do; its own default is TF32, with 10 bits."""
    torch.backends.cudnn.allow_tf32 = False


def quiet_lightning() -> None:
    """Keep Lightning's tips and reminders from the screen; errors and warnings that matter stay."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)
    for message in (
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*does not have many workers.*",
        r".*sync_dist=True.*",  # the values are the same in all processes: see PooledLoss.gather
        r".*number of training batches.*is smaller than the logging interval.*",
        r"The `srun` command is available on your system but is not used.*",
        r".*Checkpoint directory .* exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message)


class NoProfiler(PassThroughProfiler):
    """No profiling, at no cost: Lightning enters some fifty profiled blocks a step, each a new generator by default."""

    def profile(self, action_name: str) -> Any:
        """One block that does nothing, for all."""
        return _NOTHING


_NOTHING = nullcontext()


def measure(task: Task, data: SequenceData, split: str, trainer: DictConfig) -> dict[str, float]:
    """Metrics of ``val`` or ``test`` by name, as ``split/name``; the task keeps the sequences in ``task.tables``.

    In one process that counts every sequence once, on the same kind of device and in the same precision as in training;
    a run from a GPU where there is none is measured on the CPU in float32. Where the trainer limits the batches,
    ``data.notes`` says what share of them was read, as ``split/measured``.

    Raises:
        UserError: for another split.
    """
    quiet_lightning()
    full_float32()
    accelerator, precision = trainer.get("accelerator", "cpu"), trainer.get("precision", "32-true")
    few = trainer.get("overfit_batches") or None
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        logging.getLogger(__name__).info(
            "This run is from a GPU, and there is none here: it is measured on the CPU, where last digits may differ."
        )
        accelerator, precision = "cpu", "32-true"
    measuring = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        precision=precision,
        deterministic=trainer.get("deterministic"),
        inference_mode=trainer.get("inference_mode") is not False,
        limit_val_batches=few or trainer.get("limit_val_batches"),
        limit_test_batches=trainer.get("limit_test_batches"),
        fast_dev_run=trainer.get("fast_dev_run") or False,
        plugins=[LightningEnvironment()],  # alone, whatever processes the training had
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    runs = {"val": measuring.validate, "test": measuring.test}
    if split not in runs:
        raise UserError(f"split={split} is unknown: it must be val or test.")
    (metrics,) = runs[split](task, datamodule=data, verbose=False)
    read = sum(measuring.num_val_batches if split == "val" else measuring.num_test_batches)
    if (share := read / len(data.loader(split))) < 1:
        data.notes[f"{split}/measured"] = round(share, 4)
    return {name: float(value) for name, value in metrics.items()}
