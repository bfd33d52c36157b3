"""Scope and limitations of a comparison, in sentences that apply to its runs."""

from __future__ import annotations

from collections.abc import Sequence

from src.analysis.compare import LEAST_BLOCKS, THIS_PERIOD
from src.analysis.plan import Plan
from src.analysis.run import Run
from src.analysis.task import Task
from src.analysis.tuning import Tuning
from src.config.errors import agreeing, counted


def small_print(tasks: Sequence[Task], runs: Sequence[Run], tuned: Sequence[Tuning], plan: Plan | None) -> list[str]:
    """Return the sentences for the end of a report; ``runs`` are the ones compared."""
    outcomes = {c.verdict.outcome for task in tasks for c in task.comparisons if c.verdict}
    record = plan.plan if plan else None
    said = [_about(runs, bool(record and record.resplits), bool(outcomes & {"better", "same"}))]
    if record and record.sittings:
        said[0] = (
            "A verdict over seeds and test sequences is about new training seeds and other sequences like these; one "
            f"over seeds alone is about new training seeds on these test sequences{_split(runs)}."
        )
    said.append(
        "A verdict, taken by itself, is wrong with a probability of at most 5 % if differences between pairs are "
        "roughly normal; if they are skewed like an exponential, up to 17 % (python -m benchmarks.rates)."
    )
    short = [task.label for task in tasks if any(THIS_PERIOD in (c.sequences_note or "") for c in task.comparisons)]
    if short:
        said.append(
            f"Verdicts for {', '.join(short)} are about {THIS_PERIOD}: forecasting windows overlap, and those of the "
            f"test set form fewer than {LEAST_BLOCKS} roughly independent blocks."
        )
    if "undecided" in outcomes:
        said.append("“Undecided” means that neither a difference nor its absence was shown, not that there is none.")
    shown = {(run.data_name, run.arm, run.model) for run in runs}
    of_each = [(tuning, model, number) for tuning in tuned for model, number in tuning.counts.items()]
    if counts := sorted({number for t, model, number in of_each if (t.data, t.arm, model) in shown}):
        trials = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        said.append(
            f"Each model's settings were chosen from {trials} trials on validation; the intervals do not include the "
            "randomness of that search, of which sigma_tune, shown next to them, is a rough estimate."
        )
    caps = sorted({run.timing.updates for run in runs if run.stop_reason == "max_steps"})
    if caps:
        number = sum(run.stop_reason == "max_steps" for run in runs)
        at = f"{caps[0]:,}" if len(caps) == 1 else f"{caps[0]:,} to {caps[-1]:,}"
        said.append(
            f"{number} of {len(runs)} runs reached their limit on updates: for them this compares learning within {at} "
            "updates."
        )
    said.append(
        "A single run to export or use was chosen on validation: its own test result is the one in its record, "
        "not the mean above."
    )
    if plan is not None and any(change.late for change in plan.changes):
        said.append(
            "The plan was changed after its registration, when results may have been known: more than 5 % of such "
            "verdicts may be wrong."
        )
    elif plan is not None and plan.registered is not None:
        said.append(
            "The plan was fixed before the first final run; its author may have known earlier results on these data."
        )
    return said


def _about(runs: Sequence[Run], resplits: bool, decided: bool) -> str:
    seeds = sorted({run.data.split_seed for run in runs if run.data.split_seed is not None})
    if resplits:
        used = f"{counted(len(seeds), 'split')} {agreeing('were', len(seeds))} used"
        return f"Verdicts are about other splits of the same file and new training seeds; {used}."
    said = f"Verdicts are about new training seeds on these test sequences{_split(runs)}"
    other = "the report's section “What would change the conclusion” states whether one also holds for other sequences"
    return f"{said}; {other}." if decided else f"{said}."


def _split(runs: Sequence[Run]) -> str:
    seeds = {run.data.split_seed for run in runs if run.data.split_seed is not None}
    return f" (data.split_seed={seeds.pop()})" if len(seeds) == 1 else ""
