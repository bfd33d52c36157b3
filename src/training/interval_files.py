"""Measured prediction intervals on a split, by coverage and row ahead: a run's ``intervals.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from src.config.digits import three
from src.config.screen import screen
from src.data.batches import Batch
from src.files import output, write_csv
from src.runs.load import Run
from src.tasks.conformal import Calibration, bands
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import Bands, interval_sums, percent

FILE = "intervals.csv"


def interval_table(
    task: Forecasting, batches: Iterable[Batch], calibration: Calibration | None = None
) -> list[dict[str, Any]]:
    """Evaluate a forecasting task's intervals: a row for each coverage and row ahead, and for all rows ahead.

    ``step`` is ``all`` for the latter; ``measured`` is the fraction of values inside, ``width`` is in the unit of the
    data, ``msis`` is None if no target has a naive error.
    """
    sums: dict[str, Tensor] = {}
    count, scaled, found = 0, 0.0, Bands()
    with torch.inference_mode():
        for batch in batches:
            found, (scale, weight) = bands(task, batch, calibration), task.units(batch.units)
            for name, values in interval_sums(found, batch.y, scale, weight).items():
                sums[name] = sums.get(name, 0) + values.double().sum(0)
            known = (weight > 0).any(-1)
            count += batch.y.shape[0] * batch.y.shape[2]
            scaled += batch.y.shape[2] * (float(known.sum()) if known.dim() else float(known) * len(batch.y))
    rows = []
    for coverage in found:
        covered, width, score = (sums[f"{name}_{percent(coverage)}"] for name in ("covered", "width", "interval_score"))
        for step in (*range(1, task.horizon + 1), 0):
            at = slice(None) if step == 0 else slice(step - 1, step)
            rows.append(
                {
                    "coverage": coverage,
                    "step": step or "all",
                    "measured": float(covered[at].mean()) / count,
                    "width": float(width[at].mean()) / count,
                    "msis": float(score[at].mean()) / scaled if scaled else None,
                }
            )
    return rows


def measure_intervals(run: Run, split: str, calibration: Calibration | None) -> None:
    """Print and write the intervals, calibrated or from the run's head, if it forecasts with intervals."""
    if not isinstance(run.task, Forecasting) or (calibration is None and not run.task.density.coverage):
        return
    rows = interval_table(run.task, run.data.loader(split), calibration)
    path = output(run.directory / FILE, run.directory)
    write_csv(path, list(rows[0]), (list(row.values()) for row in rows), digits=9)
    how = "calibrated on validation" if calibration is not None else "of the run's own head"
    table = Table()
    columns = [name for name in rows[0] if name != "step"]
    for name in columns:
        table.add_column(name, justify="right")
    for row in (row for row in rows if row["step"] == "all"):
        table.add_row(*(f"{row[name]:g}" if name == "coverage" else three(row[name]) for name in columns))
    screen().print(f"Intervals {how}, measured on {split}; {FILE} has them by row ahead:")  # a title would wrap
    screen().print(table)
