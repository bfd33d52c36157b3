"""The numbers behind the pictures: arrays as npz, tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.explaining.run import Explained
from src.figures.gradients import WHEN, band
from src.files import write_atomically

Rows = list[dict[str, Any]]


def write_numbers(folder: Path, runs: Sequence[Explained]) -> list[Path]:
    """``gates-LABEL.npz`` for each run, and ``units.csv`` and ``gradients.csv`` of all."""
    files = []
    for entry in runs:
        arrays = {f"{g.name}/{name}": value[0] for g in entry.gates for name, value in g.values.items()}
        path = folder / f"gates-{entry.label.replace(' ', '-')}.npz"
        write_atomically(path, lambda out, arrays=arrays: np.savez_compressed(out, **arrays))  # type: ignore[misc]
        files.append(path)
    files.append(write_table(folder / "units.csv", [row for entry in runs for row in units(entry)]))
    files.append(write_table(folder / "gradients.csv", [row for entry in runs for row in gradients(entry)]))
    return files


def units(entry: Explained) -> Rows:
    """One row for each unit: share kept, horizon, and how often each gate is closed and open."""
    rows = []
    for when, view in zip(WHEN, (entry.initial, entry.trained), strict=True):
        for layer in view.layers:
            shares = layer.saturation
            width = len(layer.kept) if layer.kept is not None else 0
            for unit in range(width):
                row = {"run": entry.label, "when": when, "layer": layer.name, "unit": unit}
                row |= {"kept": layer.kept[unit], "horizon": layer.horizon[unit]}  # type: ignore[index]
                for gate, (low, high) in shares.items():
                    row |= {f"{gate}_closed": low[unit], f"{gate}_open": high[unit]}
                rows.append(row)
    return rows


def gradients(entry: Explained) -> Rows:
    """One row for each quantity and lag: the 10 %, 50 % and 90 % quantiles over sequences."""
    rows = []
    for when, view in zip(WHEN, (entry.initial, entry.trained), strict=True):
        for layer in view.layers:
            for quantity, values in layer.curves.items():
                here = {"run": entry.label, "when": when, "layer": layer.name, "quantity": quantity}
                for lag, (low, middle, high) in enumerate(band(values).T):
                    rows.append({**here, "lag": lag, "low": low, "median": middle, "high": high})
    return rows


def write_table(path: Path, rows: Rows) -> Path:
    """A CSV with every column that some row has; numbers with nine digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({n: f"{v:.9g}" if isinstance(v, float | np.floating) else v for n, v in row.items()})
    write_atomically(path, lambda file: file.write(out.getvalue().encode()))
    return path
