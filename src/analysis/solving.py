"""Tasks that a run either solves or not: how soon and how often, in numbers and in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from src.analysis.curves import Curve
from src.analysis.models import Model
from src.analysis.run import Run
from src.analysis.task import Comparison, Task
from src.runs.result import SOLVED_BELOW, threshold_of
from src.statistics.rounding import of_interval, span


def timed(task: Task, runs: Sequence[Run], curves: Mapping[str, Curve]) -> Task:
    """Add to each model the median updates and seconds until validation first drops below the solve threshold."""
    by_id = {run.id: run for run in runs}
    return replace(task, models=[_timed(model, by_id, curves) for model in task.models])


def _timed(model: Model, runs: Mapping[str, Run], curves: Mapping[str, Curve]) -> Model:
    reached = []
    for point in model.points:
        if point.solved is False:
            reached.append((math.inf, math.inf))
        elif point.solved:
            if point.run not in curves:  # unknown for one run, hence for the model
                return model
            reached.append(first_below(runs[point.run], curves[point.run]))
    if not reached:
        return model
    updates, seconds = (sorted(column)[(len(reached) - 1) // 2] for column in zip(*reached, strict=True))
    return replace(
        model,
        updates_to_solve=int(updates) if math.isfinite(updates) else None,
        seconds_to_solve=seconds if math.isfinite(seconds) else None,
    )


def first_below(run: Run, curve: Curve) -> tuple[float, float]:
    """Return updates and seconds until validation loss first drops below the threshold; infinite if it never does.

    The threshold is a tenth of the best trivial baseline's test loss, which stands in for that on validation. Curves
    of long runs are thinned, and the first epoch they keep below the threshold is used.
    """
    if (threshold := threshold_of(run.baselines)) is None:
        return math.inf, math.inf
    loss, limit = threshold
    for step, seconds, value in zip(curve.step, curve.seconds, curve.columns.get(f"val/{loss}", []), strict=False):
        if value is not None and value < limit:
            return step, math.inf if seconds is None else seconds
    return math.inf, math.inf


def solve_sentence(task: Task, c: Comparison) -> str | None:
    """State how often each of two models solved a task, and the difference of the rates; None if neither ever did.

    ``jsb: gru solved 9 of 10, lstm 4 of 10 (test loss below 0.1 of the trivial baseline's); difference +0.50, 95 %
    interval 0.05 to 0.80.``
    """
    if (rates := c.solved) is None:
        return None
    pairs = rates.both + rates.only_a + rates.only_b + rates.neither
    return (
        f"{task.label}: {c.a} solved {rates.both + rates.only_a} of {pairs}, {c.b} {rates.both + rates.only_b} of "
        f"{pairs} (test loss below {SOLVED_BELOW:g} of the trivial baseline's); difference "
        f"{rates.difference:+.{of_interval(rates.interval)}f}, 95 % interval {span(rates.interval)}."
    )
