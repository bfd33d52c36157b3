"""Apply a trained run to new data: ``python -m src.predict run=DIR data.path=NEW``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from src.config.errors import counted
from src.config.shell import command
from src.data.own.forms import refuse_missing
from src.runs.described import read_run

if TYPE_CHECKING:
    from src.runs.load import Run
    from src.tasks.conformal import Calibration


def predict(cfg: DictConfig) -> Path:
    """Rebuild a run, read a new file with what was fitted on its training data, and write a CSV file.

    Args:
        cfg: a config composed from ``conf/predict.yaml``.

    Returns:
        The CSV file, with the columns of :func:`predicted`. Calibrated intervals (``conformal``) need the training
        data, for calibration on their validation windows.

    Raises:
        UserError: ``run`` is not a run, the file does not match it, or a link in the run redirects the CSV file.
    """
    _, record = read_run(cfg.run, cfg.trust)  # before PyTorch is imported, which takes seconds
    refuse_missing(record.choices.get("data"), cfg.data.path)

    import torch

    from src.files import output, write_csv
    from src.runs.load import load_run
    from src.tasks.conformal import calibration_of

    torch.set_num_threads(cfg.threads)
    run = load_run(cfg.run, cfg.ckpt, read_data=cfg.get("conformal") is not None, trust=cfg.trust)
    calibration = calibration_of(run.task, run.data, cfg.get("conformal"))
    path = Path(cfg.output or run.directory / "predictions" / f"{Path(cfg.data.path).stem}.csv")
    path = output(path, run.directory)
    table = predicted(run, cfg.data.path, cfg.steps_ahead, calibration)
    # An unknown target, and the score that it would give, are empty cells.
    blank = [name for name in table if name.startswith("true(") or (name == "nll" and "true" in table)]
    written = table | {name: [None if value != value else value for value in table[name]] for name in blank}
    write_csv(path, list(written), zip(*written.values(), strict=True), digits=9)
    sequences, lines = len(run.data.splits["new"]), len(table["sequence"])
    print(f"{cfg.data.path}: {counted(sequences, 'sequence')}, {counted(lines, 'line')} in {path}")
    return path


def predicted(
    run: Run, path: str, steps_ahead: int | None = None, calibration: Calibration | None = None
) -> dict[str, Any]:
    """Return predictions for a new file, by column: ``sequence``, ``step`` and ``time`` (if there are any), and those
    of :func:`~src.tasks.predictions.predictions`.

    Raises:
        UserError: the file does not match the run.
    """
    from src.tasks.predictions import Asked, as_table, predictions

    new = run.data.new_data(path)
    run.data.splits["new"] = new.split
    columns = predictions(run.task, run.data.loader("new"), Asked(steps_ahead, new.labelled, calibration))
    return as_table(columns, new.names, new.following)


def main() -> None:
    """Run the command line."""
    command("predict", predict)


if __name__ == "__main__":
    main()
