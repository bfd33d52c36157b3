"""Numbers for a reader."""

from __future__ import annotations

import math


def three(value: float | None) -> str:
    """Format a number for a reader: three significant digits, but whole thousands in full; empty for None.

    >>> three(0.9649), three(8.5), three(22150.4), three(5.67e-05), three(0.0)
    ('0.965', '8.50', '22,150', '5.67e-05', '0')
    """
    if value is None:
        return ""
    rounded = float(f"{value:.3g}")
    if not 1e-4 <= abs(rounded) < 1e6:  # also 0, and what is not finite
        return f"{rounded:g}"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"
