"""What a metric's name says: which way is better, in which unit, and of which sums over sequences it is the ratio."""

from __future__ import annotations

import math
from collections.abc import Iterable

from src.analysis.summary import Run
from src.config.errors import UserError

SMALL = {
    *("loss", "nll", "nll_per_sample", "perplexity", "bpc"),
    *("mse", "mae", "rmse", "mase", "mse_unit", "mae_unit", "error", "cross_entropy"),
}
LARGE = {"acc", "accuracy", "f1", "frame_acc", "auc", "r2"}
UNITS = {"nll": "nats", "nll_per_sample": "nats per sample", "bpc": "bits per character"}

# Of which columns of sequences/test.npz a metric is the ratio, and by what it is multiplied.
RATIOS: dict[str, tuple[str, str, float]] = {
    "loss": ("loss", "count", 1.0),
    "nll": ("loss", "count", 1.0),
    "mse": ("loss", "count", 1.0),
    "bpc": ("loss", "count", 1 / math.log(2)),
    "acc": ("right", "count", 1.0),
    "mae": ("absolute", "count", 1.0),
    "mse_unit": ("squared_unit", "count", 1.0),
    "mae_unit": ("absolute_unit", "count", 1.0),
    "mase": ("scaled", "count", 1.0),
    "frame_acc": ("hits", "sounding", 1.0),
}


def base(metric: str) -> str:
    """The name without its split and without a remark on which sequences it leaves out.

    >>> base("test/nll"), base("test/nll_unleaked")
    ('nll', 'nll')
    """
    return metric.rpartition("/")[2].removesuffix("_unleaked")


def mode_of(metric: str, runs: Iterable[Run] = (), given: str | None = None) -> str:
    """``min`` where smaller is better, else ``max``.

    Args:
        metric: its name, e.g. ``test/nll``.
        runs: for a metric that is not known here: those that monitor it know its mode.
        given: what the user says, which wins.

    Raises:
        UserError: when nobody knows.
    """
    if given is not None:
        return given
    if base(metric) in SMALL | LARGE:
        return "min" if base(metric) in SMALL else "max"
    runs = list(runs)
    if not any(metric in run.metrics for run in runs):
        return "min"  # there is nothing yet that could be good or bad
    for run in runs:
        if run.mode and base(str(run.best.get("monitor", ""))) == base(metric):
            return run.mode
    raise UserError(f"Nothing says whether a large {metric} is good or bad: add mode=min or mode=max.")


def unit_of(metric: str) -> str:
    """The unit of a metric, empty where it has none or the data decide.

    >>> unit_of("test/nll"), unit_of("test/acc")
    ('nats', '')
    """
    return UNITS.get(base(metric), "")


def usual_metric(runs: Iterable[Run]) -> str:
    """The metric that runs are compared by where nobody names one: the loss on test, under its task's own name.

    Raises:
        UserError: when no run has a metric of the test, or the choice is open.
    """
    found = {name for run in runs for name in run.metrics}
    for name in ("test/nll", "test/mse", "test/loss"):
        if name in found:
            return name
    tests = sorted(name for name in found if name.startswith("test/")) or sorted(found)
    if len(tests) == 1:
        return tests[0]
    if not tests:
        raise UserError("No run has a metric of the test set: compare finished runs that were trained with test=true.")
    raise UserError(f"These runs have {len(tests)} metrics: choose one, e.g. metric={tests[0]}.")
