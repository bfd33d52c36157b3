"""Per-sequence sums of a run's test set, and the metrics formed from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.statistics.crossed import block_length, in_blocks
from src.statistics.intervals import Interval
from src.tasks.metrics import Metric

BLOCKS = 512  # larger test sets, such as 10,000 images, are summed into this many blocks of equal size


@dataclass(frozen=True)
class Sequences:
    """Sums over the sequences of a test set, sequence by sequence or block by block.

    >>> sums = Sequences("ab12", 2, {"loss": np.array([3.0, 5.0]), "count": np.array([1.0, 4.0])})
    >>> sums.ratio(Metric("nll", "min", "nats", "loss", "count"))
    1.6
    """

    rows: str  # a checksum of the items; runs that share it and the data's were tested on the same sequences
    number: int  # number of sequences
    # ``loss`` and ``count`` and the task's further sums, (min(number, BLOCKS),) or fewer, float64 each
    columns: Mapping[str, np.ndarray]
    windows: bool = False  # they overlap, and ``columns`` are sums over blocks of neighbouring ones of a series

    def ratio(self, metric: Metric | None) -> float | None:
        """Return the metric as a ratio of pooled sums; None if it is not a ratio, or a sum is missing."""
        sums = self.sums(metric)
        return None if sums is None else float(sums[0].sum() / sums[1].sum())

    def sums(self, metric: Metric | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return numerator and denominator of a metric by sequence (or block); None if there are none."""
        if metric is None or metric.numerator is None or metric.denominator is None:
            return None
        if not {metric.numerator, metric.denominator} <= self.columns.keys():
            return None
        return metric.factor * self.columns[metric.numerator], self.columns[metric.denominator]


@dataclass(frozen=True)
class OverSequences:
    """The mean difference over seeds and test sequences, with a note about it or about why it is missing."""

    note: str
    better: Interval | None = None  # at the level that the look requires for "better", 95 % for a single look
    same: Interval | None = None  # the same for "practically the same", 90 %
    floor: float | None = None  # smallest half-width of ``better`` that more seeds can reach


def sequences_of(arrays: Mapping[str, np.ndarray]) -> Sequences:
    """Build the sums from the arrays of ``sequences/test.npz`` (see :mod:`src.runs.record`).

    Forecasting windows of neighbouring rows overlap, so they are summed within each series over blocks long enough to
    be roughly independent (:func:`~src.statistics.crossed.block_length`).

    Raises:
        KeyError: row, loss or count is missing.
        ValueError: a column does not have one entry per sequence.
    """
    row = np.asarray(arrays["row"], dtype=np.int64)
    order = np.argsort(row, kind="stable")
    columns = {name: values for name, values in arrays.items() if values.ndim == 1 and values.dtype == np.float64}
    if not {"loss", "count"} <= set(columns):
        raise KeyError("loss and count")
    columns = {name: values for name, values in columns.items() if name not in ("prediction", "target")}
    prediction, target = arrays.get("prediction"), arrays.get("target")
    if prediction is not None and target is not None and "right" not in columns and _classes(prediction, target):
        columns["right"] = (prediction == target).astype(np.float64)
    columns = {name: values[order] for name, values in columns.items()}
    items = np.asarray(arrays.get("item", row))[order]
    if windows := "series" in arrays:
        columns = _in_periods(columns, *(np.asarray(arrays[name])[order] for name in ("series", "lookback", "horizon")))
    number = len(columns["loss"])
    blocks = np.arange(number) * min(BLOCKS, number) // number
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    summed = {name: np.add.reduceat(values, starts) for name, values in columns.items()}
    rows = hashlib.sha256(json.dumps(items.tolist()).encode() if "item" in arrays else row[order].tobytes())
    return Sequences(rows.hexdigest()[:12], len(row), summed, windows)


def _in_periods(
    columns: Mapping[str, np.ndarray], series: np.ndarray, lookback: np.ndarray, horizon: np.ndarray
) -> dict[str, np.ndarray]:
    """Sum over blocks of neighbouring windows within each series; all arrays are (windows,), in the order of rows."""
    borders = np.flatnonzero(np.diff(series)) + 1
    look, ahead = int(lookback[0]), int(horizon[0])
    summed = {}
    for name, values in columns.items():
        pieces = np.split(values, borders)
        # n windows, one starting at every row, cover n - 1 + horizon rows of forecasts.
        lengths = [block_length(look, ahead, len(piece) - 1 + ahead) for piece in pieces]
        summed[name] = np.concatenate([in_blocks(*both) for both in zip(pieces, lengths, strict=True)])
    return summed


def _classes(prediction: np.ndarray, target: np.ndarray) -> bool:
    """Return whether predictions and targets are one class per sequence."""
    return prediction.ndim == target.ndim == 1 and prediction.dtype.kind == target.dtype.kind == "i"
