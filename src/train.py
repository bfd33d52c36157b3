"""Train a recurrent network: ``python -m src.train model=gru_bi``."""

from __future__ import annotations

import math
from pathlib import Path

from omegaconf import DictConfig

from src.config.shell import choices, command
from src.config.tuned import log_origins
from src.data.own.forms import refuse_missing


def train(cfg: DictConfig, *, shown: bool = True) -> dict[str, float]:
    """Train, choose the best epoch on validation, and evaluate it once.

    Args:
        cfg: a config composed from ``conf/train.yaml``.
        shown: print the origin of the learning rate, and the table of results.

    Returns:
        ``train/``, ``val/`` and, unless ``test=false``, ``test/`` metrics of the best epoch; empty for a run that
        diverged.

    Raises:
        UserError: the config cannot be trained, or its directory already has another run.
    """
    refuse_missing(choices().get("data"), cfg.data.get("path"))  # before PyTorch is imported, which takes seconds

    import torch

    from src.tasks.build import build
    from src.training import ddp
    from src.training.compiled import compile_head, refuse_on_cpu
    from src.training.contract import check_network
    from src.training.job import Job, settled, weights_dtype
    from src.training.outcome import final_metrics, loss_with, note_training, show
    from src.training.refused import refuse_arguments
    from src.training.trainer import build_trainer, fit, refuse_what_is_not_here

    if (metrics := settled(cfg)) is not None:
        return metrics
    if cfg.compile:
        refuse_on_cpu(cfg.trainer.get("accelerator", "auto"))
    refuse_arguments(cfg.trainer)
    refuse_what_is_not_here(cfg.trainer)
    torch.set_num_threads(cfg.threads)
    metrics = {}
    with Job(cfg) as job:
        data, task = build(cfg, widths=Path(cfg.paths.runs_dir) / ".widths")
        check_network(cfg, data, task)
        task.to(weights_dtype(cfg.trainer))  # before loading a checkpoint, which would otherwise be rounded
        job.identify(data, task)
        if job.ended is not None:
            if job.main and shown:
                show(job.ended, job.record.directory)
                print("This run is already finished; use overwrite=true to train it again.")
            return job.ended.metrics
        if job.main and shown and not job.study_job:
            log_origins(cfg)
        initial = {name: value.clone() for name, value in task.state_dict().items()}
        if cfg.compile:
            compile_head(task)
        trainer = build_trainer(cfg, job.record, task, job.start_loggers())
        with ddp.together(trainer, job.record, job.checkpoint):
            fit(trainer, task, data, job.checkpoint)
        if job.main:
            note_training(trainer, job, task, lambda: loss_with(initial, cfg, task, data))
            metrics = final_metrics(cfg, job, task, data)
            job.log(metrics, trainer.current_epoch, trainer.global_step)
    if job.main and shown and not job.study_job:
        show(job.record.result, job.record.directory)
    return metrics


def objective(cfg: DictConfig) -> float:
    """Train, and return the value by which a Hydra sweeper (``hydra/sweeper=optuna``) chooses.

    Returns:
        ``optimized_metric`` of the best epoch, by default the metric that selected it, and always a validation metric.
        For a diverged run, an infinite value at the worse end of the sweeper's ``direction``.
    """
    from hydra.core.hydra_config import HydraConfig

    metrics = train(cfg)
    if metrics:
        return metrics.get(cfg.optimized_metric or cfg.task.monitor, math.nan)
    sweeper = HydraConfig.get().sweeper if HydraConfig.initialized() else {}
    return -math.inf if "max" in str(sweeper.get("direction")).lower() else math.inf


def main() -> None:
    """Run the command line."""
    command("train", objective)


if __name__ == "__main__":
    main()
