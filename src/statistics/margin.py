"""A conventional margin of practical equivalence, from validation alone, fixed before any test results are known.

A twentieth of the gap between the best trivial predictor and the models is small compared with what learning achieves;
a fifth of the distance to a known optimum is small compared with what remains to be gained. Neither uses the spread
between seeds, which would make "practically the same" depend on noise.
"""

from __future__ import annotations

import math

OF_GAP = 20
OF_DISTANCE = 5


def default_margin(gap: float, distance: float | None = None, least: float = 0.0) -> float | None:
    """Return min(gap / 20, distance / 5) to one significant digit, but at least ``least``, rounded up to one digit.

    Args:
        gap: from the best trivial predictor to the model, positive if the model is better.
        distance: from the model to a known optimum, if there is one.
        least: the smallest visible difference, e.g. one item of the test set for an accuracy.

    Returns:
        None if the model is no better than the trivial predictor, or if the margin would be 0.

    >>> default_margin(2.0), default_margin(0.8, 0.02), default_margin(0.8, 0.002, least=1 / 370), default_margin(-0.1)
    (0.1, 0.004, 0.003, None)
    """
    if not 0 < gap < math.inf:
        return None
    margin = gap / OF_GAP if distance is None else min(gap / OF_GAP, distance / OF_DISTANCE)
    margin = float(f"{margin:.0e}")
    if margin < least:
        digit = 10.0 ** math.floor(math.log10(least))
        margin = float(f"{math.ceil(least / digit - 1e-9) * digit:.0e}")
    return margin or None
