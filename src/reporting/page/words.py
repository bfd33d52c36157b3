"""Format numbers, settings and times for the report; its templates use these functions as filters."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from src.statistics.intervals import Interval
from src.statistics.rounding import of_interval

NAMES = {"optimizer.lr": "learning rate", "model.hidden_size": "hidden size", "data.length": "length (steps)"}
NOTHING = "–"


def number(value: Any, digits: int = 4, signed: bool = False) -> str:
    """Format a number with this many significant digits; a dash for None and values that are not finite."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    sign = "+" if signed else ""
    if isinstance(value, int) or abs(value) >= 10**digits:
        text = f"{value:{sign},.0f}" if abs(value) < 1e15 else f"{value:{sign}.3g}"
    else:
        text = f"{value:{sign}.{digits}g}"
    return text.replace("-", "−") if "e" not in text else text


def interval(ends: Interval | None, signed: bool = True) -> str:
    """Format an interval, with as many decimals as its width supports."""
    if ends is None:
        return NOTHING
    digits, sign = of_interval(ends), "+" if signed else ""
    return f"{ends.low:{sign}.{digits}f} to {ends.high:{sign}.{digits}f}".replace("-", "−")


def supported(value: float | None, ends: Interval | None) -> str:
    """Format a level with as many decimals as its interval supports, or four digits without one."""
    return number(value) if value is None or ends is None else f"{value:.{of_interval(ends)}f}"


def difference(mean: float, ends: Interval | None) -> str:
    """Format a mean difference with its sign, and as many decimals as its interval supports."""
    return f"{mean:+.{of_interval(ends)}f}".replace("-", "−")


def probability(value: float | None) -> str:
    """Format a p-value or a power with two or three decimals, but never as 0."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def setting(key: str) -> str:
    """Return the display name of a dotted key."""
    return NAMES.get(key, key)


def settings(values: Mapping[str, Any]) -> str:
    """Format settings, e.g. ``learning rate 0.003, hidden size 46``."""
    return ", ".join(f"{setting(key)} {number(value)}" for key, value in values.items()) or NOTHING


def place(data: str, arm: str | None) -> str:
    """Return the data set, with the arm if there are several."""
    return data if arm in ("main", None) else f"{data}, {arm}"


def moment(seconds: float | None) -> str:
    """Format a Unix time in UTC."""
    return NOTHING if seconds is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def duration(seconds: float | None) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
