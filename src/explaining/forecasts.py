"""Forecasts of runs: one window in its own unit, and the error of all windows by rows ahead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.explaining.outputs import write_table
from src.explaining.run import Explained
from src.figures.canvas import save
from src.figures.forecast import Window, draw_forecast, draw_forecast_error
from src.runs.load import Run
from src.tasks.conformal import bands
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import percent
from src.tasks.predictions import in_own_unit, value_names

NAIVE = "naive (last row repeated)"


def write_forecasts(folder: Path, runs: Sequence[Explained], split: str, sequence: int) -> list[Path]:
    """Write figures and tables of the runs that forecast, if any."""
    runs = [entry for entry in runs if isinstance(entry.run.task, Forecasting)]
    if not runs:
        return []
    windows = {entry.label: window(entry.run, split, sequence) for entry in runs}
    errors = {NAIVE: errors_by_step(runs[0].run, split, naive=True)}
    errors |= {entry.label: errors_by_step(entry.run, split) for entry in runs}
    one, data = windows[runs[0].label], runs[0].run.record.data_name or "data"
    files = save(draw_forecast(windows, f"window {sequence} of {data}/{split}"), folder / "forecast")
    squared = {name: of["mse"] for name, of in errors.items()}
    naive = squared.pop(NAIVE)
    files += save(draw_forecast_error(squared, naive), folder / "forecast_error")
    values = {"truth": one.truth, NAIVE: np.broadcast_to(one.seen[-1], one.truth.shape)}
    for label, made in windows.items():
        values[label] = made.forecast
        for coverage, ends in made.bands.items():
            values |= {f"{label}-{word}-{percent(coverage)}": end for word, end in zip(("lo", "hi"), ends, strict=True)}
    steps = range(len(one.truth))
    when = [{"time": stamp} for stamp in one.times[len(one.seen) :]] or [dict[str, str]() for _ in steps]
    said = [
        {"run": name, "target": target, "step": step + 1} | when[step] | {"value": of[step, k]}
        for name, of in values.items()
        for k, target in enumerate(one.names)
        for step in steps
    ]
    by_step = [
        {"run": name, "step": step + 1} | {metric: error[step] for metric, error in of.items()}
        for name, of in errors.items()
        for step in steps
    ]
    return [*files, write_table(folder / "forecast.csv", said), write_table(folder / "forecast_error.csv", by_step)]


@torch.no_grad()
def window(run: Run, split: str, sequence: int) -> Window:
    """Return one window of a split with its forecast, in the targets' own units."""
    task: Any = run.task
    batch = run.split(split, [sequence])[torch.tensor([sequence])]
    output = task.description.output

    def own(rows: torch.Tensor) -> np.ndarray:
        return in_own_unit(task, batch, rows)[0].numpy()

    columns = list(output.columns)
    seen, truth, forecast = (own(rows) for rows in (batch.x[..., columns], batch.y, task(batch)))
    names = value_names(output)
    around = {coverage: (own(lower), own(upper)) for coverage, (lower, upper) in bands(task, batch).items()}
    return Window(seen, truth, forecast, names, *whence(run.data, split, sequence), around)


def whence(data: Any, split: str, sequence: int) -> tuple[tuple[str, ...], str]:
    """Return the timestamps of a window's rows, or (), and its series' name, or "" for a single series.

    Timestamps come from ``data.times``, a pandas Series of all rows, if the data have it.
    """
    origins, times, name = data.origins(split), getattr(data, "times", None), ""
    if "series" in origins and data.series_names:
        name = data.series_names[int(origins["series"][sequence])]
    if times is None or "series" not in origins:
        return (), name
    first, rows = int(origins["item"][sequence]), data.lookback + data.horizon
    return tuple(times.iloc[first : first + rows].astype(str)), name


@torch.no_grad()
def errors_by_step(run: Run, split: str, naive: bool = False) -> dict[str, np.ndarray]:
    """Return the mean errors of a run or the naive forecast over windows and targets, by rows ahead, (horizon,)."""
    task: Any = run.task
    squared, absolute, windows = 0.0, 0.0, 0
    for batch in run.data.loader(split):
        said = batch.x[:, -1:, task.columns] if naive else task(batch)
        off = (said - batch.y).double()
        squared, absolute = squared + off.square().mean(-1).sum(0), absolute + off.abs().mean(-1).sum(0)
        windows += len(batch.rows)
    return {"mse": np.asarray(squared) / windows, "mae": np.asarray(absolute) / windows}
