"""Checks of a comparison: whatever is pooled, dropped or averaged despite differences gets one of these flags."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from src.analysis.curves import Curve
from src.analysis.flags import Flag, FlagKind, Weight
from src.analysis.margin import margin_flags
from src.analysis.models import Model, PointStatus
from src.analysis.plan import Plan
from src.analysis.published import published_name
from src.analysis.run import Run
from src.analysis.task import Task
from src.analysis.tuning import Tuning
from src.config.errors import agreeing
from src.runs.study_record import StudyRecord

CAPS = ("max_steps", "max_epochs", "max_time")  # limits, as opposed to reasons in the run itself
LEAST_DRAWS = 8  # from a range
MANY = 0.05  # share of test sequences that, if also in train, may change the verdict
OUTER = 0.1  # of a range on the log scale: a choice in this outer part may have its optimum outside


def task_flags(
    task: Task, runs: Sequence[Run], tolerance: float, planned: int | None, curves: Mapping[str, Curve]
) -> list[Flag]:
    """Return every flag of one task; ``finals`` have any status, and ``planned`` is a number of pairs."""
    flags = [flag for model in task.models for flag in _ends(task, model)]
    flags += [flag for model in task.models for flag in _capped(task, model, runs, curves)]
    flags += _clipping(task, runs, curves)
    flags += margin_flags(task)
    flags += _short_of_published(task)
    flags += _missing(task, planned)
    flags += _budget(task, runs, tolerance)
    flags += _alike(task, runs)
    for model in task.models:
        settings = {str(sorted(run.values.items())) for run in runs if run.model == model.model and run.values}
        if len(settings) > 1:
            words = f"The final runs of {model.model} do not share their tuned settings: {'; '.join(sorted(settings))}."
            flags.append(_flag(task, "tuning", "serious", words, [model.model]))
        flags += _last_epoch(task, model, runs)
    if shared := [run for run in runs if run.timing.shared is True]:
        words = f"{len(shared)} of {len(runs)} runs {agreeing('were', len(shared))} timed on a machine that other "
        words += "processes were using."
        flags.append(_flag(task, "shared", "note", words, runs=shared))
    if leaks := sorted({int(run.data.notes.get("test/leaked") or 0) for run in runs} - {0}):
        words = f"{leaks[-1]} of the test sequences {'is' if leaks[-1] == 1 else 'are'} also in the training set."
        share = leaks[-1] / max(1, *(run.data.sequences.get("test", 0) for run in runs))
        flags.append(_flag(task, "leaked", "serious" if share > MANY else "note", words))
    if part := [run for run in runs if run.data.notes.get("test/measured") or run.data.notes.get("val/measured")]:
        words = f"{len(part)} of {len(runs)} runs used only part of the test or validation batches."
        flags.append(_flag(task, "measured", "serious", words, runs=part))
    return flags


def tuning_flags(tuning: Tuning, finals: Sequence[Run]) -> list[Flag]:
    """Flag unequal or low tuning effort, seeds shared by trials and final runs, and choices at an edge or in a gap."""

    def flag(kind: FlagKind, words: str, models: Sequence[str] = ()) -> Flag:
        return Flag(kind, "serious", words, tuning.data, tuning.arm, list(models))

    flags = []
    if len(set(tuning.counts.values())) > 1:
        counts = ", ".join(f"{model} {number}" for model, number in tuning.counts.items())
        flags.append(flag("tuning", f"The models had unequal numbers of trials: {counts}."))
    drawn = {
        model: {str(sorted(t.values.items())) for t in tuning.trials if t.model == model and t.phase == "trial"}
        for model in tuning.counts
    }
    if len(set(tuning.counts.values())) == 1 and len({frozenset(values) for values in drawn.values()}) > 1:
        flags.append(flag("tuning", "The models were not tuned on the same draws."))
    if both := sorted({trial.seed for trial in tuning.trials} & {run.seed for run in finals}):
        flags.append(flag("seeds", f"Trials and final runs share the seeds {', '.join(map(str, both))}."))
    for model, values in tuning.chosen.items():
        for key, value in values.items():
            if (side := _edge(value, tuning.ranges.get(key))) is not None:
                words = f"{model}'s choice of {key} = {value} is at the {side} edge of the range tried."
                flags.append(flag("edge", words, [model]))
    return flags + [flag(kind, words, models) for kind, words, models in _thin(tuning)]


def _thin(tuning: Tuning) -> Iterable[tuple[FlagKind, str, list[str]]]:
    """Flag ranges with few draws, and choices next to an untried part of a range."""
    for key, draw in tuning.drawn.items():
        if draw.number < LEAST_DRAWS:
            words = (
                f"{key} was tuned with {draw.number} draws: with fewer than {LEAST_DRAWS}, the result is mostly luck."
            )
            yield "tuning", words, []
        tried = [t.values[key] for t in tuning.trials if t.phase == "trial" and t.values.get(key, 0) > 0]
        for model, values in tuning.chosen.items():
            if key in values and (step := draw.gap(tried, values[key])) is not None:
                words = f"Next to {model}'s {key} = {values[key]}, nothing was tried from {step[0]} to {step[1]}: "
                yield "gap", words + "a gap wider than two strata of the draws.", [model]


def plan_flags(plan: Plan | None, finals: Sequence[Run]) -> list[Flag]:
    """Flag plans that changed after registration or a look or were never registered, and margins that do not exist."""
    if plan is None:
        return []
    flags = []
    if late := [change for change in plan.changes if change.late]:
        keys = ", ".join(dict.fromkeys(key for change in late for key in change.keys))
        flags.append(Flag("plan", "serious", f"The plan changed after the first final run started: {keys}."))
    for change in plan.changes:
        keys = ", ".join(key for key in change.keys if key.partition(".")[0] in ("pairs", "looks"))
        if keys and (look := change.look) is not None:
            words = (
                f"The plan changed ({keys}) after the look at {look.pairs} pairs of {look.data} ({look.arm}): it may "
                "depend on that result, and the error rates of the looks no longer hold."
            )
            flags.append(Flag("look", "serious", words))
    flags += [
        Flag("margin", "note", f"No margin could be computed from validation: {made.reason}.", data)
        for data, made in plan.margins.items()
        if made.margin is None
    ]
    if plan.registered is None and finals:
        flags.append(Flag("plan", "serious", "The plan was not registered before the final runs."))
    return flags


def unlike_margins(studies: Sequence[StudyRecord]) -> list[Flag]:
    """Flag data sets for which the records of one study have different margins; the newest is used."""
    found: dict[str, set[float | None]] = {}
    for study in studies:
        for data, made in study.margins.items():
            found.setdefault(data, set()).add(made.margin)
    return [
        Flag("margin", "serious", f"The folders have different margins ({_listed(margins)}); the newest is used.", data)
        for data, margins in found.items()
        if len(margins) > 1
    ]


def _listed(margins: Iterable[float | None]) -> str:
    return ", ".join(sorted("none" if margin is None else f"{margin:g}" for margin in margins))


# --------------------------------------------------------------------------------------------------------- one kind


def _ends(task: Task, model: Model) -> Iterable[Flag]:
    ends: list[tuple[FlagKind, int, tuple[PointStatus, ...], str]] = [
        ("diverged", model.diverged, ("diverged",), "diverged; they rank worst and are excluded from means"),
        ("chance", model.chance, ("chance",), "are no better than the best trivial baseline"),
        ("failed", model.failed, ("failed",), "failed"),
        ("unfinished", model.unfinished, ("interrupted", "running"), "are not finished"),
    ]
    for kind, number, status, words in ends:
        if number:
            ids = [point.run for point in model.points if point.status in status]
            said = f"{number} of {len(model.points)} runs of {model.model} {words}."
            yield Flag(kind, "serious", said, task.data, task.arm, [model.model], ids)


def _last_epoch(task: Task, model: Model, runs: Sequence[Run]) -> Iterable[Flag]:
    """Flag runs that were best in their last epoch, apart from those that patience ended: no limit held them up."""
    mine = [run for run in runs if run.model == model.model and run.status == "finished"]
    last = [run for run in mine if run.best and run.best.is_last]
    patient = [run for run in last if run.stop_reason == "patience"]
    if limited := len(last) - len(patient):
        words = f"In {limited} of {len(mine)} runs of {model.model}, the last epoch was the best: "
        yield _flag(task, "last_epoch", "note", f"{words}longer training might improve them.", [model.model])
    if patient:
        words = f"In {len(patient)} of {len(mine)} runs of {model.model}, patience ran out although the last epoch was "
        words += "the best (by its loss, or by less than min_delta): more patience might improve them."
        yield _flag(task, "last_epoch", "note", words, [model.model])


def _capped(task: Task, model: Model, runs: Sequence[Run], curves: Mapping[str, Curve]) -> Iterable[Flag]:
    """Flag runs that hit a limit, and whose best validation metric came in the last fifth of their updates."""
    mine = [run for run in runs if run.model == model.model and run.status == "finished"]
    slopes = {run.id: slope for run in mine if run.stop_reason in CAPS and (slope := _still(run, curves)) is not None}
    if slopes:
        monitors = " and ".join(sorted({run.best.monitor for run in mine if run.best}))
        slope = statistics.median(slopes.values())
        words = (
            f"{len(slopes)} of {len(mine)} runs of {model.model} reached a limit ({_reasons(mine)}), with the best "
            f"{monitors} in the last fifth of the updates, better than before by a median of {slope:.2g} per 1,000 "
            "updates: this compares learning within that limit."
        )
        yield _flag(task, "capped", "serious", words, [model.model], [run for run in mine if run.id in slopes])


def _still(run: Run, curves: Mapping[str, Curve]) -> float | None:
    """Return the improvement of the monitored metric per 1,000 updates in the last fifth of training; None if none.

    The best value of the last fifth is compared with the best value before.
    """
    curve = curves.get(run.id)
    if curve is None or run.best is None or not curve.step:
        return None
    column = curve.columns.get(run.best.monitor) or next(
        (values for name, values in curve.columns.items() if name.startswith("val/")), []
    )
    sign = -1.0 if run.mode == "max" else 1.0
    values = [(step, sign * value) for step, value in zip(curve.step, column, strict=False) if value is not None]
    border = 0.8 * curve.step[-1]
    before, after = ([v for step, v in values if (step > border) == late] for late in (False, True))
    if not before or not after or min(after) >= min(before):
        return None
    return 1000 * (min(before) - min(after)) / (curve.step[-1] - border)


def _reasons(runs: Sequence[Run]) -> str:
    counts = Counter(str(run.stop_reason) for run in runs if run.stop_reason in CAPS)
    return ", ".join(reason if len(counts) == 1 else f"{number} {reason}" for reason, number in counts.items())


def _short_of_published(task: Task) -> Iterable[Flag]:
    """Models whose mean is worse than a published result of their cell by more than the margin."""
    sign = 1.0 if task.mode == "min" else -1.0
    for model in task.models:
        there = [r for r in task.references if r.model == published_name(model.model)]
        if model.mean is None or not task.margin or not there:
            continue
        best = min(there, key=lambda reference: sign * reference.value)
        short = sign * (model.mean - best.value)
        if short > task.margin:
            doubt = "" if best.state == "confirmed" else ", unconfirmed"
            words = (
                f"{model.model} reaches {model.mean:.4g} on average, short of the published {best.value:g} ("
                f"{best.source}{doubt}) by {short:.2g}{' ' + task.unit if task.unit else ''}, more than the margin of "
                f"{task.margin:g}: what is compared here may not be the best that it can do."
            )
            yield _flag(task, "published", "serious", words, [model.model])


def _clipping(task: Task, runs: Sequence[Run], curves: Mapping[str, Curve]) -> Iterable[Flag]:
    """Flag models whose gradients were clipped far more often than those of another."""
    shares: dict[str, list[float]] = {}
    for run in runs:
        clipped = [
            v for v in (curves[run.id].columns.get("train/clipped", []) if run.id in curves else []) if v is not None
        ]
        if clipped:
            shares.setdefault(run.model, []).append(statistics.fmean(clipped))
    means = {model: statistics.fmean(values) for model, values in shares.items()}
    if means and max(means.values()) - min(means.values()) > 0.5:
        each = ", ".join(f"{model} {share:.0%}" for model, share in means.items())
        words = f"Gradients were clipped in different shares of updates, so learning rates are not comparable: {each}."
        yield _flag(task, "clipping", "note", words, list(means))


def _missing(task: Task, planned: int | None) -> Iterable[Flag]:
    for comparison in task.comparisons:
        lacking = [pair.seed for pair in comparison.pairs if pair.state == "missing"]
        there = len(comparison.pairs) - len(lacking)
        wanted = max(planned or 0, len(comparison.pairs))
        if there < wanted:
            seeds = f" (seeds {', '.join(map(str, lacking))})" if lacking else ""
            words = f"{wanted - there} of {wanted} pairs of {comparison.a} and {comparison.b} are missing{seeds}."
            yield _flag(task, "missing", "serious", words, [comparison.a, comparison.b])


def _budget(task: Task, runs: Sequence[Run], tolerance: float) -> Iterable[Flag]:
    sizes: dict[str, int] = {}
    kinds = list(dict.fromkeys(run.budget.of for run in runs if run.budget))
    for run in runs:
        if run.budget:
            sizes.setdefault(run.model, run.budget.actual)
        elif run.parameters and kinds in (
            [],
            ["recurrent"],
        ):  # parameters are not the measure for budgets of time or state
            sizes.setdefault(run.model, run.parameters.effective)
    if len(kinds) > 1:
        yield _flag(task, "budget", "serious", "The models have budgets of different kinds.")
    if len(sizes) > 1 and max(sizes.values()) > min(sizes.values()) * (1 + tolerance):
        each = ", ".join(f"{model} {size:,.0f}" for model, size in sizes.items())
        spread = max(sizes.values()) / min(sizes.values()) - 1
        kind = kinds[0] if kinds else "effective"
        words = f"Budgets ({kind}) differ by {spread:.1%}, more than the {tolerance:.0%} allowed: {each}."
        yield _flag(task, "budget", "serious", words, list(sizes))


def _alike(task: Task, runs: Sequence[Run]) -> Iterable[Flag]:
    aspects: list[tuple[FlagKind, Weight, str, Callable[[Run], Any]]] = [
        (
            "results_version",
            "serious",
            "The runs come from different code (results version)",
            lambda r: r.results_version,
        ),
        ("precision", "serious", "The runs differ in precision", lambda r: r.backend and r.backend.precision),
        ("code", "note", "The runs come from different commits", lambda r: r.git.commit),
        (
            *(
                "backend",
                "note",
                "The runs differ in their kernels, so differences in time are not due to the models alone",
            ),
            lambda r: r.backend and r.backend.name,
        ),
    ]
    if not _same_data(runs):
        aspects.insert(0, ("checksum", "serious", "The runs read different data", lambda r: r.data.checksum))
    for kind, weight, words, of in aspects:
        counts = Counter((run.model, of(run)) for run in runs if of(run) is not None)
        if len({value for _, value in counts}) > 1:
            each = ", ".join(
                f"{model} {str(value)[:12]} ({n})" for (model, value), n in sorted(counts.items(), key=str)
            )
            yield _flag(task, kind, weight, f"{words}: {each}.")
    yield from _unlike_sources(task, runs)
    if dirty := [run for run in runs if run.git.clean is False]:
        words = f"{len(dirty)} of {len(runs)} runs come from a working tree with uncommitted changes."
        yield _flag(task, "dirty", "note", words, runs=dirty)


def _unlike_sources(task: Task, runs: Sequence[Run]) -> Iterable[Flag]:
    """Flag classes of the user's own whose source changed: a network within one model, any other between all runs."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        for place in run.sources:
            found.setdefault((place, run.model if place.partition(".")[0] == "model" else ""), []).append(run)
    for (place, _), mine in found.items():
        counts = Counter((run.model, run.sources[place]) for run in mine)
        if len({source for _, source in counts}) > 1:
            each = ", ".join(f"{model} {source[:12]} ({n})" for (model, source), n in sorted(counts.items()))
            words = f"The runs come from different source code of {place}._target_: {each}."
            yield _flag(task, "source", "serious", words, list(dict.fromkeys(run.model for run in mine)), mine)


def _same_data(runs: Sequence[Run]) -> bool:
    """Return whether all runs read the same data, or each split or seed its own data if drawn by it."""
    splits = len({run.data.split_seed for run in runs}) > 1
    if not splits and all(run.data.split_seed is not None for run in runs):
        return len({run.data.checksum for run in runs}) < 2  # newer records have a split seed
    by_seed: dict[int | None, set[str]] = {}
    for run in runs:
        if run.data.checksum is not None:
            by_seed.setdefault(run.data.split_seed if splits else run.seed, set()).add(run.data.checksum)
    number = len(set().union(*by_seed.values()))
    return all(len(checksums) == 1 for checksums in by_seed.values()) and number in (0, 1, len(by_seed))


def _edge(value: Any, limits: Sequence[float] | None) -> str | None:
    if limits is None or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    low, high = limits
    if not 0 < low < high or value <= 0:
        return None
    place = math.log(value / low) / math.log(high / low)
    return "low" if place < OUTER else "high" if place > 1 - OUTER else None


def _flag(
    task: Task, kind: FlagKind, weight: Weight, words: str, models: Sequence[str] = (), runs: Sequence[Run] = ()
) -> Flag:
    return Flag(kind, weight, words, task.data, task.arm, list(models), [run.id for run in runs])
