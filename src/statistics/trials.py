"""The variability that a limited search adds to a difference, because settings are the best of a few trials."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def sigma_tune(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the SD of the validation difference of two choices under resampling of each model's trials.

    The best of q trials resampled with replacement is the r-th best with probability ((q - r + 1)/q)^q - ((q - r)/q)^q,
    so no simulation is needed. Infinite costs (diverged trials) are replaced by the worst finite one.

    Args:
        a: validation cost of each of A's trials, lower is better, (q,).
        b: the same of B.

    >>> round(sigma_tune([1.0, 1.2, 1.5], [1.1, 1.1, 1.1]), 3)
    0.121
    """
    return math.sqrt(_variance_of_best(a) + _variance_of_best(b))


def _variance_of_best(costs: Sequence[float]) -> float:
    x = np.sort(np.asarray(costs, dtype=float))
    finite = x[np.isfinite(x)]
    if not len(finite):
        return 0.0
    x = np.where(np.isfinite(x), x, finite[-1])
    left = np.arange(len(x), -1, -1) / len(x)
    share = left[:-1] ** len(x) - left[1:] ** len(x)
    mean = float(share @ x)
    return float(share @ (x - mean) ** 2)
