"""Tasks that a run either solves or learns nothing of: failures too rare to have been seen in some pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.analysis.models import Model, Point
from src.analysis.pairs import Pair
from src.statistics.solved import largest_rate, p_below

ALL_OR_NOTHING = ("adding", "copy_memory")  # data sets; on others, a loss near the threshold is not a failure


@dataclass(frozen=True)
class Failures:
    """What a failed run costs, and which runs failed.

    An interval of the mean knows only the spread it has seen: if no run failed, it is narrow, however likely failures
    are. So models are called the same only if failures of one of them alone are shown to be rare enough, too.

    Args:
        cost: difference between a run that learned nothing and one that solved the task, in the metric's unit.
        solved: by run, whether it solved the task.
    """

    cost: float
    solved: Mapping[str, bool]

    def p_same(self, pairs: Sequence[Pair], margin: float) -> float:
        """Return the p-value of failures of one model alone moving the mean by less than the margin."""
        return p_below(*self._counts(pairs), rate=margin / self.cost)

    def reach(self, pairs: Sequence[Pair], alpha: float) -> float:
        """Return how far failures of one model alone could move the mean, at a one-sided level."""
        return self.cost * largest_rate(*self._counts(pairs), alpha=alpha)

    def needed(self, margin: float, alpha: float) -> int:
        """Return the number of pairs without a failure that allow models to be called the same."""
        return math.ceil(math.log(alpha) / math.log1p(-margin / self.cost)) if margin < self.cost else 1

    def _counts(self, pairs: Sequence[Pair]) -> tuple[int, int]:
        """Return the pairs of which one model alone failed, for the model with more of them, and all complete pairs."""
        complete = [pair for pair in pairs if pair.state == "complete"]
        ahead = [self.solved[pair.run_a or ""] - self.solved[pair.run_b or ""] for pair in complete]
        return max(ahead.count(1), ahead.count(-1)), len(complete)


def failures_of(data: Any, models: Sequence[Model], trivial: Mapping[str, float]) -> Failures | None:
    """Return what failures cost on one data set; None if it is not all or nothing, or if no run solved it.

    Args:
        data: the data set by its name in ``conf/data``.
        models: with their points, on one metric.
        trivial: results of trivial predictors on that metric; a failed run is no better than the best of them.
    """
    points: list[Point] = [point for model in models for point in model.points]
    reached = [point.value for point in points if point.solved and point.value is not None]
    if data not in ALL_OR_NOTHING or not reached or not trivial:
        return None
    typical = float(np.median(reached))
    cost = min(abs(value - typical) for value in trivial.values())
    return Failures(cost, {point.run: bool(point.solved) for point in points})
