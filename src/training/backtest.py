"""A rolling-origin backtest: forecasts from consecutive origins in a split, without refitting, and naive ones."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import torch
from rich.table import Table

from src.config.digits import three
from src.config.errors import UserError, agreeing, counted
from src.config.screen import screen
from src.data.batches import Batch
from src.data.describe import Horizon
from src.data.naive import repeated_rows
from src.data.series import SeriesData
from src.data.windows import WindowSplit
from src.files import output, write_csv
from src.runs.load import Run
from src.tasks.conformal import Calibration, bands
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import percent
from src.tasks.predictions import in_own_unit, value_names

FOLDER = "backtest"
RUN = "forecast"  # the column of the run's forecasts
SHOWN = 12  # rows ahead to print
log = logging.getLogger(__name__)


def origins(split: WindowSplit, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a split from which to forecast (windows,), and each one's origin, 1 being the earliest.

    In each series the last window comes last; each previous one starts one horizon earlier, or less if the split is
    too short.

    Raises:
        UserError: no series has that many windows.
    """
    rows, which, close = [], [], 0
    for series in np.unique(here := split.series.numpy()):
        windows = np.flatnonzero(here == series)
        if len(windows) < number:
            continue
        apart = min(split.horizon, (len(windows) - 1) // max(number - 1, 1))
        close += apart < split.horizon and number > 1
        rows.append(windows[len(windows) - 1 - apart * np.arange(number)[::-1]])
        which.append(np.arange(number) + 1)
    if not rows:
        most = int(np.bincount(here).max())
        raise UserError(
            f"backtest={number} needs a series with {counted(number, 'window')}, but the longest has {most}."
        )
    if left := len(np.unique(here)) - len(rows):
        log.info("%d series with fewer than %d windows %s skipped.", left, number, agreeing("were", left))
    if close:
        log.info("Origins are less than a horizon apart, so some rows are forecast more than once.")
    return np.concatenate(rows), np.concatenate(which)


def forecasts(run: Run, split: str, number: int, calibration: Calibration | None = None) -> pd.DataFrame:
    """Return one row per forecast value, in the unit of the data.

    Returns:
        ``series`` (if there are several), ``origin``, ``cutoff`` (the time of the last row read, or its number in the
        data), ``step``, ``time`` (if there are times), ``target``, ``y``, ``forecast``, interval bounds
        (``forecast-lo-80``), ``naive``, ``seasonal_naive`` and ``mase_denominator``, NaN if undefined.

    Raises:
        UserError: the run does not forecast, or the split has too few windows.
    """
    windows = run.split(split)
    if not isinstance(run.task, Forecasting) or not isinstance(windows, WindowSplit):
        raise UserError("backtest needs a forecasting run: drop it.")
    rows, which = origins(windows, number)
    parts = np.array_split(np.arange(len(rows)), len(rows) // 64 + 1)
    pieces = [_lines(run, windows, rows[part], which[part], calibration) for part in parts]
    return pd.concat(pieces, ignore_index=True)


def _lines(
    run: Run, windows: WindowSplit, rows: np.ndarray, which: np.ndarray, calibration: Calibration | None
) -> pd.DataFrame:
    task, data, times = run.task, run.data, getattr(run.data, "times", None)
    assert isinstance(task, Forecasting)
    assert isinstance(data, SeriesData)
    batch, names = windows[torch.from_numpy(rows)], value_names(task.description.output)
    series, past = windows.series[batch.rows], batch.x[..., task.columns]
    with torch.inference_mode():
        found = {"y": batch.y, RUN: task(batch)}
        for coverage, (lower, upper) in bands(task, batch, calibration).items():
            found |= {f"{RUN}-lo-{percent(coverage)}": lower, f"{RUN}-hi-{percent(coverage)}": upper}
    for name, row in repeated_rows(data.seasons, windows.lookback, windows.horizon).items():
        found[name] = past[torch.arange(len(rows))[:, None], row[series]]
    own = {name: in_own_unit(task, batch, values).numpy() for name, values in found.items()}
    window, step, target = (index.ravel() for index in np.indices(batch.y.shape))
    last = windows.starts[batch.rows].numpy()[window] + windows.lookback - 1
    table = {"series": np.array(data.series_names)[series.numpy()[window]]} if data.series_names else {}
    table |= {"origin": which[window], "cutoff": last if times is None else _stamps(times, last), "step": step + 1}
    table |= {} if times is None else {"time": _stamps(times, last + step + 1)}
    table |= {"target": np.array(names)[target]} | {name: values.ravel() for name, values in own.items()}
    denominator = denominators(task, batch).expand(len(rows), -1).numpy()[window, target]
    return pd.DataFrame(table | {"mase_denominator": np.where(denominator > 0, denominator, np.nan)})


def _stamps(times: pd.Series, rows: np.ndarray) -> np.ndarray:
    return times.iloc[rows].astype(str).to_numpy()


def denominators(task: Forecasting, batch: Batch) -> torch.Tensor:
    """Return MASE's denominators in the unit of the data, (batch, targets) or (1, targets); 0 if undefined."""
    if batch.units is not None:
        return batch.units.naive_error * batch.units.scale
    output = task.description.output
    assert isinstance(output, Horizon)
    return torch.tensor(output.naive_error)[None] * task.scale


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Compute MAE, RMSE and MASE of each forecast and interval coverage: by origin and row ahead, and over each.

    ``origin`` and ``step`` are "all" in means over all of them; MAE and RMSE are in the unit of the data.
    """
    wide: dict[tuple[str, str], pd.Series] = {}
    for model in (RUN, "naive", "seasonal_naive"):
        if model in table:
            off = (table[model] - table["y"]).abs()
            wide |= {(model, "mae"): off, (model, "mse"): off**2, (model, "mase"): off / table["mase_denominator"]}
    for level in (name.rpartition("-")[2] for name in map(str, table) if name.startswith(f"{RUN}-lo-")):
        inside = table["y"].between(table[f"{RUN}-lo-{level}"], table[f"{RUN}-hi-{level}"])
        wide |= {(RUN, f"coverage_{level}"): inside.astype(float)}
    values = pd.DataFrame(wide)
    pieces = []
    for keys in (["origin", "step"], ["origin"], ["step"], []):
        means = values.groupby([table[key] for key in keys]).mean() if keys else values.mean().to_frame().T
        long = means.stack(level=0, future_stack=True)
        long.index = long.index.set_names([*(keys or ["_"]), "model"])
        pieces.append(long.reset_index().assign(**{key: "all" for key in ("origin", "step") if key not in keys}))
    found = pd.concat(pieces, ignore_index=True)
    found["rmse"] = found.pop("mse") ** 0.5
    further = [name for name in found if str(name).startswith("coverage_")]
    return found[["origin", "step", "model", "mae", "rmse", "mase", *further]]


def backtest(run: Run, split: str, number: int, calibration: Calibration | None = None) -> dict[str, float]:
    """Write ``forecasts.csv`` and ``errors.csv`` into the run's folder ``backtest``, and print the errors.

    Returns:
        The run's errors over all origins and rows ahead, by name: ``backtest/mae``, ...

    Raises:
        UserError: the run does not forecast, or the split has too few windows.
    """
    table = forecasts(run, split, number, calibration)
    found = errors(table)
    for name, frame in (("forecasts", table), ("errors", found)):
        path = output(run.directory / FOLDER / f"{name}.csv", run.directory)
        lines = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
        write_csv(path, list(frame.columns), lines, digits=9)
    cutoffs = table.groupby("origin")["cutoff"].agg(lambda of: of.iloc[0] if of.nunique() == 1 else "").to_dict()
    named = {origin: f"{origin} {cutoff}".strip() for origin, cutoff in cutoffs.items()}
    by_origin = found[found["step"] == "all"].replace({"origin": named})
    print_errors(by_origin, "origin", f"{run.record.name}, {number} origins without refitting")
    steps = np.unique(np.linspace(1, int(table["step"].max()), SHOWN).round().astype(int))
    shown = found[(found["origin"] == "all") & found["step"].isin(steps)]
    print_errors(shown, "step", "By row ahead, over all origins")
    print(f"{run.directory / FOLDER}: forecasts.csv, errors.csv")
    whole = found[(found["origin"] == "all") & (found["step"] == "all") & (found["model"] == RUN)].iloc[0]
    return {f"backtest/{name}": float(whole[name]) for name in found.columns[3:]}


def print_errors(found: pd.DataFrame, by: str, title: str) -> None:
    """Print one line for each value of the column ``by`` and each forecast."""
    table = Table(title=title, title_justify="left")
    figures = found.columns[3:]
    for name in (by, "model", *figures):
        table.add_column(name.replace("coverage_", "coverage\n"), justify="right" if name in figures else "left")
    models = [model for model in (RUN, "naive", "seasonal_naive") if model in set(found["model"])]
    ordered = found.sort_values("model", key=lambda of: of.map(models.index), kind="stable")
    for _, lines in ordered.groupby(by, sort=False):
        for k, (_, line) in enumerate(lines.iterrows()):
            values = ["" if pd.isna(line[name]) else three(line[name]) for name in figures]
            own = line["model"] == RUN
            table.add_row("" if k else str(line[by]), line["model"], *values, style="" if own else "dim")
    screen().print(table)
