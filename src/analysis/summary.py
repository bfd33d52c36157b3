"""Everything a report shows, as plain values: what ``summary.json`` holds and pictures and pages are built from.

Numbers are plain floats in the metric's own unit; None stands where something is not known or cannot be said.
**Differences are advantages of A**: positive means that A is better, whether the metric is to be small or large.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from src.statistics.intervals import Interval

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One run as an analysis sees it: what its directory says, without its weights.

    >>> Run(id="3435e0996364", model="gru", data="jsb_chorales", seed=0, metrics={"test/nll": 8.5}).status
    'finished'

    Args:
        id: the run's id, which is its wandb id too.
        model: name in ``conf/model``.
        data: name in ``conf/data``; outside a study with ``data.name`` where that differs (``ucr:JapaneseVowels``).
        seed: what pairs share.
        arm: ``main`` unless the study has several; ``STUDY/ARM`` where runs of several studies are compared.
        phase: ``trial``, ``repeat``, ``final``; None outside a study.
        status: ``finished``, ``diverged``, ``failed``, ``interrupted``, ``running``; ``finished`` with a metric that is
            not finite is ``diverged`` here.
        error: how it failed.
        directory: where it lies, as found (relative to the current folder where it can be).
        study: that it is a part of; None: of none.
        name: its name in wandb.
        url: its page in wandb.
        identity: two runs with the same one must give the same result.
        metrics: ``split/name`` of the best epoch.
        baselines: of the trivial predictors, ``unigram/nll``.
        values: tuned settings by dotted key, ``optimizer.lr``.
        mode: ``min`` or ``max`` of the monitored metric.
        best: epoch, value, monitor, is_last.
        parameters: recurrent, effective, total.
        hidden_size: width of the recurrent layers; a list where they differ.
        budget: of, wanted, actual, error; empty where the width was given.
        timing: seconds, seconds_to_best, seconds_per_epoch, updates, epochs, shared, others_busy_cores.
        memory: peak_rss_mb.
        backend: name, precision, reason.
        facts: of the data: checksum, sequences, leaked ...
        hardware: cpu, cores, threads, gpu.
        git: commit, clean.
        versions: of Python and the packages.
        results_version: of the code that made the run; None where the record does not say.
        command: that made it, without what names places of one machine.
        started: Unix time.
        ended: Unix time.
    """

    id: str
    model: str
    data: str
    seed: int
    arm: str = "main"
    phase: str | None = None
    status: str = "finished"
    error: str | None = None
    directory: str | None = None
    study: str | None = None
    name: str | None = None
    url: str | None = None
    identity: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    mode: str | None = None
    best: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    hidden_size: int | list[int] | None = None
    budget: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    backend: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    results_version: int | None = None
    command: str | None = None
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Curve:
    """A learning curve, thinned to at most a hundred points, the last and the best epoch among them.

    >>> Curve(step=[86], epoch=[0], seconds=[1.4], columns={"val/nll": [7.02]}).columns["val/nll"]
    [7.02]

    Args:
        step: updates done.
        epoch: counted from 0.
        seconds: of training so far.
        columns: by metric (``train/nll``, ``val/nll``); None where the row had no value.
    """

    step: list[int]
    epoch: list[int | None]
    seconds: list[float | None]
    columns: dict[str, list[float | None]]


@dataclass(frozen=True)
class Problem:
    """Something that was found and could not be read as a run, or not be counted.

    >>> Problem("unreadable", "runs/x", "result.json is not JSON").kind
    'unreadable'

    Args:
        kind: ``unreadable``, ``foreign`` (JSON, but no record of a run), ``nameless`` (a run that does not say its
            model, data or seed), ``duplicate`` (the same id again), ``incomplete`` (metrics.csv or sequences cannot be
            read; the run itself counts), ``stale`` (of an earlier plan of its study).
        place: the file or directory.
        sentence: what is wrong.
    """

    kind: str
    place: str
    sentence: str


@dataclass(frozen=True)
class Flag:
    """A reason to distrust a comparison, in one sentence.

    >>> Flag("budget", "serious", "GRU has 12 % more effective parameters than LSTM.").weight
    'serious'

    Args:
        kind: ``diverged``, ``chance``, ``failed``, ``unfinished``, ``missing``, ``conflict``, ``budget``, ``tuning``,
            ``code``, ``dirty``, ``results_version``, ``backend``, ``precision``, ``checksum``, ``last_epoch``,
            ``shared``, ``plan``, ``seeds``, ``leaked``, ``edge``.
        weight: ``serious`` (may change the answer) or ``note``.
        sentence: what is the matter, with the numbers.
        data: the data set; None: the whole study.
        arm: the arm; None: all of them.
        models: those that it is about.
        runs: ids.
    """

    kind: str
    weight: str
    sentence: str
    data: str | None = None
    arm: str | None = None
    models: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """One run's result on the task's metric.

    >>> Point(seed=0, value=8.54, run="ab12", status="finished").value
    8.54

    Args:
        seed: of the run.
        value: of the metric; None where the run has none (diverged, failed, unfinished).
        run: its id.
        status: as in :class:`Run`, or ``chance`` (finished, and no better than the best trivial baseline).
    """

    seed: int
    value: float | None
    run: str
    status: str


@dataclass(frozen=True)
class Model:
    """One model on one task: every raw point, what sums them up, what they cost.

    >>> Model("gru", [Point(0, 8.5, "ab", "finished")], n=1, mean=8.5).mean
    8.5

    Args:
        model: its name.
        points: one for each final run, by seed.
        n: how many have a value.
        mean: over those.
        sd: standard deviation, n - 1 in the denominator.
        median: of them.
        iqm: interquartile mean.
        interval: of the mean, t at 95 %.
        diverged: how many runs.
        chance: how many finished runs are no better than the best trivial baseline.
        failed: how many.
        unfinished: how many (running, interrupted).
        solve_rate: share of the finished and diverged runs that beat the best trivial baseline; None without one.
        values: the tuned settings that its final runs have.
        hidden_size: its width.
        parameters: of its first run: recurrent, effective, total.
        cost: medians over its finished runs: ``seconds``, ``seconds_to_best``, ``seconds_per_epoch``, ``epochs``,
            ``updates``, ``peak_rss_mb``.
        shared: how many of its timings come from a machine that others used meanwhile.
        backends: kernels that it ran on, with how many runs.
        last_epoch: how many runs had their best epoch last.
    """

    model: str
    points: list[Point]
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    iqm: float | None = None
    interval: Interval | None = None
    diverged: int = 0
    chance: int = 0
    failed: int = 0
    unfinished: int = 0
    solve_rate: float | None = None
    values: dict[str, Any] = field(default_factory=dict)
    hidden_size: int | list[int] | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    shared: int = 0
    backends: dict[str, int] = field(default_factory=dict)
    last_epoch: int = 0


@dataclass(frozen=True)
class Pair:
    """Two runs that share data, arm and seed.

    >>> Pair(seed=0, a=8.5, b=8.6, difference=0.1, run_a="x", run_b="y", state="complete").difference
    0.1

    Args:
        seed: of both.
        a: value of A; None where it has none.
        b: value of B.
        difference: by how much A is better; None unless both have a value.
        run_a: id; None where there is no run.
        run_b: id.
        state: ``complete``, ``a diverged``, ``b diverged``, ``both diverged``, ``missing`` (a run failed, is
            unfinished or was never started, or two runs claim the place).
    """

    seed: int
    a: float | None
    b: float | None
    difference: float | None
    run_a: str | None
    run_b: str | None
    state: str


@dataclass(frozen=True)
class Probability:
    """How probable it is that A beats B in a pair (Bouthillier et al. 2021).

    >>> Probability(7, 0, 3, 0.7, Interval(0.4, 0.89, 0.95, "Wilson"), "not significant").estimate
    0.7

    Args:
        wins: pairs that A wins; a diverged run loses.
        ties: pairs that nobody wins.
        losses: pairs that B wins.
        estimate: (wins + ties / 2) / pairs.
        interval: Wilson at 95 %.
        reading: ``not significant``, ``significant, not meaningful``, ``significant and meaningful``, with whom.
    """

    wins: int
    ties: int
    losses: int
    estimate: float
    interval: Interval
    reading: str


@dataclass(frozen=True)
class Wilcoxon:
    """The two-sided Wilcoxon signed-rank test of the pairs, a diverged run ranked worst.

    >>> Wilcoxon(statistic=12.0, p=0.13, p_holm=0.52, comparisons=4).p_holm
    0.52

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
class Power:
    """What this number of pairs can find.

    >>> Power(pairs=10, comparisons=1, wilcoxon=0.46, same=0.4, detectable=0.12, pairs_for_80=23).wilcoxon
    0.46

    Args:
        pairs: how many are complete.
        comparisons: that Holm corrects over.
        wilcoxon: power of the two-sided signed-rank test where P(A better) is 0.75, simulated.
        same: probability of the verdict "practically the same" if the models are exactly equal, at the observed spread;
            None without a margin.
        detectable: the true difference that would be called better with probability 0.8, at the observed spread.
        pairs_for_80: pairs with which the signed-rank test would have power 0.8; None beyond 1000.
    """

    pairs: int
    comparisons: int
    wilcoxon: float
    same: float | None = None
    detectable: float | None = None
    pairs_for_80: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer to one comparison, and the sentence that says it.

    >>> Verdict("same", None, "Practically the same: ...", margin=0.05, method="TOST").outcome
    'same'

    Args:
        outcome: ``better`` (winner says who), ``same``, ``undecided``.
        winner: the model that is better by more than the margin; None otherwise.
        sentence: in the words of the statistics.
        margin: of practical equivalence; None: none was fixed, and "practically the same" cannot be said.
        method: its name.
        error_rate: the probability of a wrong verdict is at most this.
        interval_90: of the mean difference: within the margins means "practically the same".
        interval_95: of the mean difference: beyond the margin means "better".
        p_better: of the one-sided test that the leading model is better by more than the margin (compare with 0.025).
        p_same: of the two one-sided tests (compare with 0.05).
        more_pairs: how many more would decide with probability 0.8, estimated from the observed mean and spread; None
            where it is decided, cannot be told, or is beyond the bound.
        different: whether the 95 % interval excludes 0.
    """

    outcome: str
    winner: str | None
    sentence: str
    margin: float | None
    method: str
    error_rate: float = 0.05
    interval_90: Interval | None = None
    interval_95: Interval | None = None
    p_better: float | None = None
    p_same: float | None = None
    more_pairs: int | None = None
    different: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """Model A against model B on one task.

    >>> Comparison("gru", "lstm", primary=True, pairs=[], n=0).primary
    True

    Args:
        a: name of A.
        b: name of B.
        primary: whether the plan names this comparison.
        pairs: one for each seed that either has.
        n: complete pairs.
        mean: of the differences, in the metric's unit; positive: A is better.
        sd: of the differences.
        median: of the differences.
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
class Reference:
    """A published figure to draw beside ours.

    >>> Reference("jsb_chorales", "test/nll", "gru", 8.54, "Chung et al. 2014", "confirmed").value
    8.54

    Args:
        data: name in ``conf/data``.
        metric: ``test/nll``.
        model: as its authors call it, in lower case: ``gru``, ``lstm``, ``tanh``, ``tcn``.
        value: in the unit of the metric here.
        source: authors and year.
        state: ``confirmed`` or ``unconfirmed``.
        note: what differs from the runs here.
    """

    data: str
    metric: str
    model: str
    value: float
    source: str
    state: str
    note: str | None = None


@dataclass(frozen=True)
class Trial:
    """One run of the tuning.

    >>> Trial("ab12", "gru", {"optimizer.lr": 0.003}, 8.41, seed=100, phase="trial", status="finished").value
    8.41

    Args:
        run: id.
        model: its name.
        values: tuned settings by dotted key.
        value: of the monitored metric on validation at the best epoch; None where it diverged or failed.
        seed: its seed.
        phase: ``trial`` or ``repeat``.
        status: as in :class:`Run`.
    """

    run: str
    model: str
    values: dict[str, Any]
    value: float | None
    seed: int
    phase: str
    status: str


@dataclass(frozen=True)
class Tuning:
    """How the settings of one task were chosen.

    >>> Tuning("jsb_chorales", "main", ["optimizer.lr"], "val/nll", "min", [], {}, {}).metric
    'val/nll'

    Args:
        data: the data set.
        arm: the arm.
        keys: dotted keys that were tuned.
        metric: what was compared, on validation.
        mode: ``min`` or ``max``.
        trials: every trial and repeat of every model.
        chosen: by model: the settings of its final runs.
        counts: by model: how many trials there were.
        ranges: by key: lowest and highest draw, scale.
        candidates: by model: the repeated candidates with their mean, as in study.json.
        extensions: of the range, as in study.json.
    """

    data: str
    arm: str
    keys: list[str]
    metric: str | None
    mode: str | None
    trials: list[Trial]
    chosen: dict[str, dict[str, Any]]
    counts: dict[str, int]
    ranges: dict[str, list[float]] = field(default_factory=dict)
    candidates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    extensions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """One data set in one arm: the models on it, and how they compare.

    >>> Task("jsb_chorales", "main", "test/nll", "nats per step", "min", 0.05, [], []).margin
    0.05

    Args:
        data: the data set.
        arm: the arm.
        metric: the one that is compared.
        unit: of it, for axes and sentences; may be empty.
        mode: ``min``: smaller is better; ``max``.
        margin: of practical equivalence.
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
    mode: str
    margin: float | None
    models: list[Model]
    comparisons: list[Comparison]
    baselines: dict[str, float] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)


@dataclass(frozen=True)
class Across:
    """All data sets together (the main arm, or the only one).

    >>> Across(a="gru", b="lstm", better=2, same=1, worse=0, undecided=1).better
    2

    Args:
        a: A of the primary comparison.
        b: B of it.
        better: data sets where A is better by the verdict.
        same: practically the same.
        worse: where B is better.
        undecided: undecided.
        note: why there is no more than that, or None.
        ranks: from ten data sets up: mean rank by model, 1 is best.
        friedman: statistic and p.
        critical_difference: of mean ranks at 5 % (Nemenyi).
        iqm: by model: interquartile mean of scores with the trivial baseline at 0 and the best mean at 1, interval.
        profile: by model: share of the runs whose score exceeds each of ``thresholds``.
        thresholds: of the profile.
    """

    a: str
    b: str
    better: int
    same: int
    worse: int
    undecided: int
    note: str | None = None
    ranks: dict[str, float] = field(default_factory=dict)
    friedman: dict[str, float] = field(default_factory=dict)
    critical_difference: float | None = None
    iqm: dict[str, dict[str, Any]] = field(default_factory=dict)
    profile: dict[str, list[float]] = field(default_factory=dict)
    thresholds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What was fixed beforehand, and what changed since.

    >>> Plan(question="GRU or LSTM?").changes
    []

    Args:
        question: in the study's words.
        file: that holds the plan.
        file_hash: SHA-256 of it.
        plan: the resolved ``study`` node.
        plan_hash: of it.
        registered: Unix time before the first final run; None: never.
        changes: of the plan, each with time, from, to, keys and ``after`` (whether it came after the registration).
        left_out: model, data, reason.
        pairs: planned pairs by data set.
    """

    question: str | None = None
    file: str | None = None
    file_hash: str | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    plan_hash: str | None = None
    registered: float | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    pairs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """A comparison, whole.

    >>> Summary(name="smoke", kind="study", places=["runs/smoke"], tasks=[], runs=[]).headline()
    []

    Args:
        name: of the study, or of what was compared.
        kind: ``study``, ``runs``, ``table`` or ``pack``.
        places: what was read.
        tasks: one for each data set and arm; those of the plan first, in its order.
        runs: every run that was found, trials too.
        problems: what was found and does not count.
        flags: about the whole study (those of a task stand there).
        across: all data sets together; None where there is one only, or no primary comparison.
        tuning: one for each data set and arm that was tuned.
        curves: by run id.
        plan: None outside a study.
        commands: that reproduce it, each with what it does.
        counts: runs by phase and status: ``{"final": {"finished": 20}}``.
        seconds: of training, all runs together.
    """

    name: str
    kind: str
    places: list[str]
    tasks: list[Task]
    runs: list[Run]
    problems: list[Problem] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    across: Across | None = None
    tuning: list[Tuning] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    plan: Plan | None = None
    commands: list[dict[str, str]] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0
    schema: int = SCHEMA

    def headline(self) -> list[tuple[Task, Comparison]]:
        """The primary comparisons, in order; every comparison where no primary one was named."""
        every = [(task, c) for task in self.tasks for c in task.comparisons]
        return [pair for pair in every if pair[1].primary] or every

    def run(self, run_id: str) -> Run:
        """The run of that id."""
        return next(run for run in self.runs if run.id == run_id)

    def plain(self) -> dict[str, Any]:
        """As plain dicts and lists; numbers that are not finite become None."""
        return _finite(dataclasses.asdict(self))

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(self.plain(), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
