"""The three-sided t test: better, practically the same, or undecided.

Of the three statements *A is better by more than the margin*, *the two are practically the same* (the difference lies
within the margins) and *B is better by more than the margin* exactly one is true. Each of the other two is refused by
t tests of the paired differences, and the statement that is left over is the decision:

* practically the same: two one-sided tests at 5 % (TOST, Schuirmann 1987; Lakens 2017), which is the same as the 90 %
  interval of the mean difference lying within the margins;
* better: the 95 % interval of the mean difference lies beyond the margin (one side at 2.5 %);
* undecided otherwise; below :data:`LEAST` pairs nothing is decided at all.

Goeman, Solari and Stijnen ("Three-sided hypothesis testing", Statistics in Medicine 29, 2010) show that a decision made
so is wrong with probability 5 % at most, wherever the true difference lies and without any correction, since only one
of the three can be true. docs/verdict.md says why not a Bayesian test, and what skewed differences do to the 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from src.statistics.intervals import Interval, alike, t_interval
from src.statistics.looks import Look
from src.statistics.power import ALPHA, BETTER, BOUND, SAME, power_better, power_same_at_least

Outcome = Literal["better", "same", "undecided", "no verdict"]

METHOD = "three-sided t test (TOST and superiority by the margin)"
ERROR_RATE = ALPHA
LEAST = 6  # pairs: with fewer not even the signs could convince at 5 %, were they all alike (2 / 2^6 < 0.05)


def decide(
    differences: Sequence[float] | np.ndarray,
    margin: float | None,
    names: tuple[str, str],
    lost: tuple[int, int] = (0, 0),
    look: Look | None = None,
) -> tuple[Outcome, str | None]:
    """The outcome and the winner, if any.

    Args:
        differences: by how much A is better, pair by pair.
        margin: of practical equivalence, in the same unit; None or 0: "same" cannot be said.
        names: of A and B.
        lost: how many values of A and of B are missing because they diverged. The decision never favours the side that
            diverged more often, and "same" is not said where any did.
        look: the levels of the two tests; None: 2.5 % on each side for "better", 5 % for "same".
    """
    x, levels = np.asarray(differences, dtype=float), look or Look(len(differences))
    if len(x) < LEAST:
        return "no verdict", None
    wide, narrow = t_interval(x, 1 - 2 * levels.better), t_interval(x, 1 - 2 * levels.same)
    assert wide is not None
    assert narrow is not None
    return decide_by(wide, narrow, margin, names, lost)


def decide_by(
    wide: Interval, narrow: Interval, margin: float | None, names: tuple[str, str], lost: tuple[int, int] = (0, 0)
) -> tuple[Outcome, str | None]:
    """The same from the intervals: ``wide`` lies beyond the margin for "better", ``narrow`` within it for "same"."""
    edge = margin or 0.0
    if wide.low > edge and lost[0] <= lost[1]:
        return "better", names[0]
    if wide.high < -edge and lost[1] <= lost[0]:
        return "better", names[1]
    if edge > 0 and -edge < narrow.low and narrow.high < edge and not any(lost):
        return "same", None
    return "undecided", None


def pairs_to_decide(differences: Sequence[float] | np.ndarray, margin: float | None, target: float = 0.8) -> int | None:
    """How many pairs a new study needs to decide with probability ``target``, if mean and spread are as these say.

    An estimate: mean and spread are themselves uncertain, the more so the fewer pairs they come from. It is for seeds
    of their own: whoever adds pairs to those at hand until the answer is clear is wrong more often than the 5 %.

    Returns:
        At least :data:`LEAST`; None below two pairs, or where more than :data:`~src.statistics.power.BOUND` pairs would
        be needed (the difference is then too close to the margin to tell).
    """
    x = np.asarray(differences, dtype=float)
    if len(x) < 2 or alike(x):
        return None
    mean, sd, edge = abs(float(x.mean())), float(x.std(ddof=1)), margin or 0.0
    numbers = np.arange(LEAST, BOUND + 1)
    enough = power_better(mean, sd, edge, numbers, BETTER) >= target
    if edge > 0:
        enough |= power_same_at_least(mean, sd, edge, numbers, SAME) >= target
    return int(numbers[enough][0]) if enough.any() else None


def p_values(differences: np.ndarray, margin: float | None) -> tuple[float | None, float | None]:
    """P that the leading side is better by more than the margin, and p that the two are practically the same.

    From scipy.stats.ttest_1samp (one-sided, against the margin) and statsmodels' DescrStatsW.ttost_mean; None below
    two differences or where they do not vary, the second also without a margin.
    """
    from scipy import stats
    from statsmodels.stats.weightstats import DescrStatsW

    if len(differences) < 2 or alike(differences):
        return None, None
    ahead = differences if differences.mean() >= 0 else -differences
    better = float(stats.ttest_1samp(ahead, margin or 0.0, alternative="greater").pvalue)
    return better, float(DescrStatsW(differences).ttost_mean(-margin, margin)[0]) if margin else None
