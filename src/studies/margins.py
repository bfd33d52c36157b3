"""Margins computed from validation for plans without one, recorded before the first final run."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import fmean

from src.config.errors import UserError
from src.runs.record import read_record, read_sequences
from src.runs.result import RunResult
from src.runs.study_record import MarginRecord
from src.statistics.margin import default_margin
from src.studies.plan import Plan
from src.studies.state import StudyState
from src.tasks.metrics import Metric, on_validation, optimum

log = logging.getLogger(__name__)


def fix_margins(plan: Plan, state: StudyState, without: Collection[str] = ()) -> None:
    """Record the margins that the plan leaves to validation, once each, from the repeats in the first arm.

    Data sets ``without`` a choice get theirs later.

    A data set on which no model beats the best trivial predictor gets no margin but a reason.

    Raises:
        UserError: this start excludes the first arm, and no earlier one has tuned it.
    """
    assert plan.primary is not None
    arm = next(iter(plan.arms))
    for data in plan.only.data or plan.data:
        metric = on_validation(plan.primary.metric_of(data) or "")
        known = state.record.margins.get(data)
        if data in without or plan.primary.margin_of(data) is not None or (known and known.metric == metric):
            continue
        chosen = state.record.chosen.get(data, {}).get(arm, {})
        if not chosen and arm not in (plan.only.arms or [arm]):
            raise UserError(
                f"study.only.arms excludes {arm}, whose repeats determine the margin of {data}: run {arm} first, or "
                "set study.primary.margin."
            )
        runs = {
            model: [state.directory / name for name in chosen[model].candidates[0].runs]
            for model in plan.primary.models
            if model in chosen and chosen[model].candidates
        }
        state.record.margins[data] = made = margin_from(runs, metric, plan.declared(data))
        state.write()
        if made.margin is None:
            log.warning("%s has no margin, so its verdict cannot be “practically the same”: %s.", data, made.reason)
        else:
            log.info("The margin of %s is %g (%s, computed from validation).", data, made.margin, metric)


def margin_from(runs: dict[str, list[Path]], metric: str, declared: Metric | None) -> MarginRecord:
    """Compute the margin from repeats on validation.

    Args:
        runs: directories of the repeats by model; the better model determines the margin.
        metric: validation metric, e.g. ``val/acc``.
        declared: the metric's declaration, used if the runs have none.
    """
    name = metric.rpartition("/")[2]
    records = {
        model: [r for d in paths if (r := read_record(d)) and metric in r.metrics] for model, paths in runs.items()
    }
    means = {model: fmean(r.metrics[metric] for r in found) for model, found in records.items() if found}
    first = next((r for found in records.values() for r in found), None)
    kind = first.declared.get(name, declared) if first else None
    if first is None or kind is None:
        return MarginRecord(metric, None, reason=f"no repeat has {metric} with a declared direction")
    sign = 1.0 if kind.direction == "max" else -1.0
    reached = sign * max(sign * mean for mean in means.values())
    trivial = [v for key, v in first.val_baselines.items() if key.rpartition("/")[2] == name and math.isfinite(v)]
    if not trivial:
        return MarginRecord(metric, None, reached=reached, reason=f"no trivial predictor has {metric}")
    baseline = sign * max(sign * value for value in trivial)
    gap, best = sign * (reached - baseline), optimum(name)
    distance = None if best is None else abs(best - reached)
    margin = default_margin(gap, distance, _one_item(first, [d for paths in runs.values() for d in paths], kind))
    reason = None
    if margin is None:
        reason = f"no model beats the best trivial predictor on {metric}" if gap <= 0 else "no improvement is possible"
    return MarginRecord(metric, margin, gap, baseline, reached, distance, reason)


def _one_item(record: RunResult, directories: Sequence[Path], metric: Metric) -> float:
    """Return the effect of one test item on an accuracy, assuming validation's sequence lengths; else 0."""
    if optimum(metric.name) != 1 or metric.denominator is None or not record.data.sequences.get("test"):
        return 0.0
    items = (
        read_sequences(directories[0], "val", read_record(directories[0]))[metric.denominator].mean()
        * record.data.sequences["test"]
    )
    return 1 / float(items)
