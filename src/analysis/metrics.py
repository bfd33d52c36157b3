"""Which metric runs are compared by, and what their tasks say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from src.analysis.run import Run
from src.config.errors import UserError
from src.tasks.metrics import Direction, Metric, declared_by_shipped_tasks

# What an nll is per, by a metric that only one kind of task has.
BESIDE = {"f1": "sequence", "perplexity": "token", "mase": "value"}
UNLEAKED = "_unleaked"  # a metric over the test sequences that do not also stand in train


def base(metric: str) -> str:
    """The name without its split and without a remark on which sequences it leaves out.

    >>> base("test/nll"), base("test/nll_unleaked")
    ('nll', 'nll')
    """
    return metric.rpartition("/")[2].removesuffix(UNLEAKED)


def declared_metric(metric: str, runs: Sequence[Run]) -> Metric | None:
    """What the task of some runs declares of a metric, e.g. ``test/nll``; None where nobody does.

    Records that were written before tasks declared their metrics are taken to come from the tasks that are shipped.
    """
    name = base(metric)
    own = next((run.declared[name] for run in runs if name in run.declared), None)
    declared = own or declared_by_shipped_tasks().get(name)
    if declared is not None and name == "nll" and (own is None or own.unit == "nats"):
        # Older records do not say what the nats are per: what else they have does.
        beside = {base(key) for run in runs for key in run.metrics}
        of = next((unit for metric, unit in BESIDE.items() if metric in beside), "step")
        declared = replace(declared, unit=f"nats per {of}")
    if declared is not None and metric.endswith(UNLEAKED):
        return replace(declared, numerator=None, denominator=None)
    return declared


def mode_of(metric: str, declared: Metric | None, runs: Iterable[Run], given: Direction | None = None) -> Direction:
    """Which way is better: as declared, as given, or as the runs that monitored the metric know.

    Raises:
        UserError: when nobody knows, or the other way is declared.
    """
    if declared is not None:
        if given not in (None, declared.direction):
            better = "small" if declared.direction == "min" else "large"
            raise UserError(f"mode={given} is wrong for {metric}: a {better} one is good, so leave mode out.")
        return declared.direction
    if given is not None:
        return given
    runs = list(runs)
    if not any(metric in run.metrics for run in runs):
        return "min"  # there is nothing yet that could be good or bad
    for run in runs:
        if run.mode and run.best and base(run.best.monitor) == base(metric):
            return run.mode
    raise UserError(f"Nothing says whether a large {metric} is good or bad: add mode=min or mode=max.")


def usual_metric(runs: Iterable[Run]) -> str:
    """The metric that runs are compared by where nobody names one: the loss on test, under its task's own name.

    Raises:
        UserError: when no run has a metric of the test, or the choice is open.
    """
    names = {name for run in runs for name in run.metrics}
    for name in ("test/nll", "test/mse", "test/loss"):
        if name in names:
            return name
    tests = sorted(name for name in names if name.startswith("test/")) or sorted(names)
    if len(tests) == 1:
        return tests[0]
    if not tests:
        raise UserError("No run has a metric of the test set: compare finished runs that were trained with test=true.")
    raise UserError(f"These runs have {len(tests)} metrics: choose one, e.g. metric={tests[0]}.")
