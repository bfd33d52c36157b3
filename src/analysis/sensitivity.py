"""What would change the verdict on a comparison, in sentences."""

from __future__ import annotations

import numpy as np

from src.analysis.pairs import differences_of, lost_of
from src.analysis.task import Comparison, Task
from src.analysis.verdict import Verdict, unless_failures
from src.config.errors import agreeing
from src.statistics.decision import ERROR_RATE, LEAST, decide, in_words
from src.statistics.intervals import Interval


def sensitivity(task: Task, c: Comparison) -> list[str]:
    """Return sentences on the margin, single pairs, other tests and other test sequences; empty without a verdict."""
    if c.verdict is None or not _decides(c.verdict):
        return []
    return [*by_margin(task, c, c.verdict), *over_seeds(task, c), *_other_sequences(task, c)]


def over_seeds(task: Task, c: Comparison) -> list[str]:
    """Return sentences on whether single pairs or another test would change the verdict over seeds alone."""
    if c.verdict is None or not _decides(c.verdict):
        return []
    return [*_without_one(task, c), *_other_test(c)]


def by_margin(task: Task, c: Comparison, verdict: Verdict) -> list[str]:
    """Return sentences on the margins that would give one of a comparison's verdicts another outcome.

    They are empty without a verdict, and with a diverged run, where no margin would change it.
    """
    wide, narrow = verdict.interval_better, verdict.interval_same
    if not _decides(verdict) or wide is None or narrow is None or any(lost_of(c.pairs)):
        return []
    same_from = max(abs(narrow.low), abs(narrow.high), verdict.failures or 0.0)
    better_to = max(wide.low, -wide.high, 0.0)
    unit = f" {task.unit}" if task.unit else ""
    ahead = c.a if (c.mean or 0.0) > 0 else c.b
    smaller = f"A margin below {better_to:.3g}{unit} would make {ahead} better."
    larger = f"A margin above {same_from:.3g}{unit} would make them practically the same."
    if verdict.outcome == "better":
        return [f"{verdict.winner} is better for every margin below {better_to:.3g}{unit}.", larger]
    if verdict.outcome == "same":
        holds = f"They are practically the same for every margin above {same_from:.3g}{unit}."
        return [holds, smaller] if better_to > 0 else [holds]
    return [smaller, larger] if better_to > 0 and task.margin else [larger]


def _decides(verdict: Verdict) -> bool:
    """Return whether a look was taken, so that there is something to change."""
    known = verdict.interval_better is not None and verdict.interval_same is not None
    return verdict.look is not None and known and verdict.outcome != "no verdict"


def _without_one(task: Task, c: Comparison) -> list[str]:
    assert c.verdict is not None
    assert c.verdict.look is not None
    seen = c.pairs if c.verdict.look.pairs == c.n else [p for p in c.pairs if p.seed < c.verdict.look.pairs]
    x, lost = differences_of(seen), lost_of(seen)
    if len(x) <= LEAST:
        return []
    seeds = [pair.seed for pair in seen if pair.difference is not None]
    decided = (decide(np.delete(x, i), task.margin, (c.a, c.b), lost, c.verdict.look) for i in range(len(seeds)))
    others = {
        seed: unless_failures(said, c.verdict.failures, task.margin) for seed, said in zip(seeds, decided, strict=True)
    }
    verdict = (c.verdict.outcome, c.verdict.winner)
    changed = {seed: other for seed, other in others.items() if other != verdict}
    if not changed:
        said = "No single pair decides the verdict: it is the same without any one of them."
        return [said] if c.verdict.outcome in ("better", "same") else []
    seed, (outcome, winner) = next(iter(changed.items()))
    return [
        f"{len(changed)} of {len(x)} pairs {agreeing('are', len(changed))} decisive: without seed {seed} the verdict "
        f"is {in_words(outcome, winner)}."
    ]


def _other_test(c: Comparison) -> list[str]:
    if c.verdict is None or c.wilcoxon is None or c.verdict.different is None or c.provisional:
        return []
    rejects = c.wilcoxon.p_holm < ERROR_RATE
    if rejects == c.verdict.different:
        return []
    over = f" after Holm over {c.wilcoxon.comparisons}" if c.wilcoxon.comparisons > 1 else ""
    said = " rejects" if rejects else " does not reject"
    t = "excludes" if c.verdict.different else "does not exclude"
    return [f"The signed-rank test{over}{said} equality (p = {c.wilcoxon.p_holm:.2g}); the t interval {t} 0."]


def _other_sequences(task: Task, c: Comparison) -> list[str]:
    """State whether each claim of the verdict also holds for other test sequences, at its own level."""
    wide, narrow = c.sequences_better, c.sequences_same
    if wide is None or narrow is None or c.verdict is None or c.verdict.outcome == "undecided":
        return []
    edge, not_zero = task.margin or 0.0, not wide.low <= 0 <= wide.high
    if c.verdict.outcome == "better":
        holds = wide.low > edge if c.verdict.winner == c.a else wide.high < -edge
        if holds:
            return [f"The verdict also holds for other test sequences: over seeds and sequences the {_said(wide)}."]
        also = " (also not zero)" if not_zero and edge else ""
        return [f"The verdict holds for these test sequences only: over seeds and sequences the {_said(wide)}{also}."]
    if not (-edge < narrow.low and narrow.high < edge):
        return [f"The verdict holds for these test sequences only: over seeds and sequences the {_said(narrow)}."]
    said = f"The verdict also holds for other test sequences: over seeds and sequences the {_said(narrow)}"
    if c.verdict.different and not not_zero:
        return [f"{said}; only for these sequences is the difference shown not to be zero (the {_said(wide)})."]
    return [f"{said}."]


def _said(interval: Interval) -> str:
    return f"{100 * interval.level:.4g} % interval is {interval.low:.3g} to {interval.high:.3g}"
