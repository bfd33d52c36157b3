"""The primary verdicts of all data sets as one family, beside the single ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from src.analysis.task import Comparison, Task
from src.analysis.verdict import Verdict
from src.config.errors import UserError
from src.statistics.family import Finding, holm_verdicts
from src.statistics.looks import Look


def familywise(tasks: Sequence[Task], looks: Mapping[str, Sequence[Look]]) -> list[Task]:
    """The tasks, their primary verdicts with the outcome that stands where all of them together err in 5 % at most.

    Data sets without a verdict yet count as members: they will have one.

    Args:
        tasks: with their comparisons.
        looks: that a plan fixed, by data set.

    Raises:
        UserError: no primary comparison was named.
    """
    family = [(t.data, c.verdict) for t in tasks for c in t.comparisons if c.primary and c.verdict]
    if not family:
        raise UserError("familywise=true is about primary comparisons, and none was named: add models='[A,B]'.")
    stands = iter(holm_verdicts([_tested(verdict, looks.get(data)) for data, verdict in family]))

    def judged(c: Comparison) -> Comparison:
        if not c.primary or c.verdict is None:
            return c
        kept, said = next(stands), c.verdict.outcome in ("better", "same")
        return replace(
            c, verdict=replace(c.verdict, familywise="undecided" if said and not kept else c.verdict.outcome)
        )

    return [replace(task, comparisons=[judged(c) for c in task.comparisons]) for task in tasks]


def _tested(verdict: Verdict, looks: Sequence[Look] | None) -> Finding | None:
    """The test behind a verdict; where no difference varies, that of their signs, which needs no spread."""
    if verdict.outcome not in ("better", "same") or verdict.look is None:
        return None
    better, planned = verdict.outcome == "better", tuple(look.pairs for look in looks or [verdict.look])
    p = verdict.p_better if better else verdict.p_same
    return Finding(better, 0.5**verdict.pairs if p is None else p, planned.index(verdict.look.pairs), planned)


def family_sentence(tasks: Sequence[Task]) -> str | None:
    """What stands of all primary verdicts together; None where nobody asked."""
    family = [
        (task, c.verdict) for task in tasks for c in task.comparisons if c.verdict and c.verdict.familywise is not None
    ]
    if not family:
        return None
    number = {1: "The one verdict", 2: "Both verdicts"}.get(len(family), f"All {len(family)} verdicts")
    said = "; ".join(f"{task.label}: {_words(verdict)}" for task, verdict in family)
    return f"{number} together, any of them wrong with a probability of at most 5 % (Holm): {said}."


def _words(verdict: Verdict) -> str:
    if verdict.familywise == "better":
        return f"{verdict.winner} better"
    return "practically the same" if verdict.familywise == "same" else str(verdict.familywise)
