"""The margin of a data set whose plan has none: computed from validation, on record before the first final run."""

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
    """Put on record the margins that the plan leaves to validation, each once, from the repeats in the first arm.

    Data sets ``without`` a choice get theirs when they have one.

    A data set on which no model is better than the best trivial predictor gets none, with the reason.

    Raises:
        UserError: this start leaves the first arm out, and no earlier one has tuned it.
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
                f"study.only.arms leaves out {arm}, from whose repeats {data} gets its margin: run {arm} first, or "
                "give study.primary.margin."
            )
        runs = {
            model: [state.directory / name for name in chosen[model].candidates[0].runs]
            for model in plan.primary.models
            if model in chosen and chosen[model].candidates
        }
        state.record.margins[data] = made = margin_from(runs, metric, plan.declared(data))
        state.write()
        if made.margin is None:
            log.warning("There is no margin for %s, and no “practically the same”: %s.", data, made.reason)
        else:
            log.info("The margin of %s is %g (%s, computed from validation).", data, made.margin, metric)


def margin_from(runs: dict[str, list[Path]], metric: str, declared: Metric | None) -> MarginRecord:
    """The margin that follows from repeats on validation.

    Args:
        runs: directories of the repeats by model; the better model counts.
        metric: of validation, e.g. ``val/acc``.
        declared: what is known of the metric where the runs do not say it.
    """
    name = metric.rpartition("/")[2]
    records = {
        model: [r for d in paths if (r := read_record(d)) and metric in r.metrics] for model, paths in runs.items()
    }
    means = {model: fmean(r.metrics[metric] for r in found) for model, found in records.items() if found}
    first = next((r for found in records.values() for r in found), None)
    kind = first.declared.get(name, declared) if first else None
    if first is None or kind is None:
        return MarginRecord(metric, None, reason=f"no repeat has a {metric} of which the direction is declared")
    sign = 1.0 if kind.direction == "max" else -1.0
    reached = sign * max(sign * mean for mean in means.values())
    trivial = [v for key, v in first.val_baselines.items() if key.rpartition("/")[2] == name and math.isfinite(v)]
    if not trivial:
        return MarginRecord(metric, None, reached=reached, reason=f"no trivial predictor has a {metric}")
    baseline = sign * max(sign * value for value in trivial)
    gap, best = sign * (reached - baseline), optimum(name)
    distance = None if best is None else abs(best - reached)
    margin = default_margin(gap, distance, _one_item(first, [d for paths in runs.values() for d in paths], kind))
    reason = None
    if margin is None:
        reason = (
            f"no model is better than the best trivial predictor on {metric}" if gap <= 0 else "nothing is left to win"
        )
    return MarginRecord(metric, margin, gap, baseline, reached, distance, reason)


def _one_item(record: RunResult, directories: Sequence[Path], metric: Metric) -> float:
    """What one item of the test set is of an accuracy, were its sequences as long as those of validation; else 0."""
    if optimum(metric.name) != 1 or metric.denominator is None or not record.data.sequences.get("test"):
        return 0.0
    items = (
        read_sequences(directories[0], "val", read_record(directories[0]))[metric.denominator].mean()
        * record.data.sequences["test"]
    )
    return 1 / float(items)
