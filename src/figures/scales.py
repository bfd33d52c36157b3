"""How far an axis reaches, where values stand that do not fit, and how notes speak of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.figures.chart import Axis

LOG_FROM = 50.0  # highest over lowest value from which an axis of positive values is logarithmic
STRETCH = 2.5  # how much further than the runs an axis may reach for a published figure, a baseline, an outlier


@dataclass(frozen=True)
class Mark:
    """One run in a picture.

    >>> Mark(8.5, "seed 0").hollow
    False

    Args:
        value: of the metric; None: the run has none (it diverged or did not end).
        text: what hovering shows.
        hollow: drawn as a ring, to be read with care.
        x: place on the other axis, where the picture has one.
        outlier: an axis need not reach it (a run at chance level, say); it then stands at the edge.
    """

    value: float | None
    text: str
    hollow: bool = False
    x: float = math.nan
    outlier: bool = False


def values_of(marks: Sequence[Mark]) -> list[float]:
    """Those that there are."""
    return [m.value for m in marks if m.value is not None and math.isfinite(m.value)]


def usual(marks: Sequence[Mark]) -> list[float]:
    """The values that an axis must show: all, but for outliers while they are fewer than a quarter."""
    plain = values_of([m for m in marks if not m.outlier])
    return plain if len(plain) >= 0.75 * len(marks) else values_of(marks)


def fit(label: str, core: Sequence[float], extra: Sequence[float] = ()) -> Axis:
    """An axis that shows the core, and of the rest, nearest first, what does not press the core together.

    Logarithmic where the core is positive and spans more than :data:`LOG_FROM`.
    """
    inner = [float(v) for v in core if math.isfinite(v)] or [0.0, 1.0]
    log = min(inner) > 0 and max(inner) / min(inner) > LOG_FROM
    scale = math.log10 if log else float
    low, high = min(map(scale, inner)), max(map(scale, inner))
    if high - low < 1e-12:
        room = abs(high) * 0.02 or 1.0
        low, high = low - room, high + room
    span, middle = high - low, (high + low) / 2
    rest = [scale(float(v)) for v in extra if math.isfinite(v) and (v > 0 or not log)]
    for value in sorted(rest, key=lambda v: abs(v - middle)):
        if max(high, value) - min(low, value) <= STRETCH * span:
            low, high = min(low, value), max(high, value)
    return Axis(label, log, padded(log, *((10**low, 10**high) if log else (low, high))))


def padded(log: bool, low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """The range with a share of it added at both ends."""
    if log and low > 0:
        room = share * math.log10(high / low) or 0.1
        return low / 10**room, high * 10**room
    room = share * (high - low) or abs(high) * 0.05 or 1.0
    return low - room, high + room


def beyond(log: bool, near: float, far: float) -> float:
    """A little further than ``far``, seen from ``near``: where runs without a value stand."""
    return far * (far / near) ** 0.1 if log else far + 0.1 * (far - near)


def spread(n: int, width: float = 0.18) -> np.ndarray:
    """Offsets of (n,) points of a column, the same at every call, machine_load in the list far from each other."""
    return (np.arange(n) * 0.6180339887 % 1 - 0.5) * 2 * width


def split(marks: Sequence[Mark], low: float, high: float) -> tuple[list[Mark], list[Mark], list[Mark]]:
    """Marks inside the range, beyond it, and without a value."""
    known = [(m, m.value) for m in marks if m.value is not None and math.isfinite(m.value)]
    inside = [m for m, value in known if low <= value <= high]
    outside = [m for m, value in known if not low <= value <= high]
    return inside, outside, [m for m in marks if m.value is None or not math.isfinite(m.value)]


def edge_notes(lost: int, outside: int, what: str = "run") -> list[str]:
    """What stands at the edge, in sentences."""
    notes = []
    if lost:
        notes.append(f"{count(lost, what)} without a value {_are(lost)} marked X at the edge.")
    if outside:
        notes.append(f"{count(outside, what)} beyond the axis {_are(outside)} marked by a triangle at the edge.")
    return notes


def count(n: int, what: str) -> str:
    """``One run``, ``3 runs``."""
    return f"One {what}" if n == 1 else f"{n} {what}s"


def short(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
