"""All data sets together: counts of verdicts, and from ten tasks up ranks, profiles and normalised scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from src.analysis.models import interquartile_mean
from src.analysis.summary import Across, Task
from src.statistics.intervals import LEVEL, RESAMPLES, SEED, Interval

LEAST = 10  # tasks, below which ranks can hardly separate three cells (Demsar 2006)


def across(tasks: Sequence[Task]) -> Across | None:
    """Win, same and loss of the primary comparison over data sets; more from :data:`LEAST` tasks up.

    Args:
        tasks: of one arm, one for each data set.

    Returns:
        None with fewer than two data sets, or where no primary comparison was named.
    """
    primary = [comparison for task in tasks for comparison in task.comparisons if comparison.primary]
    if len(primary) < 2:
        return None
    a, b = primary[0].a, primary[0].b
    verdicts = [c.verdict for c in primary if c.verdict is not None]
    counts = Counter(v.winner or v.outcome for v in verdicts)
    found = Across(a, b, counts[a], counts["same"], counts[b], counts["undecided"])
    whole = [task for task in tasks if all(model.mean is not None for model in task.models)]
    if len(whole) < LEAST:
        note = f"Ranks, profiles and normalised scores need {LEAST} complete data sets; there are {len(whole)}."
        return replace(found, note=note)
    names = [model.model for model in whole[0].models]
    scores = {name: _scores(whole, name) for name in names}
    scored = {name: values for name, values in scores.items() if values}
    thresholds = [i / 20 for i in range(21)]
    ranks, statistic, p = friedman([[m.mean for m in task.models] for task in whole], [t.mode for t in whole])
    return replace(
        found,
        note=None if len(scored) == len(names) else "Scores need a trivial baseline on every data set.",
        ranks=dict(zip(names, ranks, strict=True)),
        friedman={} if p is None else {"statistic": float(statistic or 0.0), "p": p},
        critical_difference=critical_difference(len(names), len(whole)),
        iqm={n: {"value": pooled_iqm(v), "interval": stratified(v)} for n, v in scored.items()},
        profile={name: profile(values, thresholds) for name, values in scored.items()},
        thresholds=thresholds,
    )


def friedman(
    means: Sequence[Sequence[float | None]], modes: Sequence[str]
) -> tuple[list[float], float | None, float | None]:
    """Mean ranks over tasks (1 is best; scipy.stats.rankdata) and Friedman's test (scipy.stats.friedmanchisquare).

    Args:
        means: by task and model.
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
    found = stats.friedmanchisquare(*costs.T)
    return ranks.tolist(), float(found.statistic), float(found.pvalue)


def critical_difference(models: int, tasks: int) -> float:
    """Nemenyi's critical difference of mean ranks at 5 %: q sqrt(k (k + 1) / (6 N)), Demsar 2006, equation in 3.2.2.

    q is the quantile of the studentised range over sqrt 2 (scipy.stats.studentized_range).

    >>> critical_difference(3, 10)
    1.04...
    """
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - 0.05, models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(models * (models + 1) / (6 * tasks))


def pooled_iqm(scores: Mapping[str, Sequence[float]]) -> float:
    """Interquartile mean over the runs of all tasks together (Agarwal et al. 2021)."""
    return interquartile_mean([score for values in scores.values() for score in values])


def stratified(scores: Mapping[str, Sequence[float]]) -> Interval:
    """Percentile interval of :func:`pooled_iqm`, runs resampled within each task (Agarwal et al. 2021, section 4)."""
    rng = np.random.default_rng(SEED)
    draws = RESAMPLES // 5
    parts = [np.asarray(v)[rng.integers(0, len(v), (draws, len(v)))] for v in scores.values()]
    from scipy import stats

    replicates = stats.trim_mean(np.concatenate(parts, axis=1), 0.25, axis=1)
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), LEVEL, "stratified bootstrap")


def profile(scores: Mapping[str, Sequence[float]], thresholds: Sequence[float]) -> list[float]:
    """Share of runs with a score above each threshold, tasks weighing the same (Agarwal et al. 2021, equation 1)."""
    return [float(np.mean([np.mean(np.asarray(v) > t) for v in scores.values()])) for t in thresholds]


def _scores(tasks: Sequence[Task], name: str) -> dict[str, list[float]]:
    """By task: every run's score, the best trivial baseline at 0 and the best model's mean at 1; diverged runs at 0.

    Empty where a task has no baseline, or no model that beats it.
    """
    found: dict[str, list[float]] = {}
    for task in tasks:
        sign = 1.0 if task.mode == "max" else -1.0
        if not task.baselines:
            return {}
        zero = max(sign * value for value in task.baselines.values())
        one = max(sign * float(model.mean or 0.0) for model in task.models)
        if not one > zero:
            return {}
        model = next(m for m in task.models if m.model == name)
        values = [p.value for p in model.points if p.value is not None]
        found[task.data] = [(sign * v - zero) / (one - zero) for v in values] + [0.0] * model.diverged
    return found
