"""What a margin of practical equivalence means relative to the measurements: it decides which verdicts are possible."""

from __future__ import annotations

from src.analysis.flags import Flag
from src.analysis.published import published_name
from src.analysis.task import Task
from src.runs.study_record import MarginRecord


def beside_the_margin(task: Task, made: MarginRecord | None = None, given: bool = False) -> list[str]:
    """Return sentences that compare the margin with the detectable difference, and with our and published gaps.

    The list is empty without a margin.

    Args:
        task: with its margin.
        made: how a margin of its study was computed; None: it was not.
        given: whether the margin was given on the command line.
    """
    if not task.margin:
        return []
    unit = f" {task.unit}" if task.unit else ""
    reason = "given to this command" if given else "fixed in the plan"
    if made is not None and made.margin == task.margin and not given:
        reason = (
            f"a convention computed from validation before the first final run ({made.metric}: the best trivial "
            f"predictor {made.baseline:.3g}, the better model {made.reached:.3g}; at most a "
            "twentieth of the gap between them)"
        )
    said = [f"The margin on {task.label} is {task.margin:g}{unit}, {reason}."]
    primary = next((c for c in task.comparisons if c.primary), None)
    decided = primary is not None and primary.verdict is not None and primary.verdict.outcome != "no verdict"
    if decided and primary is not None and primary.power is not None and primary.power.detectable is not None:
        said.append(
            f"With {primary.n} pairs of {primary.a} and {primary.b} a true difference of {primary.power.detectable:.3g}"
            f"{unit} would lead to the verdict “better” with probability 0.8."
        )
    ranked = sorted((m for m in task.models if m.mean is not None), key=lambda m: m.mean or 0.0)
    if len(ranked) > 1:
        low, high = ranked[0], ranked[-1]
        gap = (high.mean or 0.0) - (low.mean or 0.0)
        said.append(f"{low.model} and {high.model} are furthest apart, by {gap:.3g}{unit}.")
    compared = {published_name(model.model) for model in task.models}
    for source in dict.fromkeys(reference.source for reference in task.references):
        values = {r.model: r.value for r in task.references if r.source == source and r.model in compared}
        if len(values) > 1:
            each = ", ".join(f"{model} {value:g}" for model, value in values.items())
            said.append(f"{source}: {each}, {max(values.values()) - min(values.values()):.2g}{unit} apart.")
    return said


def margin_flags(task: Task) -> list[Flag]:
    """Warn if the margin is so wide that even the weakest and the strongest model are called the same."""
    if not task.margin or len(task.models) < 3:
        return []
    sign = 1.0 if task.mode == "min" else -1.0
    ranked = sorted((m for m in task.models if m.mean is not None), key=lambda m: sign * (m.mean or 0.0))
    if len(ranked) < 3:
        return []
    weakest, strongest = ranked[-1].model, ranked[0].model
    c = next((c for c in task.comparisons if {c.a, c.b} == {weakest, strongest}), None)
    if c is None or c.verdict is None or c.verdict.outcome != "same" or c.probability is None:
        return []
    unit = f" {task.unit}" if task.unit else ""
    wins = c.probability.wins if strongest == c.a else c.probability.losses
    words = (
        f"Even {weakest}, the weakest model, and {strongest}, the strongest, are “practically the same” ({strongest} "
        f"was better in {wins} of {c.n} pairs): the margin of {task.margin:g}{unit} hides their order."
    )
    return [Flag("margin", "serious", words, task.data, task.arm, [strongest, weakest])]
