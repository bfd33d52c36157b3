"""Per-sequence sums of a run's test set, and which of them make a metric."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.statistics.crossed import block_length, in_blocks
from src.statistics.intervals import Interval
from src.tasks.metrics import Metric

BLOCKS = 512  # more test sequences than this are summed in so many blocks of equal size: what 10,000 images need


@dataclass(frozen=True)
class Sequences:
    """Sums over the sequences of a test set, sequence by sequence or block by block.

    >>> sums = Sequences("ab12", 2, {"loss": np.array([3.0, 5.0]), "count": np.array([1.0, 4.0])})
    >>> sums.ratio(Metric("nll", "min", "nats", "loss", "count"))
    1.6
    """

    rows: str  # a checksum of which items they are; runs that share it, and the data's, were tested on the same
    number: int  # how many sequences
    # ``loss`` and ``count`` and the task's further sums, (min(number, BLOCKS),) or fewer, float64 each
    columns: Mapping[str, np.ndarray]
    windows: bool = False  # they overlap, and ``columns`` are sums over blocks of neighbouring ones of a series

    def ratio(self, metric: Metric | None) -> float | None:
        """The metric as a ratio of pooled sums; None where it is not one, or a sum is missing."""
        sums = self.sums(metric)
        return None if sums is None else float(sums[0].sum() / sums[1].sum())

    def sums(self, metric: Metric | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Numerator and denominator of a metric by sequence (or block); None where there are none."""
        if metric is None or metric.numerator is None or metric.denominator is None:
            return None
        if not {metric.numerator, metric.denominator} <= self.columns.keys():
            return None
        return metric.factor * self.columns[metric.numerator], self.columns[metric.denominator]


@dataclass(frozen=True)
class OverSequences:
    """The mean difference over seeds and test sequences, with a note on them or on why there is none."""

    note: str
    better: Interval | None = None  # at the level of the look that "better" needs, 95 % in a single one
    same: Interval | None = None  # likewise for "practically the same", 90 %
    floor: float | None = None  # half-width of ``better`` below which more seeds never bring it


def sequences_of(arrays: Mapping[str, np.ndarray]) -> Sequences:
    """From the arrays of ``sequences/test.npz`` (see :mod:`src.runs.record`).

    Forecasting windows of neighbouring rows share what they read and forecast, so they are summed over blocks that are
    long enough to be roughly independent (:func:`~src.statistics.crossed.block_length`), within each series.

    Raises:
        KeyError: when row, loss or count is missing.
        ValueError: when a column does not have one entry per sequence.
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
    """Sums over blocks of neighbouring windows within each series; all arrays are (windows,), in the order of rows."""
    borders = np.flatnonzero(np.diff(series)) + 1
    look, ahead = int(lookback[0]), int(horizon[0])
    summed = {}
    for name, values in columns.items():
        pieces = np.split(values, borders)
        # n windows, one for every row, forecast n - 1 + horizon rows.
        lengths = [block_length(look, ahead, len(piece) - 1 + ahead) for piece in pieces]
        summed[name] = np.concatenate([in_blocks(*both) for both in zip(pieces, lengths, strict=True)])
    return summed


def _classes(prediction: np.ndarray, target: np.ndarray) -> bool:
    """Whether they are one class for each sequence."""
    return prediction.ndim == target.ndim == 1 and prediction.dtype.kind == target.dtype.kind == "i"
