"""All data sets together: a joint verdict, a posterior, ranks, normalised scores and their performance profiles."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from src.analysis.pairs import lost_of
from src.analysis.task import Comparison, Task
from src.statistics.datasets import (
    SignedRankPosterior,
    cliques,
    friedman,
    improvement,
    pooled_iqm,
    probability_of_improvement,
    profile,
    signed_rank_posterior,
    stratified,
)
from src.statistics.decision import ALPHA, LEAST, Outcome, decide, in_words
from src.statistics.intervals import Interval, t_interval
from src.statistics.paired import holm, signed_rank


@dataclass(frozen=True)
class Across:
    """All data sets together (the main arm, or the only one)."""

    a: str  # a, b: of the primary comparison
    b: str
    # better, same, worse, undecided, none: numbers of data sets by A's verdict; none: without a verdict
    better: int
    same: int
    worse: int
    undecided: int
    none: int = 0
    note: str | None = None  # why some statistics are missing, if they are
    # from six data sets, over the mean differences in units of their margins: the three-sided t test with bounds at
    # +-1, its 95 % interval, and the Bayesian signed-rank posterior
    outcome: Outcome | None = None
    winner: str | None = None
    interval: Interval | None = None
    posterior: SignedRankPosterior | None = None
    # probability that a run of A beats one of B, with equally weighted data sets: value, interval
    improvement: dict[str, Any] = field(default_factory=dict)
    ranks: dict[str, float] = field(default_factory=dict)  # mean rank by model, 1 is best
    friedman: dict[str, float] = field(default_factory=dict)  # statistic and p
    # groups of models that signed-rank tests over the data sets do not distinguish after Holm (a line in the figure)
    alike: list[list[str]] = field(default_factory=list)
    # by model: interquartile mean of scores with the trivial baseline at 0 and the best mean at 1, interval
    iqm: dict[str, dict[str, Any]] = field(default_factory=dict)
    # by model: share of runs whose score exceeds each of ``thresholds``
    profile: dict[str, list[float]] = field(default_factory=dict)
    thresholds: list[float] = field(default_factory=list)  # of the profile

    @property
    def words(self) -> str:
        """The outcome over all data sets in a few words, as of a verdict."""
        return in_words(self.outcome or "no verdict", self.winner)


def across(tasks: Sequence[Task]) -> Across | None:
    """Count wins, ties and losses of the primary comparison over data sets; from six complete data sets, also infer.

    Returns None with fewer than two data sets, or without a primary comparison.
    """
    primary = [comparison for task in tasks for comparison in task.comparisons if comparison.primary]
    if len(primary) < 2:
        return None
    a, b = primary[0].a, primary[0].b
    counts = Counter(c.verdict.winner or c.verdict.outcome for c in primary if c.verdict is not None)
    counted = Across(a, b, counts[a], counts["same"], counts[b], counts["undecided"], counts["no verdict"])
    # Looking at all data sets together is a further look, so it waits for the last look at each of them.
    whole = [
        task
        for task in tasks
        if all(model.mean is not None for model in task.models)
        and any(c.primary and c.verdict and not c.provisional for c in task.comparisons)
    ]
    if len(whole) < LEAST:
        note = f"One verdict over all, ranks and profiles need {LEAST} complete data sets; there are {len(whole)}."
        return replace(counted, note=note)
    there = [{model.model for model in task.models} for task in whole]
    names = [model.model for model in whole[0].models if all(model.model in of for of in there)]
    whole = [replace(task, models=[model for model in task.models if model.model in names]) for task in whole]
    partial = sorted(set().union(*there) - set(names))
    notes = [f"Ranks and scores omit {', '.join(partial)}, not compared on every data set."] if partial else []
    scored = {name: scores for name in names if (scores := _scores(whole, name))}
    if len(scored) < len(names):
        notes.append("Scores need a trivial baseline, and a model better than it, on every data set.")
    thresholds = [i / 20 for i in range(21)]
    means = [[model.mean or 0.0 for model in task.models] for task in whole]  # all are there
    ranks, statistic, p = friedman(means, [task.mode for task in whole])
    values = {name: _values(whole, name) for name in (a, b)}
    return replace(
        _decided(counted, whole),
        note=" ".join(notes) or None,
        improvement={
            "value": improvement(values[a], values[b]),
            "interval": probability_of_improvement(values[a], values[b]),
        },
        ranks=dict(zip(names, ranks, strict=True)),
        friedman={} if p is None else {"statistic": float(statistic or 0.0), "p": p},
        alike=_alike(whole, names, means, ranks),
        iqm={n: {"value": pooled_iqm(v), "interval": stratified(v)} for n, v in scored.items()},
        profile={name: profile(values, thresholds) for name, values in scored.items()},
        thresholds=thresholds,
    )


def _decided(counted: Across, tasks: Sequence[Task]) -> Across:
    """Add the verdict over data sets, unless a margin or a mean is missing; diverged runs count as in one data set."""
    there: list[tuple[Task, Comparison]] = [(task, c) for task in tasks for c in task.comparisons if c.primary]
    if any(not task.margin or c.mean is None for task, c in there):
        return counted
    in_margins = np.array([(c.mean or 0.0) / (task.margin or 1.0) for task, c in there])
    lost_a, lost_b = (sum(lost) for lost in zip(*(lost_of(c.pairs) for _, c in there), strict=True))
    outcome, winner = decide(in_margins, 1.0, (counted.a, counted.b), (lost_a, lost_b))
    posterior = signed_rank_posterior(in_margins)
    return replace(counted, outcome=outcome, winner=winner, interval=t_interval(in_margins), posterior=posterior)


def _alike(
    tasks: Sequence[Task], names: Sequence[str], means: Sequence[Sequence[float]], ranks: Sequence[float]
) -> list[list[str]]:
    """Return groups of models that signed-rank tests over the data sets' means do not distinguish at 5 % after Holm.

    Data sets have different units, so differences are measured in margins, or without margins relative to the
    distance between the best and the worst model.

    Nemenyi's critical difference depends on the other models in the table; this does not (Benavoli, Corani and
    Mangili, "Should we really use post-hoc tests based on mean-ranks?", Journal of Machine Learning Research 17, 2016).
    """
    pairs = list(itertools.combinations(range(len(names)), 2))
    p_values = []
    for i, j in pairs:
        signed = [
            (-1.0 if task.mode == "min" else 1.0) * (of[i] - of[j]) / (task.margin or (max(of) - min(of)) or 1.0)
            for task, of in zip(tasks, means, strict=True)
        ]
        test = signed_rank(np.array(signed))  # values of different data sets do not tie by rounding
        p_values.append(1.0 if test is None else test[1])
    different = [[False] * len(names) for _ in names]
    for (i, j), p in zip(pairs, holm(p_values), strict=True):
        different[i][j] = different[j][i] = p < ALPHA
    return [[names[i] for i in group] for group in cliques(ranks, different)]


def _values(tasks: Sequence[Task], name: str) -> dict[str, list[float]]:
    """Return every run's value by task, negated if lower is better; diverged runs rank below all others."""
    values: dict[str, list[float]] = {}
    for task in tasks:
        sign = 1.0 if task.mode == "max" else -1.0
        model = next(m for m in task.models if m.model == name)
        there = [sign * p.value for p in model.points if p.value is not None]
        values[task.data] = there + [-float("inf")] * model.diverged
    return values


def _scores(tasks: Sequence[Task], name: str) -> dict[str, list[float]]:
    """Return every run's score by task: 0 at the best trivial baseline or if diverged, 1 at the best model's mean.

    Empty if a task has no baseline, or no model beats it.
    """
    scores: dict[str, list[float]] = {}
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
        scores[task.data] = [(sign * v - zero) / (one - zero) for v in values] + [0.0] * model.diverged
    return scores
