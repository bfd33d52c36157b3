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
from src.statistics.solved import SolveRates
from src.tasks.metrics import Direction


@dataclass(frozen=True)
class Wilcoxon:
    """The two-sided Wilcoxon signed-rank test of the pairs, a diverged run ranked worst."""

    statistic: float  # the smaller sum of ranks
    p: float  # two-sided
    p_holm: float  # adjusted over all tests of the summary (tasks times pairs of models)
    comparisons: int  # how many those are


@dataclass(frozen=True)
class Comparison:
    """Model A against model B on one task."""

    a: str  # a, b: names of the models
    b: str
    primary: bool  # whether the plan names this comparison
    pairs: list[Pair]  # one for each seed that either has
    n: int  # complete pairs
    mean: float | None = None  # mean, sd, median: of the differences, in the metric's unit
    sd: float | None = None
    median: float | None = None
    t: Interval | None = None  # interval of the mean difference at 95 %: other seeds, these test sequences
    bca: Interval | None = None  # the same by the BCa bootstrap
    sequences: Interval | None = None  # over seeds and test sequences together: other seeds, other test sequences
    # the same of the pairs and at the levels of the verdict's look, which decide whether it holds for other sequences
    sequences_better: Interval | None = None
    sequences_same: Interval | None = None
    floor: float | None = None  # half-width below which more seeds never bring ``sequences``
    sequences_note: str | None = None  # why there is no ``sequences``, or over how many test sequences it goes
    splits: Interval | None = None  # over several splits of one finite file (``study.resplits``)
    correlation: float | None = None  # of the two models' values within pairs (Pearson)
    saved: float | None = None  # variance of the difference over what unpaired runs would have; below 1 pairing paid
    probability: Probability | None = None  # that A is better
    wilcoxon: Wilcoxon | None = None  # test
    solved: SolveRates | None = None  # where a task is solved or not: how often each did
    sigma_tune: float | None = None  # SD that the luck of the search adds to the difference, on validation
    power: Power | None = None  # of this many pairs
    verdict: Verdict | None = None  # the answer for other seeds and these test sequences
    both: Verdict | None = None  # the answer for other seeds and other test sequences of the same kind
    sensitivity: list[str] = field(default_factory=list)  # sentences: what would change this answer

    @property
    def interval(self) -> Interval | None:
        """That of the mean difference which stands wherever there is one only; None until enough pairs are there.

        At 95 %, or where a plan looks several times at what its look leaves of it.
        """
        return None if self.provisional else (self.verdict and self.verdict.interval_better) or self.t

    @property
    def provisional(self) -> bool:
        """Whether more pairs must come: before the plan's first look, between two looks, or below six pairs.

        Intervals at 95 %, p and power take the pairs at hand for all there will be, and are not shown until then.
        """
        return self.verdict is not None and (self.verdict.outcome == "no verdict" or self.verdict.next_look is not None)


@dataclass(frozen=True)
class Task:
    """One data set in one arm.

    >>> Task("jsb_chorales", "adam", "test/nll", "nats", "min", 0.05).label
    'jsb_chorales (adam)'
    """

    data: str  # data, arm: names in the plan
    arm: str
    metric: str  # the one that is compared
    unit: str  # of it, for axes and sentences; may be empty
    mode: Direction  # which way is better
    margin: float | None  # of practical equivalence; None: none was fixed
    models: list[Model] = field(default_factory=list)  # in the plan's order
    comparisons: list[Comparison] = field(default_factory=list)  # the primary one first
    # trivial predictors on this metric, by name (``unigram``)
    baselines: dict[str, float] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)  # published figures on this metric
    about_margin: list[str] = field(default_factory=list)  # sentences that put the margin beside what was measured
    flags: list[Flag] = field(default_factory=list)  # reasons to distrust what stands here

    @property
    def label(self) -> str:
        """What the sentence of a verdict calls it."""
        return self.data if self.arm == "main" else f"{self.data} ({self.arm})"
