"""The numbers behind the figures: arrays as npz, tables as CSV, and a summary on the screen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from src.config.screen import screen
from src.explaining.measure import LayerView
from src.explaining.run import Explained
from src.figures.gradients import band
from src.files import write_atomically, write_csv

Rows = list[dict[str, Any]]


def write_numbers(folder: Path, runs: Sequence[Explained]) -> list[Path]:
    """Write ``gates-LABEL.npz`` for each run, and ``units.csv`` and ``gradients.csv`` for all."""
    files: list[Path] = []
    by_unit: Rows = []
    by_lag: Rows = []
    for entry in runs:
        arrays = {f"{g.name}/{name}": value[0] for g in entry.gates for name, value in g.values.items()}
        label = re.sub(r"[^\w.=+,-]", "-", entry.label)  # labels of received records must not lead to another folder
        files.append(folder / f"gates-{label}.npz")
        write_atomically(files[-1], lambda out, arrays=arrays: np.savez_compressed(out, **arrays))  # type: ignore[misc]
        for when, view in entry.views.items():
            for layer in view.layers:
                here = {"run": entry.label, "when": when, "layer": layer.name}
                by_unit += [here | row for row in units(layer)]
                by_lag += [here | row for row in gradients(layer)]
    tables = {"units.csv": by_unit, "gradients.csv": by_lag if by_lag else None}  # none for networks of the user's own
    return [*files, *(write_table(folder / name, rows) for name, rows in tables.items() if rows is not None)]


def units(layer: LayerView) -> Rows:
    """Return one row per unit: fraction kept, horizon, and how often each gate is closed and open."""
    if layer.kept is None or layer.horizon is None:
        return []
    columns = {"kept": layer.kept, "horizon": layer.horizon}
    for gate, (low, high) in layer.saturation.items():
        columns |= {f"{gate}_closed": low, f"{gate}_open": high}
    return [{"unit": k} | {name: of[k] for name, of in columns.items()} for k in range(len(layer.kept))]


def gradients(layer: LayerView) -> Rows:
    """Return one row per quantity and lag: the 10 %, 50 % and 90 % quantiles over sequences."""
    return [
        {"quantity": quantity, "lag": lag, "low": low, "median": middle, "high": high}
        for quantity, values in layer.curves.items()
        for lag, (low, middle, high) in enumerate(band(values).T)
    ]


def write_table(path: Path, rows: Rows) -> Path:
    """Write a CSV with every column that some row has, and nine digits per number."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, columns, ([row.get(name) for name in columns] for row in rows), digits=9)
    return path


def print_summary(runs: Sequence[Explained]) -> None:
    """Print one row per layer of each run: fraction kept, saturation of gates, and reach of the gradient."""
    table = Table(
        title="At initialisation → trained; horizon and reach in steps; gates shut and open", title_justify="left"
    )
    table.add_column("run", overflow="fold", min_width=8)
    for name in ("layer", "share kept", "horizon", "reach", "shut", "open"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=True)
    for entry in runs:
        for before, after in entry.layers:
            table.add_row(
                entry.label, after.name.removeprefix("layer").replace("_backward", " back"),
                pair(before.kept, after.kept, np.mean), pair(before.horizon, after.horizon, np.median),
                f"{reached(before)} → {reached(after)}", share(after, 0), share(after, 1),
            )  # fmt: skip
    console = screen()
    console.print(table)
    found = [difference for entry in runs if (difference := entry.views["trained"].difference) is not None]
    if found:
        words = f"The recomputed states differ from the networks' own by at most {np.max(found):.1g}."
        console.print(words, highlight=False)


def reached(layer: LayerView) -> str:
    """Format the lag at which the gradient has vanished; ``>`` the last lag if it has not, ``-`` if there is none."""
    lags = int(np.isfinite(layer.median).sum())
    return "-" if not lags else f">{lags - 1}" if layer.reach == lags else f"{layer.reach}"


def share(layer: LayerView, which: int) -> str:
    """Format the fraction of all gates, units and steps of a layer that is closed (0) or open (1)."""
    shares = [by_unit[which] for by_unit in layer.saturation.values()]
    return f"{np.mean(shares):.0%}" if shares else "-"


def pair(before: np.ndarray | None, after: np.ndarray | None, of: object) -> str:
    """Format two numbers with an arrow between them, ``-`` for units without a keep gate."""
    if before is None or after is None:
        return "-"
    return " → ".join(f"{of(values):.2g}" for values in (before, after))  # type: ignore[operator]
