"""As many digits as an interval supports, the same for all numbers shown together."""

from __future__ import annotations

import math

from src.statistics.intervals import Interval


def decimals(scale: float, significant: int = 2) -> int:
    """Return how many decimals show ``significant`` digits of a number of this magnitude.

    >>> decimals(0.0135), decimals(250.0), decimals(0.0)
    (3, 0, 3)
    """
    if not math.isfinite(scale) or scale == 0:
        return 3
    return min(12, max(0, significant - 1 - math.floor(math.log10(abs(scale)))))


def of_interval(interval: Interval | None) -> int:
    """Return the decimals for an interval and its estimate: two significant digits of its half-width.

    >>> of_interval(Interval(0.1828, 0.21, 0.95, "t"))
    3
    """
    if interval is None or interval.high == interval.low:
        return decimals(0.0 if interval is None else interval.high, 3)
    return decimals((interval.high - interval.low) / 2)


def span(interval: Interval | None, turned: bool = False) -> str:
    """Format an interval as ``LOW to HIGH``; turned: of the negative; empty for None.

    >>> span(Interval(0.1828, 0.21, 0.95, "t")), span(Interval(0.1828, 0.21, 0.95, "t"), turned=True)
    ('0.183 to 0.210', '-0.210 to -0.183')
    """
    if interval is None:
        return ""
    low, high = (-interval.high, -interval.low) if turned else (interval.low, interval.high)
    digits = of_interval(interval)
    return f"{low:.{digits}f} to {high:.{digits}f}"
