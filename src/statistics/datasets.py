"""Many data sets together: ranks, Friedman's test, normalised scores and their profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from src.statistics.intervals import RESAMPLES, SEED, Interval, percentile_interval


def friedman(
    means: Sequence[Sequence[float | None]], modes: Sequence[str]
) -> tuple[list[float], float | None, float | None]:
    """Mean ranks over tasks (1 is best; scipy.stats.rankdata) and Friedman's test (scipy.stats.friedmanchisquare).

    Args:
        means: (tasks, models).
        modes: by task, ``min`` or ``max``.

    Returns:
        Mean rank by model; statistic and p, None with fewer than three models.
    """
    from scipy import stats

    signs = np.array([[1.0 if mode == "min" else -1.0] for mode in modes])
    costs = signs * np.array(means, dtype=float)
    ranks = stats.rankdata(costs, axis=1).mean(0)
    if costs.shape[1] < 3:
        return ranks.tolist(), None, None
    test = stats.friedmanchisquare(*costs.T)
    return ranks.tolist(), float(test.statistic), float(test.pvalue)


def critical_difference(models: int, tasks: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5 %: q sqrt(k (k + 1) / (6 N)), Demsar 2006, equation in 3.2.2.

    q is the quantile of the studentised range over sqrt 2 (scipy.stats.studentized_range).

    >>> round(critical_difference(3, 10), 2)
    1.05
    """
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - 0.05, models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(models * (models + 1) / (6 * tasks))


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of the middle half (scipy.stats.trim_mean with 0.25, as in rliable's aggregate_iqm).

    >>> interquartile_mean([0.0, 1.0, 2.0, 9.0])
    1.5
    """
    from scipy import stats

    return float(stats.trim_mean(np.asarray(values, dtype=float), 0.25, axis=None))


def pooled_iqm(scores: Mapping[str, Sequence[float]]) -> float:
    """Interquartile mean over the runs of all tasks together (Agarwal et al. 2021)."""
    return interquartile_mean([score for values in scores.values() for score in values])


def stratified(scores: Mapping[str, Sequence[float]]) -> Interval:
    """Percentile interval of :func:`pooled_iqm`, runs resampled within each task (Agarwal et al. 2021, section 4)."""
    from scipy import stats

    rng = np.random.default_rng(SEED)
    draws = RESAMPLES // 5
    resampled = [np.asarray(v)[rng.integers(0, len(v), (draws, len(v)))] for v in scores.values()]
    replicates = stats.trim_mean(np.concatenate(resampled, axis=1), 0.25, axis=1)
    return percentile_interval(replicates, "stratified bootstrap")


def profile(scores: Mapping[str, Sequence[float]], thresholds: Sequence[float]) -> list[float]:
    """Share of runs with a score above each threshold, tasks weighing the same (Agarwal et al. 2021, equation 1)."""
    return [float(np.mean([np.mean(np.asarray(v) > t) for v in scores.values()])) for t in thresholds]
