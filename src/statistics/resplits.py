"""Several random splits of one finite set of sequences: they share sequences, so they are no independent repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from src.statistics.intervals import LEVEL, Interval

LEAST = 5  # splits


def over_splits(differences: Sequence[float], test: int, others: int, level: float = LEVEL) -> Interval | None:
    """Nadeau and Bengio's interval of a difference over splits: mean +- t(k - 1) sqrt((1/k + test/others) S2).

    Training sets of different splits overlap, so their results are correlated; the second term stands for that
    ("Inference for the generalization error", Machine Learning 52, 2003, section 3). Ordinary t over splits and seeds
    together covers too seldom, the more so the more of them there are.

    Args:
        differences: of each split, the mean over its seeds, (k,).
        test: number of test sequences.
        others: number of training and validation sequences.
        level: coverage that is aimed at.

    Returns:
        None below :data:`LEAST` splits.
    """
    from scipy import stats

    x = np.asarray(differences, dtype=float)
    if len(x) < LEAST:
        return None
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * math.sqrt((1 / len(x) + test / others) * x.var(ddof=1))
    return Interval(float(x.mean()) - half, float(x.mean()) + half, level, "Nadeau-Bengio over splits")
