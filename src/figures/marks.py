"""Runs as marks in a figure: positions on the axis, marks at the edge, and notes about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.figures.chart import Dots


@dataclass(frozen=True)
class Mark:
    """One run in a figure."""

    value: float | None  # of the metric; None: the run has none (it diverged or did not end)
    text: str  # what hovering shows
    hollow: bool = False  # drawn as a ring, to be interpreted with care
    x: float = math.nan  # position on the other axis, if the figure has one
    outlier: bool = False  # an axis need not reach it (e.g. a run at chance level); it is then drawn at the edge


def values_of(marks: Sequence[Mark]) -> list[float]:
    """Return the existing values."""
    return [m.value for m in marks if m.value is not None and math.isfinite(m.value)]


def usual(marks: Sequence[Mark]) -> list[float]:
    """Return the values that an axis must show: all, without outliers if they are fewer than a quarter."""
    plain = values_of([m for m in marks if not m.outlier])
    return plain if len(plain) >= 0.75 * len(marks) else values_of(marks)


def split(marks: Sequence[Mark], low: float, high: float) -> tuple[list[Mark], list[Mark], list[Mark]]:
    """Split marks into those inside the range, beyond it, and without a value."""
    known = [(m, m.value) for m in marks if m.value is not None and math.isfinite(m.value)]
    inside = [m for m, value in known if low <= value <= high]
    outside = [m for m, value in known if not low <= value <= high]
    return inside, outside, [m for m in marks if m.value is None or not math.isfinite(m.value)]


def spread(n: int) -> np.ndarray:
    """Return deterministic offsets of (n,) points in a column, with list neighbours far apart."""
    return (np.arange(n) * 0.6180339887 % 1 - 0.5) * 0.36


def dots(model: str, marks: Sequence[Mark], x: Sequence[float] | None = None, opacity: float = 1.0) -> Dots:
    """Return marks that have a value; at ``x``, or at their own position."""
    at = [m.x for m in marks] if x is None else x
    hollow = [i for i, m in enumerate(marks) if m.hollow]
    return Dots(model, at, values_of(marks), [m.text for m in marks], hollow, opacity=opacity)


def at_edge(model: str, marks: Sequence[Mark], x: Sequence[float], y: float, symbol: str) -> list[Dots]:
    """Return marks at the edge of the axis, if there are any."""
    return [Dots(model, x, [y] * len(marks), [m.text for m in marks], symbol=symbol, size=7)] if marks else []


def edge_notes(lost: int, outside: int, what: str = "run") -> list[str]:
    """Describe the marks at the edge, in sentences."""
    lost_ones = f"{count(lost, what)} without a value {are(lost)} marked X at the edge."
    outer = f"{count(outside, what)} beyond the axis {are(outside)} marked by a triangle at the edge."
    return [words for n, words in ((lost, lost_ones), (outside, outer)) if n]


def count(n: int, what: str) -> str:
    """Format a count: ``One run``, ``3 runs``."""
    return f"One {what}" if n == 1 else f"{n} {what}s"


def are(n: int) -> str:
    """Return the verb for `count`."""
    return "is" if n == 1 else "are"


def short(value: float) -> str:
    """Format with four significant digits."""
    return f"{value:.4g}"
