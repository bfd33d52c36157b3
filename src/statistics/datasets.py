"""Many data sets together: ranks, Friedman's test, normalised scores and performance profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import RESAMPLES, SEED, Interval, percentile_interval

POSTERIOR_DRAWS = 20_000
ROUNDING = 1e-9


def friedman(
    means: Sequence[Sequence[float | None]], modes: Sequence[str]
) -> tuple[list[float], float | None, float | None]:
    """Compute mean ranks over tasks (1 is best; scipy.stats.rankdata) and Friedman's test (scipy's friedmanchisquare).

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


@dataclass(frozen=True)
class SignedRankPosterior:
    """Posterior probabilities for a new data set: B better, within the margins, A better. They sum to 1."""

    b: float
    same: float
    a: float


def signed_rank_posterior(in_margins: Sequence[float] | np.ndarray) -> SignedRankPosterior:
    """Run the Bayesian signed-rank test over data sets, with a region of practical equivalence from -1 to 1.

    Benavoli, Corani, Demsar and Zaffalon ("Time for a change", Journal of Machine Learning Research 18(77), 2017,
    section 4.2): weights of the data sets, and of half a pseudo-observation in the middle of the region, are drawn from
    a Dirichlet distribution. In each draw the weights of all pairs (i, j) with (z_i + z_j) / 2 above, within and below
    the region are summed, and the draw counts for the largest of the three sums.

    Args:
        in_margins: by data set, A's mean advantage in units of that data set's margin.
    """
    z = np.append(0.0, np.asarray(in_margins, dtype=float))
    walsh = (z[:, None] + z) / 2
    weights = np.random.default_rng(SEED).dirichlet([0.5, *np.ones(len(z) - 1)], POSTERIOR_DRAWS)
    kinds = [walsh < -1, np.abs(walsh) <= 1, walsh > 1]
    masses = np.stack([np.einsum("di,ij,dj->d", weights, kind.astype(float), weights) for kind in kinds])
    shares = np.bincount(masses.argmax(0), minlength=3) / POSTERIOR_DRAWS
    return SignedRankPosterior(*map(float, shares))


def probability_of_improvement(a: Mapping[str, Sequence[float]], b: Mapping[str, Sequence[float]]) -> Interval:
    """Return P(a run of A beats one of B), ties counting half, over equally weighted tasks (Agarwal et al. 2021, A.3).

    The interval is a percentile interval, resampling runs within each task. Both models need the same tasks, and larger
    values are better. The estimate itself is :func:`improvement`.
    """
    rng = np.random.default_rng(SEED)
    replicates = np.zeros(RESAMPLES // 5)
    for name, of_a in a.items():
        wins = _wins(of_a, b[name])
        rows = rng.integers(0, wins.shape[0], (len(replicates), wins.shape[0]))
        columns = rng.integers(0, wins.shape[1], (len(replicates), wins.shape[1]))
        counts = np.stack([np.bincount(draw, minlength=wins.shape[0]) for draw in rows])
        others = np.stack([np.bincount(draw, minlength=wins.shape[1]) for draw in columns])
        replicates += ((counts @ wins) * others).sum(1) / wins.size / len(a)
    return percentile_interval(replicates)


def improvement(a: Mapping[str, Sequence[float]], b: Mapping[str, Sequence[float]]) -> float:
    """Return the estimate whose interval is :func:`probability_of_improvement`.

    >>> improvement({"x": [2.0, 3.0], "y": [1.0]}, {"x": [1.0, 2.0], "y": [1.0]})
    0.6875
    """
    return float(np.mean([_wins(values, b[name]).mean() for name, values in a.items()]))


def _wins(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    x, y = np.asarray(a, dtype=float)[:, None], np.asarray(b, dtype=float)
    return (x > y) + 0.5 * (x == y)


def cliques(ranks: Sequence[float], different: Sequence[Sequence[bool]]) -> list[list[int]]:
    """Return the largest groups of models, adjacent in rank, without significant differences (for a CD diagram).

    >>> cliques([1.2, 3.0, 2.1], [[False, True, False], [True, False, False], [False, False, False]])
    [[0, 2], [2, 1]]

    Args:
        ranks: mean rank of each model.
        different: whether a pair of models is significantly different, (models, models), symmetric.
    """
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    groups: list[list[int]] = []
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not any(different[order[i]][order[end]] for i in range(start, end)):
            end += 1
        if end - start > 1 and (not groups or order[end - 1] not in groups[-1]):
            groups.append(order[start:end])
    return groups


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """Return the mean of the middle half (scipy.stats.trim_mean with 0.25, as in rliable's aggregate_iqm).

    >>> interquartile_mean([0.0, 1.0, 2.0, 9.0])
    1.5
    """
    from scipy import stats

    return float(stats.trim_mean(np.asarray(values, dtype=float), 0.25, axis=None))


def pooled_iqm(scores: Mapping[str, Sequence[float]]) -> float:
    """Return the interquartile mean over the runs of all tasks, weighting tasks equally (Agarwal et al. 2021).

    A task with more runs does not count for more: each run has weight 1 / (runs of its task), and a quarter of the
    total weight is trimmed at either end.

    >>> pooled_iqm({"x": [0.0, 1.0, 2.0, 9.0], "y": [0.0, 1.0, 2.0, 9.0]}) == pooled_iqm({"x": [0.0, 1.0, 2.0, 9.0]})
    True
    """
    values = np.concatenate([np.asarray(v, dtype=float) for v in scores.values()])
    return float(_weighted_iqm(values[None], _task_weights(scores))[0])


def stratified(scores: Mapping[str, Sequence[float]]) -> Interval:
    """Return a percentile interval of :func:`pooled_iqm`, resampling runs within each task (Agarwal et al. 2021)."""
    rng = np.random.default_rng(SEED)
    draws = RESAMPLES // 5
    resampled = [np.asarray(v, dtype=float)[rng.integers(0, len(v), (draws, len(v)))] for v in scores.values()]
    replicates = _weighted_iqm(np.concatenate(resampled, axis=1), _task_weights(scores))
    return percentile_interval(replicates)


def _task_weights(scores: Mapping[str, Sequence[float]]) -> np.ndarray:
    return np.concatenate([np.full(len(v), 1 / len(v) / len(scores)) for v in scores.values()])


def _weighted_iqm(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return means without runs entirely in the outer quarters of the weight, by row, (rows, values) to (rows,).

    With equal weights this is scipy.stats.trim_mean, which also trims whole values.
    """
    order = np.argsort(values, axis=1)
    up_to, own = np.cumsum(weights[order], axis=1), weights[order]
    inside = own * ((up_to > 0.25 + ROUNDING) & (up_to - own < 0.75 - ROUNDING))
    return (np.take_along_axis(values, order, 1) * inside).sum(1) / inside.sum(1)


def profile(scores: Mapping[str, Sequence[float]], thresholds: Sequence[float]) -> list[float]:
    """Return the share of runs above each threshold, weighting tasks equally (Agarwal et al. 2021, equation 1)."""
    return [float(np.mean([np.mean(np.asarray(v) > t) for v in scores.values()])) for t in thresholds]
