"""All data sets together: counts of verdicts, and from ten tasks up ranks, profiles and normalised scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from src.analysis.task import Task
from src.statistics.datasets import critical_difference, friedman, pooled_iqm, profile, stratified

LEAST = 10  # tasks, below which ranks can hardly separate three cells (Demsar 2006)


@dataclass(frozen=True)
class Across:
    """All data sets together (the main arm, or the only one)."""

    a: str  # a, b: of the primary comparison
    b: str
    better: int  # better, same, worse, undecided: on how many data sets the verdict says so of A
    same: int
    worse: int
    undecided: int
    note: str | None = None  # why there is no more than that, or None
    ranks: dict[str, float] = field(default_factory=dict)  # from ten data sets up: mean rank by model, 1 is best
    friedman: dict[str, float] = field(default_factory=dict)  # statistic and p
    critical_difference: float | None = None  # of mean ranks at 5 % (Nemenyi)
    # by model: interquartile mean of scores with the trivial baseline at 0 and the best mean at 1, interval
    iqm: dict[str, dict[str, Any]] = field(default_factory=dict)
    # by model: share of the runs whose score exceeds each of ``thresholds``
    profile: dict[str, list[float]] = field(default_factory=dict)
    thresholds: list[float] = field(default_factory=list)  # of the profile


def across(tasks: Sequence[Task]) -> Across | None:
    """Win, same and loss of the primary comparison over data sets; more from :data:`LEAST` tasks of one arm up.

    None with fewer than two data sets, or where no primary comparison was named.
    """
    primary = [comparison for task in tasks for comparison in task.comparisons if comparison.primary]
    if len(primary) < 2:
        return None
    a, b = primary[0].a, primary[0].b
    verdicts = [c.verdict for c in primary if c.verdict is not None]
    counts = Counter(v.winner or v.outcome for v in verdicts)
    counted = Across(a, b, counts[a], counts["same"], counts[b], counts["undecided"])
    whole = [task for task in tasks if all(model.mean is not None for model in task.models)]
    if len(whole) < LEAST:
        note = f"Ranks, profiles and normalised scores need {LEAST} complete data sets; there are {len(whole)}."
        return replace(counted, note=note)
    names = [model.model for model in whole[0].models]
    scored = {name: scores for name in names if (scores := _scores(whole, name))}
    thresholds = [i / 20 for i in range(21)]
    ranks, statistic, p = friedman([[m.mean for m in task.models] for task in whole], [t.mode for t in whole])
    return replace(
        counted,
        note=None if len(scored) == len(names) else "Scores need a trivial baseline on every data set.",
        ranks=dict(zip(names, ranks, strict=True)),
        friedman={} if p is None else {"statistic": float(statistic or 0.0), "p": p},
        critical_difference=critical_difference(len(names), len(whole)),
        iqm={n: {"value": pooled_iqm(v), "interval": stratified(v)} for n, v in scored.items()},
        profile={name: profile(values, thresholds) for name, values in scored.items()},
        thresholds=thresholds,
    )


def _scores(tasks: Sequence[Task], name: str) -> dict[str, list[float]]:
    """By task: every run's score, the best trivial baseline at 0 and the best model's mean at 1; diverged runs at 0.

    Empty where a task has no baseline, or no model that beats it.
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
