"""Apply a trained run to new data: ``python -m src.predict run=DIR data.path=NEW``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from src.config.errors import counted
from src.config.shell import command


def predict(cfg: DictConfig) -> Path:
    """Rebuild a run, read a new file with what was fitted on its training data, and write a CSV.

    Args:
        cfg: a config composed from ``conf/predict.yaml``.

    Returns:
        The CSV: ``sequence``, ``step`` and ``time`` where there are some, and what
        :func:`~src.tasks.predictions.predictions` says. Intervals that are calibrated (``conformal``) need the training
        data, whose validation windows they are calibrated on.

    Raises:
        UserError: when ``run`` is no run, or the file does not fit it, or a link in the run leads the CSV elsewhere.
    """
    import torch

    from src.files import output, write_atomically
    from src.runs.load import load_run
    from src.tasks.conformal import calibration_of
    from src.tasks.predictions import Asked, as_csv, predictions

    torch.set_num_threads(cfg.threads)
    run = load_run(cfg.run, cfg.ckpt, read_data=cfg.get("conformal") is not None, trust=cfg.trust)
    calibration = calibration_of(run.task, run.data, cfg.get("conformal"))
    path = Path(cfg.output or run.directory / "predictions" / f"{Path(cfg.data.path).stem}.csv")
    path = output(path, run.directory)
    new = run.data.new_data(cfg.data.path)
    run.data.splits["new"] = new.split
    asked = Asked(cfg.steps_ahead, new.labelled, calibration)
    columns = predictions(run.task, run.data.loader("new"), asked)
    text = as_csv(columns, new.names, new.following)
    write_atomically(path, lambda out: out.write(text.encode()))
    print(f"{cfg.data.path}: {counted(len(new.names), 'sequence')}, {counted(len(columns['row']), 'line')} in {path}")
    return path


def main() -> None:
    """The command line."""
    command("predict", predict)


if __name__ == "__main__":
    main()
