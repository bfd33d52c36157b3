"""Medians with distribution-free intervals, and whether a machine was quiet enough to trust them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple

NOISY_SPREAD = 0.15  # of the baseline, quartile to quartile over the median
OWN_CORE = 0.9  # of the time a step on one thread should have been running
BUSY_CORES = 0.1  # of other processes; what a run's record calls a shared machine too


class Median(NamedTuple):
    """A median and an interval around it.

    Args:
        value: the median.
        low: its interval's lower end, one of the observations.
        high: its upper end.
        coverage: the probability with which such an interval contains the true median, for independent observations.
    """

    value: float
    low: float
    high: float
    coverage: float


def median_interval(observations: Sequence[float], confidence: float = 0.95) -> Median:
    """The median and the narrowest symmetric pair of order statistics that contains the true one.

    The number of n independent observations below the true median is binomial (n, 1/2), whatever they are drawn
    from: the pair of ranks k and n + 1 - k covers it with probability 1 - 2 P(Bin(n, 1/2) < k) (Conover, "Practical
    Nonparametric Statistics", section 3.2). With fewer than six observations no pair reaches 95 %: then it is the
    smallest and the largest, with the coverage that they have.

    >>> median_interval([3.0, 1.0, 2.0])
    Median(value=2.0, low=1.0, high=3.0, coverage=0.75)

    Args:
        observations: at least one.
        confidence: the least coverage, where it can be had.
    """
    ordered = sorted(observations)
    n = len(ordered)

    def coverage(rank: int) -> float:
        return 1 - 2 * sum(math.comb(n, i) for i in range(rank)) / 2**n

    rank = max((k for k in range(1, (n + 1) // 2 + 1) if coverage(k) >= confidence), default=1)
    return Median(median(ordered), ordered[rank - 1], ordered[n - rank], coverage(rank))


def ratios(baseline: Sequence[float], contender: Sequence[float]) -> list[float]:
    """Baseline's time over contender's, round by round: over 1 is faster than the baseline."""
    return [b / c for b, c in zip(baseline, contender, strict=True)]


def spread(observations: Sequence[float]) -> float:
    """Distance of the quartiles over the median; 0 for a single observation."""
    if len(observations) < 2:
        return 0.0
    low, middle, high = quantiles(observations, n=4, method="inclusive")
    return (high - low) / middle


def noise(
    baselines: Mapping[str, Sequence[float]], busy_cores: float | None, cores: Mapping[str, float] | None = None
) -> list[str]:
    """Return reasons to distrust the times of a case, as sentences; empty on a quiet machine.

    Args:
        baselines: the times of each baseline, by its name.
        busy_cores: how many cores other processes kept busy; None: unknown.
        cores: that each baseline used, where it should have had one to itself.
    """
    moved = [f"{name} by {spread(times):.0%}" for name, times in baselines.items() if spread(times) > NOISY_SPREAD]
    reasons = []
    if moved:
        reasons.append(f"The baseline varied between rounds: {', '.join(moved)} (interquartile range).")
    waited = [f"{name} {share:.0%}" for name, share in (cores or {}).items() if share < OWN_CORE]
    if waited:
        reasons.append(f"The process had its core for only part of the time: {', '.join(waited)}.")
    if busy_cores is not None and busy_cores > BUSY_CORES:
        reasons.append(f"Other processes kept {busy_cores:.1f} cores busy.")
    return reasons
