"""The three-sided t test: better, practically the same, or undecided.

Exactly one of three statements is true: *A is better by more than the margin*, *the two are practically the same* (the
difference is within the margins), *B is better by more than the margin*. If t tests of the paired differences reject
two of them, the remaining one is the decision:

* practically the same: two one-sided tests at 5 % (TOST, Schuirmann 1987; Lakens 2017), equivalent to a 90 % interval
  of the mean difference within the margins;
* better: the 95 % interval of the mean difference is beyond the margin (one side at 2.5 %);
* undecided otherwise; below :data:`LEAST` pairs nothing is decided.

Goeman, Solari and Stijnen ("Three-sided hypothesis testing", Statistics in Medicine 29, 2010) show that such a decision
is wrong with a probability of at most 5 %, whatever the true difference and without any correction, because only one of
the three can be true. docs/verdict.md explains why the test is not Bayesian, and the effect of skewed differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from src.statistics.intervals import Interval, alike, t_interval
from src.statistics.looks import Look
from src.statistics.power import ALPHA, BETTER, BOUND, POWERED, SAME, power_better, power_same_at_least

Outcome = Literal["better", "same", "undecided", "no verdict"]

METHOD = "three-sided t test (TOST and superiority by the margin)"
METHOD_AGAINST_0 = "two-sided t test"  # without a margin, "same" is ruled out
ERROR_RATE = ALPHA
LEAST = 6  # pairs: with fewer, even equal signs in all pairs would not be significant at 5 % (2 / 2^6 < 0.05)


def decide(
    differences: Sequence[float] | np.ndarray,
    margin: float | None,
    names: tuple[str, str],
    lost: tuple[int, int] = (0, 0),
    look: Look | None = None,
) -> tuple[Outcome, str | None]:
    """Return the outcome and the winner, if any.

    Args:
        differences: advantage of A in each pair.
        margin: of practical equivalence, in the same unit; None or 0 rules out "same".
        names: of A and B.
        lost: numbers of values of A and of B missing because of divergence. The decision never favours the model that
            diverged more often, and is never "same" if any diverged.
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
    """Decide from intervals: ``wide`` beyond the margin means "better", ``narrow`` within it means "same"."""
    edge = margin or 0.0
    if wide.low > edge and lost[0] <= lost[1]:
        return "better", names[0]
    if wide.high < -edge and lost[1] <= lost[0]:
        return "better", names[1]
    if edge > 0 and -edge < narrow.low and narrow.high < edge and not any(lost):
        return "same", None
    return "undecided", None


def in_words(outcome: Outcome, winner: str | None) -> str:
    """Return an outcome in a few words; the winner counts only if one is better.

    >>> in_words("better", "gru"), in_words("same", None), in_words("undecided", None)
    ('gru better', 'practically the same', 'undecided')
    """
    return f"{winner} better" if outcome == "better" else "practically the same" if outcome == "same" else outcome


def pairs_to_decide(differences: Sequence[float] | np.ndarray, margin: float | None) -> int | None:
    """Estimate how many pairs a new study needs to decide with probability 0.8, at the observed mean and spread.

    Mean and spread are themselves uncertain, especially with few pairs. The number is for a separate study: adding
    pairs to the present ones until the verdict is clear would err in more than 5 % of cases.

    Returns:
        At least :data:`LEAST`; None below two pairs, or if more than :data:`~src.statistics.power.BOUND` pairs would be
        needed, because the difference is too close to the margin.
    """
    x = np.asarray(differences, dtype=float)
    if len(x) < 2 or alike(x):
        return None
    mean, sd, edge = abs(float(x.mean())), float(x.std(ddof=1)), margin or 0.0
    numbers = np.arange(LEAST, BOUND + 1)
    enough = power_better(mean, sd, edge, numbers, BETTER) >= POWERED
    if edge > 0:
        enough |= power_same_at_least(mean, sd, edge, numbers, SAME) >= POWERED
    return int(numbers[enough][0]) if enough.any() else None


def p_values(differences: np.ndarray, margin: float | None) -> tuple[float | None, float | None]:
    """Return p of the leading model being better by more than the margin, and p of the two being practically the same.

    From scipy.stats.ttest_1samp (one-sided, against the margin) and statsmodels' DescrStatsW.ttost_mean; None below
    two differences or if they do not vary, the second also without a margin.
    """
    from scipy import stats
    from statsmodels.stats.weightstats import DescrStatsW

    if len(differences) < 2 or alike(differences):
        return None, None
    ahead = differences if differences.mean() >= 0 else -differences
    better = float(stats.ttest_1samp(ahead, margin or 0.0, alternative="greater").pvalue)
    return better, float(DescrStatsW(differences).ttost_mean(-margin, margin)[0]) if margin else None
