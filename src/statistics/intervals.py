"""Confidence intervals, each from a library's function that its docstring names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LEVEL = 0.95
RESAMPLES = 9999
SEED = 0  # of every resampling, so that the same runs give the same digits


@dataclass(frozen=True)
class Interval:
    """A confidence interval: its ends, the coverage it is made for, and the name of its method."""

    low: float
    high: float
    level: float
    method: str


def alike(values: Sequence[float] | np.ndarray) -> bool:
    """Whether values differ by rounding at most: then they have no spread that a test could work with.

    >>> alike([0.1, 0.3 - 0.2]), alike([0.1, 0.2])
    (True, False)
    """
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max())


def t_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval | None:
    """Interval of the mean by Student's t (scipy.stats.ttest_1samp); None below two values.

    >>> round(t_interval([1.0, 2.0, 3.0]).low, 2)
    -0.48
    """
    from scipy import stats

    if len(values) < 2:
        return None
    if alike(values):
        return Interval(float(values[0]), float(values[0]), level, "t")
    ends = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    return Interval(float(ends.low), float(ends.high), level, "t")


def within(interval: Interval | None, low: float, high: float) -> Interval | None:
    """The part of an interval that lies in a range.

    >>> within(Interval(0.9, 1.1, 0.95, "t"), 0.0, 1.0).high
    1.0
    """
    if interval is None:
        return None
    return replace(interval, low=max(interval.low, low), high=min(interval.high, high))


def bca_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval | None:
    """Interval of the mean by the bias-corrected and accelerated bootstrap (scipy.stats.bootstrap, BCa).

    Paired resampling of two samples and the mean of their differences are the same as this over the differences.
    None below three values, or where all are equal: then there is nothing to resample.
    """
    from scipy import stats

    if len(values) < 3 or alike(values):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        ends = stats.bootstrap(
            (np.asarray(values, dtype=float),),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
    if not np.isfinite([ends.low, ends.high]).all():
        return None
    return Interval(float(ends.low), float(ends.high), level, "BCa")


def wilson_interval(successes: float, trials: int, level: float = LEVEL) -> Interval:
    """Interval of a probability after Wilson (1927) (statsmodels.stats.proportion.proportion_confint).

    >>> round(wilson_interval(7, 10).low, 2)
    0.4

    A tie may count as half a success; at least one trial.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    return Interval(float(low), float(high), level, "Wilson")


def percentile_interval(replicates: np.ndarray, method: str) -> Interval:
    """Interval between quantiles of a bootstrap's replicates (numpy.quantile), at :data:`LEVEL`."""
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), LEVEL, method)
