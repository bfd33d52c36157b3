"""Two models on one task, pair by pair: differences, who wins, the signed-rank test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from src.analysis.summary import Pair, Point, Probability
from src.statistics.intervals import RESAMPLES, SEED, alike, wilson_interval
from src.statistics.power import MEANINGFUL

VALUED = ("finished", "chance")  # of a point that has a value
TIED = 1e-6  # of the largest value: differences as close to each other as this are ties


def make_pairs(a: Sequence[Point], b: Sequence[Point], mode: str) -> list[Pair]:
    """Pairs by seed, one for every seed that either model has a run of, in order.

    Args:
        a: points of A, one for each seed.
        b: points of B.
        mode: ``min`` where the smaller value is better, else ``max``.
    """
    of_a, of_b = {p.seed: p for p in a}, {p.seed: p for p in b}
    return [_pair(seed, of_a.get(seed), of_b.get(seed), mode) for seed in sorted(of_a.keys() | of_b.keys())]


def _pair(seed: int, a: Point | None, b: Point | None, mode: str) -> Pair:
    ends = [None if p is None else "diverged" if p.status == "diverged" else _valued(p) for p in (a, b)]
    state = {
        ("value", "value"): "complete",
        ("diverged", "value"): "a diverged",
        ("value", "diverged"): "b diverged",
        ("diverged", "diverged"): "both diverged",
    }.get((ends[0] or "", ends[1] or ""), "missing")
    difference = None
    if state == "complete":
        assert a is not None
        assert b is not None
        assert a.value is not None
        assert b.value is not None
        difference = b.value - a.value if mode == "min" else a.value - b.value
    return Pair(
        seed=seed,
        a=a.value if a is not None else None,
        b=b.value if b is not None else None,
        difference=difference,
        run_a=a.run if a is not None else None,
        run_b=b.run if b is not None else None,
        state=state,
    )


def _valued(point: Point) -> str | None:
    return "value" if point.status in VALUED and point.value is not None else None


def differences_of(pairs: Sequence[Pair]) -> np.ndarray:
    """The differences of the complete pairs, in the order of the seeds."""
    return np.array([pair.difference for pair in pairs if pair.difference is not None], dtype=float)


def lost_of(pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many runs of A and of B diverged, in pairs where the other run came to an end."""
    return (
        sum(pair.state in ("a diverged", "both diverged") for pair in pairs),
        sum(pair.state in ("b diverged", "both diverged") for pair in pairs),
    )


def ranked_of(pairs: Sequence[Pair]) -> np.ndarray:
    """The differences as ranks see them: a diverged run is worse than any other, two diverged runs are level."""
    complete = differences_of(pairs)
    worst = 1.0 + 2 * float(np.abs(complete).max(initial=0.0))
    values: Mapping[str, float] = {"a diverged": -worst, "b diverged": worst, "both diverged": 0.0}
    found = [values.get(pair.state, pair.difference) for pair in pairs if pair.state != "missing"]
    return np.array(found, dtype=float)


def probability_better(pairs: Sequence[Pair], names: tuple[str, str]) -> Probability | None:
    """P(A better) with Wilson's interval, read as Bouthillier et al. 2021 ("Accounting for variance", section 4) do.

    Their reading compares the interval with 0.5 (significant) and with 0.75 (meaningful): not significant where the
    interval holds 0.5; else meaningful where its far end is beyond 0.75.

    Returns:
        None without a pair.
    """
    signs = np.sign(ranked_of(pairs))
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


def signed_rank(pairs: Sequence[Pair]) -> tuple[float, float] | None:
    """Statistic and p of the two-sided Wilcoxon signed-rank test (scipy.stats.wilcoxon, exact up to 50 pairs).

    Differences closer to each other than a millionth of the values are ties: 0.93 - 0.91 is 0.95 - 0.93, whatever the
    last digits say (metrics are added up in float32). Pairs without a difference are dropped, as Wilcoxon did. With
    ties, whose p wilcoxon only approximates, the signs of the mid-ranks are permuted (scipy.stats.permutation_test,
    exact up to 13 pairs). None without a pair; p is 1 where no pair differs.
    """
    from scipy import stats

    x = ranked_of(pairs)
    if not len(x):
        return None
    x = _levels(x, TIED * max(abs(value) for pair in pairs for value in (pair.a, pair.b, 0.0) if value is not None))
    x = x[x != 0]
    if not len(x):
        return 0.0, 1.0
    ranks = np.sign(x) * stats.rankdata(np.abs(x))
    if len(np.unique(np.abs(x))) == len(x):
        found = stats.wilcoxon(x)
        return float(found.statistic), float(found.pvalue)
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
    """The signs of numbers times the place of their sizes, equal for sizes that are closer than the tolerance.

    >>> _levels(np.array([0.3, -0.1, 0.1 + 1e-9, 1e-9]), 1e-6).tolist()
    [2.0, -1.0, 1.0, 0.0]
    """
    order = np.argsort(np.abs(x))
    places = np.empty(len(x))
    places[order] = np.cumsum(np.diff(np.abs(x)[order], prepend=0.0) > tolerance)
    return np.sign(x) * places


def correlation(pairs: Sequence[Pair]) -> tuple[float | None, float | None]:
    """Pearson's correlation within pairs (scipy.stats.pearsonr), and the difference's variance over the sum of both.

    The second is what pairing saved: unpaired runs would have 1. None below three pairs or where a model does not vary.
    """
    from scipy import stats

    complete = [(pair.a, pair.b) for pair in pairs if pair.state == "complete"]
    if len(complete) < 3:
        return None, None
    a, b = np.array(complete, dtype=float).T
    if alike(a) or alike(b):
        return None, None
    r = float(stats.pearsonr(a, b).statistic)
    return r, float((a - b).var(ddof=1) / (a.var(ddof=1) + b.var(ddof=1)))
