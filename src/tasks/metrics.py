"""What a metric is: its name, which way is better, its unit, and the per-sequence sums that it is a ratio of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Metric:
    """One figure of a task, declared once by the task and carried by the record of every run.

    >>> Metric("bpc", "min", "bits per character", "loss", "count", 1 / 0.6931).direction
    'min'

    Args:
        name: without the split, e.g. ``nll``.
        direction: ``min`` where the smaller value is better, else ``max``.
        unit: empty where it has none, or where the data decide.
        numerator: the column of ``sequences/<split>.npz`` that is summed above the fraction bar; None where the metric
            is no ratio of sums over sequences (perplexity, F1).
        denominator: the column below it.
        factor: by which the ratio is multiplied.
    """

    name: str
    direction: Direction
    unit: str = ""
    numerator: str | None = None
    denominator: str | None = None
    factor: float = 1.0


def declared_by_shipped_tasks() -> dict[str, Metric]:
    """What the tasks shipped here declare, by name: for records written before runs carried it themselves."""
    return {metric.name: metric for metric in _SHIPPED}


_SHIPPED = (
    Metric("loss", "min", "", "loss", "count"),
    Metric("nll", "min", "nats", "loss", "count"),
    Metric("nll_per_sample", "min", "nats per sample"),
    Metric("perplexity", "min"),
    Metric("bpc", "min", "bits per character", "loss", "count", 1 / math.log(2)),
    Metric("mse", "min", "", "loss", "count"),
    Metric("mae", "min", "", "absolute", "count"),
    Metric("rmse", "min"),
    Metric("mase", "min", "", "scaled", "count"),
    Metric("mse_unit", "min", "", "squared_unit", "count"),
    Metric("mae_unit", "min", "", "absolute_unit", "count"),
    Metric("acc", "max", "", "right", "count"),
    Metric("f1", "max"),
    Metric("frame_acc", "max", "", "hits", "sounding"),
)
