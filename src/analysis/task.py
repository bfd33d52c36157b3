"""What a summary says of one data set in one arm: a task, the models on it, and how they compare.

**Differences are advantages of A**: positive means that A is better, whether the metric is to be small or large.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from src.analysis.flags import Flag
from src.analysis.models import Model
from src.analysis.pairs import Pair
from src.analysis.published import Reference
from src.analysis.verdict import Verdict
from src.statistics.intervals import Interval
from src.statistics.paired import Probability
from src.statistics.power import Power
from src.tasks.metrics import Direction


@dataclass(frozen=True)
class Wilcoxon:
    """The two-sided Wilcoxon signed-rank test of the pairs, a diverged run ranked worst.

    Args:
        statistic: the smaller sum of ranks.
        p: two-sided.
        p_holm: adjusted over all tests of the summary (tasks times pairs of models).
        comparisons: how many those are.
    """

    statistic: float
    p: float
    p_holm: float
    comparisons: int


@dataclass(frozen=True)
class Comparison:
    """Model A against model B on one task.

    >>> Comparison("gru", "lstm", primary=True, pairs=[], n=0).primary
    True

    Args:
        a, b: names of the models.
        primary: whether the plan names this comparison.
        pairs: one for each seed that either has.
        n: complete pairs.
        mean, sd, median: of the differences, in the metric's unit.
        t: interval of the mean difference at 95 %.
        bca: the same by the BCa bootstrap.
        seeds: the same by a percentile bootstrap over seeds alone: other seeds, these test sequences.
        sequences: over seeds and test sequences together: other seeds, other test sequences.
        sequences_note: why there is no ``sequences``, or over how many test sequences it goes.
        correlation: of the two models' values within pairs (Pearson).
        saved: variance of the difference over what unpaired runs would have; below 1 pairing paid.
        probability: that A is better.
        wilcoxon: test.
        power: of this many pairs.
        verdict: the answer.
        sensitivity: sentences: what would change this answer.
    """

    a: str
    b: str
    primary: bool
    pairs: list[Pair]
    n: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    t: Interval | None = None
    bca: Interval | None = None
    seeds: Interval | None = None
    sequences: Interval | None = None
    sequences_note: str | None = None
    correlation: float | None = None
    saved: float | None = None
    probability: Probability | None = None
    wilcoxon: Wilcoxon | None = None
    power: Power | None = None
    verdict: Verdict | None = None
    sensitivity: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """One data set in one arm.

    >>> Task("jsb_chorales", "adam", "test/nll", "nats", "min", 0.05).label
    'jsb_chorales (adam)'

    Args:
        data, arm: names in the plan.
        metric: the one that is compared.
        unit: of it, for axes and sentences; may be empty.
        mode: which way is better.
        margin: of practical equivalence; None: none was fixed.
        models: in the plan's order.
        comparisons: the primary one first.
        baselines: trivial predictors on this metric, by name (``unigram``).
        references: published figures on this metric.
        flags: reasons to distrust what stands here.
    """

    data: str
    arm: str
    metric: str
    unit: str
    mode: Direction
    margin: float | None
    models: list[Model] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    baselines: dict[str, float] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What the sentence of a verdict calls it."""
        return self.data if self.arm == "main" else f"{self.data} ({self.arm})"
