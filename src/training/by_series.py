"""Test metrics of a forecasting run by series: its ``series.csv``, worst series first.

Worst by ``mase``, or by ``mse`` if ``mase`` is undefined for one of them (a constant series).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from src.files import output, write_csv
from src.tasks.metrics import OVER_SERIES, Metric

FILE = "series.csv"


def by_series(
    metrics: Sequence[Metric],
    columns: Mapping[str, np.ndarray],
    names: Sequence[str],
    neutral: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return one row per series: its name, its windows and each metric (None if undefined).

    Args:
        metrics: as the task declares them; means over series are omitted.
        columns: (windows,) sums of each window, and ``series``, the number of its series.
        names: of the series.
        neutral: further ratios of sums, by name.
    """
    over = {metric.name for metric in OVER_SERIES}
    plain = {m.name: (m.numerator, m.denominator) for m in metrics if m.numerator and m.denominator}
    ratios = {name: ratio for name, ratio in plain.items() if name not in over} | {**neutral}

    def total(column: str) -> np.ndarray:
        return np.bincount(columns["series"], columns[column], minlength=len(names))

    sums = {name: (total(above), total(below)) for name, (above, below) in ratios.items()}
    windows = np.bincount(columns["series"], minlength=len(names))
    return [
        {"series": names[int(k)], "windows": int(windows[k])}
        | {name: float(above[k] / below[k]) if below[k] else None for name, (above, below) in sums.items()}
        for k in np.flatnonzero(windows)
    ]


def write(directory: Path, rows: Sequence[dict[str, Any]]) -> str:
    """Write the file into a run's directory, and return a sentence on the best and the worst series."""
    name = "mase" if all(row.get("mase") is not None for row in rows) else "mse"
    rows = sorted(rows, key=lambda row: -row[name])
    write_csv(output(directory / FILE, directory), list(rows[0]), (list(row.values()) for row in rows), digits=9)
    worst, best = rows[0], rows[-1]
    return (
        f"test/{name} by series, from {best[name]:.3g} in {best['series']} to {worst[name]:.3g} in {worst['series']}; "
        f"{FILE} has all {len(rows)}."
    )
