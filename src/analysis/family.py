"""Judge the primary verdicts of all data sets as one family, in addition to one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from src.analysis.task import Comparison, Task
from src.analysis.verdict import Verdict
from src.config.errors import UserError
from src.statistics.decision import in_words
from src.statistics.family import Finding, holm_verdicts
from src.statistics.looks import Look


def familywise(tasks: Sequence[Task], looks: Mapping[str, Sequence[Look]]) -> list[Task]:
    """Add to primary verdicts the outcome that holds at a joint error rate of at most 5 %.

    Data sets without a verdict yet count as members of the family.

    Args:
        tasks: the tasks with their comparisons.
        looks: the looks fixed by a plan, by data set.

    Raises:
        UserError: there is no primary comparison.
    """
    family = [(t.data, c.verdict) for t in tasks for c in t.comparisons if c.primary and c.verdict]
    if not family:
        raise UserError("familywise=true needs a primary comparison: add models='[A,B]'.")
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
    """Return the test behind a verdict; if all differences are equal, the sign test, which needs no spread."""
    if verdict.outcome not in ("better", "same") or verdict.look is None:
        return None
    better, planned = verdict.outcome == "better", tuple(look.pairs for look in looks or [verdict.look])
    p = verdict.p_better if better else verdict.p_same
    return Finding(better, 0.5**verdict.pairs if p is None else p, planned.index(verdict.look.pairs), planned)


def family_sentence(tasks: Sequence[Task]) -> str | None:
    """Return the sentence about all primary verdicts together; None if it was not requested."""
    family = [
        (task.label, in_words(c.verdict.familywise, c.verdict.winner))
        for task in tasks
        for c in task.comparisons
        if c.verdict and c.verdict.familywise is not None
    ]
    if not family:
        return None
    number = {1: "The one verdict", 2: "Both verdicts"}.get(len(family), f"All {len(family)} verdicts")
    said = "; ".join(f"{label}: {words}" for label, words in family)
    return f"{number} together, with at most a 5 % probability that any is wrong (Holm): {said}."
