"""Evaluate a trained run again, from its directory alone: ``python -m src.evaluate run=DIR``; or ``backtest=4``."""

from __future__ import annotations

from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.shell import command
from src.runs.described import read_run


def evaluate(cfg: DictConfig, *, shown: bool = True) -> dict[str, float]:
    """Rebuild a run, evaluate one split, and compare the result with the run's record.

    Returns the metrics of the split, which equal the run's record, and prints them if ``shown``; ``cfg`` is composed
    from ``conf/evaluate.yaml``. With ``backtest`` they are those of forecasts from that many consecutive origins. If a
    forecast has intervals, calibrated ones (``conformal``) or its own, their scores are written into the run's
    directory.

    Raises:
        UserError: ``run`` is not a run's directory, its checkpoint is missing or damaged, its config's trainer cannot
            evaluate, or the best epoch's metrics differ from the record.
    """
    read_run(cfg.run, cfg.trust)  # refuse another directory before PyTorch is imported, which takes seconds

    import torch

    from src.config.in_words import one_line
    from src.runs.load import load_run
    from src.tasks.conformal import calibration_of
    from src.training.backtest import backtest
    from src.training.interval_files import measure_intervals
    from src.training.outcome import parts, print_metrics
    from src.training.recorded import hold_against_record
    from src.training.trainer import measure

    torch.set_num_threads(cfg.threads)
    if cfg.get("conformal") and cfg.split == "val":
        raise UserError("Conformal intervals are calibrated on split=val, so evaluate them on split=test.")
    run = load_run(cfg.run, cfg.ckpt, trust=cfg.trust, exact=True)
    calibration = calibration_of(run.task, run.data, cfg.get("conformal"))
    if cfg.get("backtest") is not None:
        return backtest(run, cfg.split, cfg.backtest, calibration)
    try:
        metrics = measure(run.task, run.data, cfg.split, run.config.trainer)
    except UserError:
        raise
    except Exception as error:  # a modified config may make Lightning raise anything
        raise UserError(
            f"The run cannot be evaluated with the trainer of {run.directory / 'config.yaml'} "
            f"({type(error).__name__}: {one_line(str(error))}): restore the config that training wrote."
        ) from error
    baselines = run.record.baselines if cfg.split == "test" else run.record.val_baselines
    if shown:
        print_metrics(metrics, baselines, f"{run.record.name}, {cfg.ckpt}.ckpt{parts(run.data.notes)}")
    if cfg.ckpt == "best":  # the record is for the best epoch
        held = hold_against_record(run, cfg.split, metrics)
        if shown:
            print(held)
    measure_intervals(run, cfg.split, calibration)
    return metrics


def main() -> None:
    """Run the command line."""
    command("evaluate", evaluate)


if __name__ == "__main__":
    main()
