"""Several random splits of one finite set of sequences, which share sequences and so are not independent repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from src.statistics.intervals import LEVEL, Interval

LEAST = 5  # splits


def over_splits(differences: Sequence[float], test: int, others: int, level: float = LEVEL) -> Interval | None:
    """Return Nadeau and Bengio's interval over splits: mean +- t(k - 1) sqrt((1/k + test/others) S2).

    Training sets of different splits overlap, so their results are correlated, for which the second term accounts
    ("Inference for the generalization error", Machine Learning 52, 2003, section 3). An ordinary t interval over splits
    and seeds together covers too rarely, the more so the more there are.

    Args:
        differences: mean over seeds in each split, (k,).
        test: number of test sequences.
        others: number of training and validation sequences.
        level: nominal coverage.

    Returns:
        None below :data:`LEAST` splits.
    """
    from scipy import stats

    x = np.asarray(differences, dtype=float)
    if len(x) < LEAST:
        return None
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * math.sqrt((1 / len(x) + test / others) * x.var(ddof=1))
    return Interval(float(x.mean()) - half, float(x.mean()) + half, level, "Nadeau-Bengio over splits")
