"""The metric by which runs are compared, and its declaration by their tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from src.analysis.run import Run
from src.config.errors import UserError
from src.tasks.metrics import Direction, Metric, declared_by_shipped_tasks

# What an nll is per, by a metric that only one kind of task has.
BESIDE = {"f1": "sequence", "perplexity": "token", "mase": "value"}
UNLEAKED = "_unleaked"  # a metric over the test sequences that are not in the training set


def base(metric: str) -> str:
    """Return the name without its split and without a suffix for excluded sequences.

    >>> base("test/nll"), base("test/nll_unleaked")
    ('nll', 'nll')
    """
    return metric.rpartition("/")[2].removesuffix(UNLEAKED)


def declared_metric(metric: str, runs: Sequence[Run]) -> Metric | None:
    """Return the declaration of a metric, e.g. ``test/nll``, by the task of some runs; None if there is none.

    Records written before tasks declared their metrics are assumed to come from the shipped tasks.
    """
    name = base(metric)
    own = next((run.declared[name] for run in runs if name in run.declared), None)
    declared = own or declared_by_shipped_tasks().get(name)
    if declared is not None and name == "nll" and (own is None or own.unit == "nats"):
        # Older records lack the denominator of nats; their other metrics imply it.
        beside = {base(key) for run in runs for key in run.metrics}
        of = next((unit for metric, unit in BESIDE.items() if metric in beside), "step")
        declared = replace(declared, unit=f"nats per {of}")
    if declared is not None and metric.endswith(UNLEAKED):
        return replace(declared, numerator=None, denominator=None)
    return declared


def mode_of(metric: str, declared: Metric | None, runs: Iterable[Run], given: Direction | None = None) -> Direction:
    """Return which direction is better: as declared, as given, or as in the runs that monitored the metric.

    Raises:
        UserError: the direction is unknown, or contradicts the declaration.
    """
    if declared is not None:
        if given not in (None, declared.direction):
            better = "lower" if declared.direction == "min" else "higher"
            raise UserError(f"mode={given} is wrong for {metric}, of which {better} values are better: drop mode.")
        return declared.direction
    if given is not None:
        return given
    runs = list(runs)
    if not any(metric in run.metrics for run in runs):
        return "min"  # no values yet, so the direction does not matter
    for run in runs:
        if run.mode and run.best and base(run.best.monitor) == base(metric):
            return run.mode
    raise UserError(f"The direction of {metric} is unknown: add mode=min if lower is better, or mode=max.")


def usual_metric(runs: Iterable[Run]) -> str:
    """Return the default metric for comparisons: the test loss, under its task's own name.

    Raises:
        UserError: no run has a test metric, or the choice is ambiguous.
    """
    names = {name for run in runs for name in run.metrics}
    for name in ("test/nll", "test/mse", "test/loss"):
        if name in names:
            return name
    tests = sorted(name for name in names if name.startswith("test/")) or sorted(names)
    if len(tests) == 1:
        return tests[0]
    if not tests:
        raise UserError("No run has a test metric: compare finished runs that were trained with test=true.")
    raise UserError(f"These runs have {len(tests)} metrics: choose one, e.g. metric={tests[0]}.")
