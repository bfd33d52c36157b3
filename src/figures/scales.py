"""The range of an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from src.figures.chart import Axis

LOG_FROM = 50.0  # ratio of highest to lowest value above which an axis of positive values is logarithmic
STRETCH = 2.5  # how far beyond the runs an axis may reach for a published result, a baseline or an outlier


def fit(label: str, core: Sequence[float], extra: Sequence[float] = ()) -> Axis:
    """Return an axis that shows the core, and of the rest, nearest first, whatever does not compress the core.

    The axis is logarithmic if the core is positive and spans more than :data:`LOG_FROM`.
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
    """Extend the range by a fraction at both ends."""
    if log and low > 0:
        room = share * math.log10(high / low) or 0.1
        return low / 10**room, high * 10**room
    room = share * (high - low) or abs(high) * 0.05 or 1.0
    return low - room, high + room


def log_ticks(low: float, high: float) -> dict[float, str]:
    """Return three to seven ticks of a logarithmic axis with their words: decades, or numbers between them.

    >>> log_ticks(0.0013, 0.028)
    {0.002: '0.002', 0.005: '0.005', 0.01: '0.01', 0.02: '0.02'}
    >>> list(log_ticks(3e-6, 0.02).values())
    ['10⁻⁵', '0.0001', '0.001', '0.01']
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), [i / 10 for i in range(10, 100)]):
        ticks = [value for d in decades for s in steps if low <= (value := float(f"{s}e{d}")) <= high]
        if len(ticks) >= 3:
            break
    return {value: plain(value) for value in ticks[:: -(-len(ticks) // 7) or 1]}


def plain(value: float) -> str:
    """Write a tick as a number, or with a power of ten where that would have many zeros.

    >>> plain(0.002), plain(20000.0), plain(2e-5), plain(1e6)
    ('0.002', '20000', '2·10⁻⁵', '10⁶')
    """
    if 1e-4 <= value < 1e5:
        return f"{value:g}"
    digits, _, power = f"{value:.1e}".partition("e")
    raised = f"10{int(power)}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")).replace("¹⁰", "10", 1)
    return raised if float(digits) == 1 else f"{float(digits):g}·{raised}"


def beyond(log: bool, near: float, far: float) -> float:
    """Return a position slightly beyond ``far``, seen from ``near``, for runs without a value."""
    return far * (far / near) ** 0.1 if log else far + 0.1 * (far - near)
