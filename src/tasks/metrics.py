"""What a metric is: its name, which way is better, its unit, and the per-sequence sums that it is a ratio of."""

from __future__ import annotations

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
