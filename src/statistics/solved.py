"""Paired rates of solving a task: the interval of their difference, and a test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import LEVEL, Interval, wilson_interval


@dataclass(frozen=True)
class SolveRates:
    """How often A and B solve a task, by pair."""

    both: int  # both, only_a, only_b, neither: numbers of pairs
    only_a: int
    only_b: int
    neither: int
    difference: float  # A's rate minus B's
    interval: Interval  # of the difference, Newcombe
    p: float  # McNemar, mid-p, two-sided


def solve_rates(a: np.ndarray, b: np.ndarray) -> SolveRates | None:
    """Compare two rates over pairs; ``a`` and ``b`` are whether the task was solved in each pair, (pairs,) bool.

    The interval is Newcombe's method 10 ("Improved confidence intervals for the difference between binomial proportions
    based on paired data", Statistics in Medicine 17, 1998): Wilson's intervals of both rates, with their correlation
    less a continuity correction. The test is McNemar's with half the probability of the observed outcome, the mid-p
    (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013, supplement), or 1 if no pair
    differs. None without pairs.
    """
    from scipy import stats

    n = len(a)
    if not n:
        return None
    both, only_a = int((a & b).sum()), int((a & ~b).sum())
    only_b, neither = int((~a & b).sum()), int((~a & ~b).sum())
    rate_a, rate_b = (both + only_a) / n, (both + only_b) / n
    wilson_a, wilson_b = wilson_interval(both + only_a, n), wilson_interval(both + only_b, n)
    product = both * neither - only_a * only_b
    scale = math.sqrt((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    phi = (max(product - n / 2, 0.0) if product > 0 else product) / scale if scale else 0.0

    def joined(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    low = joined(rate_a - wilson_a.low, wilson_b.high - rate_b)
    high = joined(wilson_a.high - rate_a, rate_b - wilson_b.low)
    difference = rate_a - rate_b
    fewer, discordant = min(only_a, only_b), only_a + only_b
    observed = float(stats.binom.pmf(fewer, discordant, 0.5))
    p = 1 - observed / 2 if only_a == only_b else 2 * float(stats.binom.cdf(fewer, discordant, 0.5)) - observed
    return SolveRates(
        both,
        only_a,
        only_b,
        neither,
        difference,
        Interval(difference - low, difference + high, LEVEL, "Newcombe"),
        p if discordant else 1.0,
    )


def p_below(count: int, number: int, rate: float) -> float:
    """Return the p-value of an event's rate being below ``rate``, if it occurred ``count`` times in ``number``.

    The exact test (scipy.stats.binomtest, ``less``).

    >>> round(p_below(0, 10, 0.25), 3)
    0.056
    """
    from scipy import stats

    return float(stats.binomtest(count, number, min(1.0, rate), "less").pvalue) if number else 1.0


def largest_rate(count: int, number: int, alpha: float) -> float:
    """Return the one-sided upper limit of an event's rate (Clopper and Pearson 1934; scipy.stats.binomtest).

    >>> round(largest_rate(0, 10, 0.05), 3)
    0.259
    """
    from scipy import stats

    if not number:
        return 1.0
    return float(stats.binomtest(count, number, alternative="less").proportion_ci(1 - alpha, "exact").high)
