"""Lightning's trainer as configured, with the callbacks and loggers of every run."""

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
    """Build a run's trainer: checkpoints go to the directory of ``record``, the best by the metric that ``task`` names.

    Raises:
        UserError: this machine lacks what the trainer needs.
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
            save_on_train_epoch_end=False,  # at the end of validation, so that exactly the validated weights are saved
        )
        callbacks += [best, LastCheckpoint(record.checkpoints / "last.ckpt", **settings)]
    # Lightning assumes that any process in a Slurm job is one of several tasks; tell a single one that it is not.
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
    except (MisconfigurationException, RuntimeError) as error:  # incompatible settings
        raise UserError(f"Lightning cannot train with these settings: {one_line(str(error))}") from error
    trainer.fit_loop.__class__ = WholeEpochs
    if type(trainer) is pl.Trainer:
        trainer.__class__ = ShowsLogger
    return trainer


def fit(trainer: pl.Trainer, task: Task, data: SequenceData, checkpoint: str | None) -> None:
    """Train, resuming from a checkpoint if there is one.

    Raises:
        UserError: trainer, callbacks and data are incompatible; the message quotes Lightning's.
    """
    # Lightning would replace the shuffling samplers; ours repeat the same batches instead.
    data.same_batches, trainer.overfit_batches = bool(trainer.overfit_batches), 0  # type: ignore[attr-defined]
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except (MisconfigurationException, ModuleNotFoundError, ValueError) as error:
        if isinstance(error, ValueError) and not str(error).strip().startswith("`val_check_interval`"):
            raise
        raise UserError(f"Lightning cannot train with these settings: {one_line(str(error))}") from error


class ShowsLogger(pl.Trainer):
    """Lightning's trainer whose ``logger`` is wandb's or another chosen one; metrics.csv is written first.

    Thus ``trainer.logger.experiment`` in a callback or network is what users of wandb and TensorBoard expect.
    """

    @property
    def logger(self) -> Logger | None:
        """The first of ``loggers`` that was chosen, or else that of metrics.csv."""
        return next((each for each in self.loggers if not isinstance(each, MetricsCSV)), None) or super().logger

    @logger.setter
    def logger(self, logger: Logger | None) -> None:
        self.loggers = [logger] if logger else []


class WholeEpochs(_FitLoop):
    """Lightning's epoch loop, resuming at the end of an epoch, where `LastCheckpoint` writes."""

    def _iteration_based_training(self) -> bool:
        """Always False, even with ``max_steps``: Lightning would otherwise assume a checkpoint from the middle
        of an epoch, and end that epoch again on resuming, without metrics.
        """
        return False

    @property
    def skip(self) -> bool:
        """Never skip: a kill may have come before what callbacks do when training ends."""
        return self.max_batches == 0


def refuse_what_is_not_here(trainer: DictConfig) -> None:
    """Refuse a trainer that needs hardware this machine lacks.

    Raises:
        UserError: the trainer needs a GPU and there is none.
    """
    if trainer.get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(
            "This trainer needs a CUDA device, but this machine has none: use trainer=cpu (or trainer=ddp_cpu for two "
            "processes)."
        )


def full_float32() -> None:
    """Make cuDNN compute in full float32, like all other backends, instead of TF32 (10 bits of mantissa)."""
    torch.backends.cudnn.allow_tf32 = False


def quiet_lightning() -> None:
    """Hide Lightning's tips and reminders; errors and important warnings remain."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)
    for message in (
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*does not have many workers.*",
        r".*sync_dist=True.*",  # the values agree in all processes: see PooledLoss.gather
        r".*number of training batches.*is smaller than the logging interval.*",
        r"The `srun` command is available on your system but is not used.*",
        r".*Checkpoint directory .* exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message)


class NoProfiler(PassThroughProfiler):
    """No profiling, at no cost; Lightning's default enters some fifty profiled blocks per step."""

    def profile(self, action_name: str) -> Any:
        """Return one shared context manager that does nothing."""
        return _NOTHING


_NOTHING = nullcontext()


def measure(task: Task, data: SequenceData, split: str, trainer: DictConfig) -> dict[str, float]:
    """Return metrics of ``val`` or ``test`` as ``split/name``; the task keeps the sequences in ``task.tables``.

    A single process evaluates every sequence once, on the same kind of device and in the same precision as in training;
    a GPU run without a GPU is evaluated on the CPU in float32. If the trainer limits the batches,
    ``data.notes`` has the share that was read, as ``split/measured``.

    Raises:
        UserError: unknown split.
    """
    quiet_lightning()
    full_float32()
    accelerator, precision = trainer.get("accelerator", "cpu"), trainer.get("precision", "32-true")
    few = trainer.get("overfit_batches") or None
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        logging.getLogger(__name__).info(
            "This run was trained on a GPU, but there is none here: it is evaluated on the CPU; last digits may differ."
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
        plugins=[LightningEnvironment()],  # a single process, regardless of training
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    runs = {"val": measuring.validate, "test": measuring.test}
    if split not in runs:
        raise UserError(f"split must be val or test, got {split}.")
    (metrics,) = runs[split](task, datamodule=data, verbose=False)
    read = sum(measuring.num_val_batches if split == "val" else measuring.num_test_batches)
    if (share := read / len(data.loader(split))) < 1:
        data.notes[f"{split}/measured"] = round(share, 4)
    return {name: float(value) for name, value in metrics.items()}
