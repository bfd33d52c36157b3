"""Forecast intervals calibrated on validation: split conformal prediction, for each row ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.module import SequenceData
from src.tasks.base import Task
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import Bands, Point


@dataclass(frozen=True)
class Calibration:
    """By coverage, the amount by which intervals are widened on both sides, (rows ahead, targets), standardised."""

    margins: Mapping[float, Tensor]

    def bands(self, head: Point, said: Tensor) -> Bands:
        """Return intervals around a head's output (batch, rows, targets, numbers)."""
        found: Bands = {}
        for coverage in sorted(self.margins):
            lower, upper = around(head, said, coverage)
            margin = self.margins[coverage].to(said)
            found[coverage] = (lower - margin, torch.maximum(upper + margin, lower - margin))
        return found


def around(head: Point, said: Tensor, coverage: float) -> tuple[Tensor, Tensor]:
    """Return the interval to be calibrated: the head's own, or the point forecast alone."""
    point = head.point(said)
    return head.bands(said)[coverage] if head.coverage else (point, point)


def bands(task: Forecasting, batch: Batch, calibration: Calibration | None = None) -> Bands:
    """Return a forecasting task's intervals over its horizon, (batch, rows, targets): calibrated, or its own."""
    if calibration is None and not task.density.coverage:
        return {}
    said = task.says(batch)
    return task.density.bands(said) if calibration is None else calibration.bands(task.density, said)


def calibrate(task: Forecasting, batches: Iterable[Batch], coverage: Sequence[float]) -> Calibration:
    """Calibrate intervals by split conformal prediction (Lei et al. 2018) on held-out windows, for each row ahead.

    With n windows the margin is the ceil((n + 1) coverage)-th smallest score: the absolute error of a point forecast
    or, if the head has intervals, the distance of a value outside of them (Romano et al. 2019). A new value then lies
    inside with at least that probability if windows are exchangeable. Windows of a series overlap and are ordered in
    time, so this holds approximately. Scores of several series are pooled, each in its own units if ``data.scale``
    standardises series separately.

    Raises:
        UserError: there are too few windows for a coverage, or the head was trained for other coverages.
    """
    head = task.density
    if head.coverage and (other := [c for c in coverage if c not in head.coverage]):
        raise UserError(
            f"conformal={other[0]} is not a coverage of the run's own intervals: it must be one of "
            f"task.coverage={list(head.coverage)}."
        )
    scores: dict[float, list[Tensor]] = {c: [] for c in sorted(coverage)}
    with torch.inference_mode():
        for batch in batches:
            said = task.says(batch)
            for c, of_level in scores.items():
                lower, upper = around(head, said, c)
                of_level.append(torch.maximum(lower - batch.y, batch.y - upper))
    margins: dict[float, Tensor] = {}
    for c, of_level in scores.items():
        found = torch.cat(of_level)
        rank = math.ceil(round((len(found) + 1) * c, 9))
        if rank > len(found):
            least = math.ceil(round(c / (1 - c), 9))
            raise UserError(
                f"conformal={c:g} needs at least {least} validation windows, but there are {len(found)}: choose a "
                "lower coverage."
            )
        margins[c] = found.sort(0).values[rank - 1]
    return Calibration(margins)


def calibration_of(task: Task, data: SequenceData, coverage: Sequence[float] | None) -> Calibration | None:
    """Return the calibration of a run's task on its validation data; None if no coverage is requested.

    Raises:
        UserError: the run does not forecast, or as in :func:`calibrate`.
    """
    if coverage is None:
        return None
    if not isinstance(task, Forecasting):
        raise UserError("conformal needs a forecasting run: drop it.")
    return calibrate(task.eval(), data.loader("val"), coverage)
