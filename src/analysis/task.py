"""The part of a summary about one data set in one arm (a task): the models on it and their comparisons.

**Differences are advantages of A**: positive means that A is better, whichever direction of the metric is better.
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
    """The two-sided Wilcoxon signed-rank test of the pairs, with diverged runs ranked worst."""

    statistic: float  # the smaller sum of ranks
    p: float  # two-sided
    p_holm: float  # adjusted over all tests of the summary (tasks times pairs of models)
    comparisons: int  # number of those tests


@dataclass(frozen=True)
class Comparison:
    """Model A against model B on one task."""

    a: str  # a, b: names of the models
    b: str
    primary: bool  # whether the plan names this comparison
    pairs: list[Pair]  # one for each seed of either model
    n: int  # complete pairs
    mean: float | None = None  # mean, sd, median: of the differences, in the metric's unit
    sd: float | None = None
    median: float | None = None
    t: Interval | None = None  # 95 % interval of the mean difference: other seeds, these test sequences
    bca: Interval | None = None  # the same by the BCa bootstrap
    sequences: Interval | None = None  # over seeds and test sequences together: other seeds, other test sequences
    # the same at the levels of the verdict's look, which decides whether the verdict holds for other sequences
    sequences_better: Interval | None = None
    sequences_same: Interval | None = None
    floor: float | None = None  # smallest half-width of ``sequences`` that more seeds can reach
    sequences_note: str | None = None  # why ``sequences`` is missing, or how many test sequences it covers
    splits: Interval | None = None  # over several splits of one finite file (``study.resplits``)
    correlation: float | None = None  # of the two models' values within pairs (Pearson)
    saved: float | None = None  # variance of the difference relative to unpaired runs; below 1 if pairing helped
    probability: Probability | None = None  # that A is better
    wilcoxon: Wilcoxon | None = None  # test
    solved: SolveRates | None = None  # for tasks that a run either solves or not: how often each model did
    sigma_tune: float | None = None  # SD that the randomness of the search adds to the difference, on validation
    power: Power | None = None  # with this number of pairs
    verdict: Verdict | None = None  # the verdict for other seeds and these test sequences
    both: Verdict | None = None  # the verdict for other seeds and other test sequences from the same population
    sensitivity: list[str] = field(default_factory=list)  # sentences about what would change this verdict

    @property
    def interval(self) -> Interval | None:
        """The main interval of the mean difference; None until there are enough pairs.

        Its level is 95 %, or for a plan with several looks the level of the look.
        """
        return None if self.provisional else (self.verdict and self.verdict.interval_better) or self.t

    @property
    def provisional(self) -> bool:
        """Whether more pairs are due: before the plan's first look, between two looks, or with fewer than six pairs.

        Intervals at 95 %, p and power assume that no more pairs will follow, and are hidden until then.
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
    metric: str  # the metric compared
    unit: str  # of it, for axes and sentences; may be empty
    mode: Direction  # which way is better
    margin: float | None  # of practical equivalence; None if none was fixed
    models: list[Model] = field(default_factory=list)  # in the plan's order
    comparisons: list[Comparison] = field(default_factory=list)  # the primary one first
    # trivial predictors on this metric, by name (``unigram``)
    baselines: dict[str, float] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)  # published results on this metric
    about_margin: list[str] = field(default_factory=list)  # the margin in relation to the measurements, in sentences
    flags: list[Flag] = field(default_factory=list)  # reasons to distrust these results

    @property
    def label(self) -> str:
        """The name of the task in the sentence of a verdict."""
        return self.data if self.arm == "main" else f"{self.data} ({self.arm})"
