"""Paired samples: probability of winning, the signed-rank test, Holm's correction, correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import RESAMPLES, SEED, Interval, alike, wilson_interval
from src.statistics.power import MEANINGFUL

TIED = 1e-6  # relative to the largest value: differences closer than this are ties


@dataclass(frozen=True)
class Probability:
    """The probability that A beats B in a pair (Bouthillier et al. 2021)."""

    wins: int  # wins, ties, losses: of A
    ties: int
    losses: int
    estimate: float  # (wins + ties / 2) / pairs
    interval: Interval  # Wilson at 95 %
    reading: str  # ``not significant``, or which model wins more often and whether that is significant and meaningful


def probability_better(advantages: np.ndarray, names: tuple[str, str]) -> Probability | None:
    """Return P(A better) with Wilson's interval, interpreted as in Bouthillier et al. 2021 ("Accounting for variance").

    Their section 4 compares the interval with 0.5 (significant) and 0.75 (meaningful): not significant if the interval
    contains 0.5, else meaningful if its outer bound exceeds 0.75. Only the signs of A's advantages count. None without
    pairs.
    """
    signs = np.sign(advantages)
    if not len(signs):
        return None
    wins, ties, losses = (int((signs == sign).sum()) for sign in (1, 0, -1))
    successes = wins + ties / 2
    interval = wilson_interval(successes, len(signs))
    if interval.low <= 0.5 <= interval.high:
        reading = "not significant"
    else:
        ahead, far = (names[0], interval.high) if interval.low > 0.5 else (names[1], 1 - interval.low)
        reading = f"{ahead} more often: significant{' and' if far > MEANINGFUL else ', not'} meaningful"
    return Probability(wins, ties, losses, successes / len(signs), interval, reading)


def signed_rank(advantages: np.ndarray, largest: float = 0.0) -> tuple[float, float] | None:
    """Return statistic and p of the two-sided Wilcoxon signed-rank test (scipy.stats.wilcoxon, exact up to 50 pairs).

    Differences closer than a millionth of the values are ties: 0.93 - 0.91 equals 0.95 - 0.93 whatever the last digits
    (metrics are summed in float32). Pairs without a difference are dropped, as in Wilcoxon's test. With ties, for which
    scipy's p is only approximate, the signs of the mid-ranks are permuted (scipy.stats.permutation_test, exact up to 13
    pairs). None without pairs; p is 1 if no pair differs.

    Args:
        advantages: advantage of A in each pair.
        largest: magnitude of the largest value used in a difference.
    """
    from scipy import stats

    if not len(advantages):
        return None
    x = _levels(advantages, TIED * largest)
    x = x[x != 0]
    if not len(x):
        return 0.0, 1.0
    ranks = np.sign(x) * stats.rankdata(np.abs(x))
    if len(np.unique(np.abs(x))) == len(x):
        exact = stats.wilcoxon(x)
        return float(exact.statistic), float(exact.pvalue)
    permuted = stats.permutation_test(
        (ranks,),
        lambda sample, axis: sample.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    )
    return float(min(ranks[ranks > 0].sum(), -ranks[ranks < 0].sum())), float(permuted.pvalue)


def _levels(x: np.ndarray, tolerance: float) -> np.ndarray:
    """Return signed ranks of numbers, equal for magnitudes closer than the tolerance.

    >>> _levels(np.array([0.3, -0.1, 0.1 + 1e-9, 1e-9]), 1e-6).tolist()
    [2.0, -1.0, 1.0, 0.0]
    """
    order = np.argsort(np.abs(x))
    places = np.empty(len(x))
    places[order] = np.cumsum(np.diff(np.abs(x)[order], prepend=0.0) > tolerance)
    return np.sign(x) * places


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values with Holm's correction (statsmodels.stats.multitest.multipletests)."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []


def correlation(a: np.ndarray, b: np.ndarray) -> tuple[float | None, float | None]:
    """Return the correlation within pairs (scipy.stats.pearsonr), and the difference's variance over the sum of both.

    The second shows the benefit of pairing: unpaired runs would have 1. None below three pairs or if a sample does not
    vary.
    """
    from scipy import stats

    if len(a) < 3 or alike(a) or alike(b):
        return None, None
    r = float(stats.pearsonr(a, b).statistic)
    return r, float((a - b).var(ddof=1) / (a.var(ddof=1) + b.var(ddof=1)))
