"""Two paired samples: who wins how often, the signed-rank test, Holm's correction, correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.statistics.intervals import RESAMPLES, SEED, Interval, alike, wilson_interval
from src.statistics.power import MEANINGFUL

TIED = 1e-6  # of the largest value: differences as close to each other as this are ties


@dataclass(frozen=True)
class Probability:
    """How probable it is that A beats B in a pair (Bouthillier et al. 2021)."""

    wins: int  # wins, ties, losses: of A
    ties: int
    losses: int
    estimate: float  # (wins + ties / 2) / pairs
    interval: Interval  # Wilson at 95 %
    reading: str  # ``not significant``, or who wins more often and whether that is significant and meaningful


def probability_better(advantages: np.ndarray, names: tuple[str, str]) -> Probability | None:
    """P(A better) with Wilson's interval, read as Bouthillier et al. 2021 ("Accounting for variance", section 4) do.

    Their reading compares the interval with 0.5 (significant) and with 0.75 (meaningful): not significant where the
    interval holds 0.5; else meaningful where its far end is beyond 0.75. Of the advantages of A, pair by pair, only the
    signs count. None without a pair.
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
    """Statistic and p of the two-sided Wilcoxon signed-rank test (scipy.stats.wilcoxon, exact up to 50 pairs).

    Differences closer to each other than a millionth of the values are ties: 0.93 - 0.91 is 0.95 - 0.93, whatever the
    last digits say (metrics are added up in float32). Pairs without a difference are dropped, as Wilcoxon did. With
    ties, whose p wilcoxon only approximates, the signs of the mid-ranks are permuted (scipy.stats.permutation_test,
    exact up to 13 pairs). None without a pair; p is 1 where no pair differs.

    Args:
        advantages: by how much A is better, pair by pair.
        largest: size of the largest value that a difference was made of.
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
    """The signs of numbers times the place of their sizes, equal for sizes that are closer than the tolerance.

    >>> _levels(np.array([0.3, -0.1, 0.1 + 1e-9, 1e-9]), 1e-6).tolist()
    [2.0, -1.0, 1.0, 0.0]
    """
    order = np.argsort(np.abs(x))
    places = np.empty(len(x))
    places[order] = np.cumsum(np.diff(np.abs(x)[order], prepend=0.0) > tolerance)
    return np.sign(x) * places


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted over all of them after Holm (statsmodels.stats.multitest.multipletests)."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []


def correlation(a: np.ndarray, b: np.ndarray) -> tuple[float | None, float | None]:
    """Pearson's correlation within pairs (scipy.stats.pearsonr), and the difference's variance over the sum of both.

    The second is what pairing saved: unpaired runs would have 1. None below three pairs or where a sample does not
    vary.
    """
    from scipy import stats

    if len(a) < 3 or alike(a) or alike(b):
        return None, None
    r = float(stats.pearsonr(a, b).statistic)
    return r, float((a - b).var(ddof=1) / (a.var(ddof=1) + b.var(ddof=1)))
