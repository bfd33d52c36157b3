"""What a comparison is about and what it is not, in sentences that hold for the runs at hand."""

from __future__ import annotations

from collections.abc import Sequence

from src.analysis.compare import LEAST_BLOCKS, THIS_PERIOD
from src.analysis.plan import Plan
from src.analysis.run import Run
from src.analysis.task import Task
from src.analysis.tuning import Tuning


def small_print(tasks: Sequence[Task], runs: Sequence[Run], tuned: Sequence[Tuning], plan: Plan | None) -> list[str]:
    """Sentences for the end of every report; ``runs`` are those that are compared."""
    outcomes = {c.verdict.outcome for task in tasks for c in task.comparisons if c.verdict}
    said = [_about(runs, bool(plan and plan.plan and plan.plan.resplits), bool(outcomes & {"better", "same"}))]
    said.append(
        "A verdict is wrong with a probability of at most 5 %, each by itself, where differences between pairs are "
        "roughly normal; where they are skewed like an exponential it is up to 17 % (python -m benchmarks.rates)."
    )
    short = [task.label for task in tasks if any(THIS_PERIOD in (c.sequences_note or "") for c in task.comparisons)]
    if short:
        said.append(
            f"The answer for {', '.join(short)} is about {THIS_PERIOD}: forecasting windows overlap, and those of the "
            f"test part make fewer than {LEAST_BLOCKS} blocks that are roughly independent."
        )
    if "undecided" in outcomes:
        said.append("“Undecided” means that neither a difference nor its absence was shown, not that there is none.")
    if counts := sorted({number for tuning in tuned for number in tuning.counts.values()}):
        trials = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        said.append(
            f"Each model's settings were chosen from {trials} trials on validation; the intervals do not contain the "
            "luck of that search; sigma_tune, beside them, is a rough figure of it."
        )
    caps = sorted({run.timing.updates for run in runs if run.stop_reason == "max_steps"})
    if caps:
        number = sum(run.stop_reason == "max_steps" for run in runs)
        at = f"{caps[0]:,}" if len(caps) == 1 else f"{caps[0]:,} to {caps[-1]:,}"
        said.append(
            f"{number} of {len(runs)} runs ended at their cap of updates: for them this compares learning within {at} "
            "updates."
        )
    said.append(
        "A single run that is exported or used was chosen on validation: its own test figure is the one in its record, "
        "not the mean above."
    )
    if plan is not None and plan.registered is not None:
        said.append(
            "The plan was fixed before the first final run; whoever wrote it may have known earlier results on these "
            "data."
        )
    return said


def _about(runs: Sequence[Run], resplits: bool, decided: bool) -> str:
    seeds = sorted({run.data.split_seed for run in runs if run.data.split_seed is not None})
    if resplits:
        return (
            f"Verdicts are about other splits of the same file and new training seeds; {len(seeds)} splits were made."
        )
    which = f" (data.split_seed={seeds[0]})" if len(seeds) == 1 else ""
    said = f"Verdicts are about new training seeds on these test sequences{which}"
    other = "the report says under “What would change the conclusion” whether one also holds for other sequences"
    return f"{said}; {other}." if decided else f"{said}."
