"""What is compared with what: the plan of a study, or what the command line says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.analysis.collect import Collection
from src.analysis.flags import Flag
from src.analysis.metrics import usual_metric
from src.analysis.models import finals
from src.config.errors import UserError, nearest
from src.runs.study_record import PlanRecord, PrimaryRecord
from src.statistics.looks import Look, planned_looks
from src.statistics.sittings import look_of
from src.tasks.metrics import Direction

TOLERANCE = 0.02  # of budgets, where no plan says another
SITTINGS = 12  # the last one's look is at 2,048 times the first one's pairs


@dataclass(frozen=True)
class Asked:
    """The comparison that is asked for."""

    models: list[str]  # all of them, in the order of the plan, A and B first
    primary: tuple[str, str] | None  # A and B of the primary comparison; None: none was named
    metric: dict[str, str]  # of the test, by data set
    margin: dict[str, float | None]  # of practical equivalence, by data set; None: none was fixed
    mode: Direction | None  # None: as the metric's task declares
    data: list[str]  # data and arms in the plan's order
    arms: list[str]
    pairs: dict[str, int]  # that were planned, by data set
    looks: dict[str, list[Look]]  # that were planned, by data set; empty outside a study
    resplits: int | None  # over how many splits of one file the plan goes; None: one split
    tolerance: float  # by how much budgets may differ, as a share
    planned: list[str]  # the models of the plan
    flags: list[Flag]  # where the command line says other than the plan
    given: dict[str, Any]  # what the command line says: some of models, metric, margin, mode and familywise
    familywise: bool = False  # whether the primary verdicts are judged as one family too


def asked(
    collection: Collection,
    models: Sequence[str] | None = None,
    metric: Any = None,
    margin: Any = None,
    mode: Direction | None = None,
    familywise: bool = False,
) -> Asked:
    """What to compare, from the study's plan; what the arguments say wins, and is flagged where a plan says otherwise.

    Without a plan the models are those that have runs; where they are two, they are the primary comparison.

    Args:
        collection: the runs.
        models: A and B.
        metric, margin: one for all data sets, or by data set, beside ``default``.
        mode: which way is better.
        familywise: judge the primary verdicts as one family too.

    Raises:
        UserError: when a model has no run, the metric cannot be told, or a margin is none.
    """
    plan = collection.study.plan if collection.study else None
    primary = plan.primary if plan else None
    there = _ordered(plan.models if plan else (), (run.model for run in collection.runs))
    data = _ordered(plan.data if plan else (), (run.data_name for run in collection.runs))
    pair = _pair(list(models or (primary.models if primary else there if len(there) == 2 else ())), there)
    check_margin(margin, data)
    said = {"models": list(models or []), "metric": metric, "margin": margin, "mode": mode}
    said |= {"familywise": familywise or None}
    given = {name: value for name, value in said.items() if value not in (None, [])}
    planned_data = list(plan.data) if plan else []
    if margin is None and primary:  # what the plan does not know it says nothing about
        registered = {name: made.margin for name, made in collection.study.margins.items()} if collection.study else {}
        margin = {name: registered.get(name) if (m := primary.margin_of(name)) is None else m for name in planned_data}
    if metric is None:
        of_plan = {name: primary.metric_of(name) for name in planned_data} if primary else {}
        metric = of_plan if of_plan and set(data) <= set(planned_data) else _usual(collection) | of_plan
    return Asked(
        models=[*pair, *(name for name in there if name not in pair)],
        primary=(pair[0], pair[1]) if pair else None,
        metric={name: str(_of(metric, name)) for name in data},
        margin={name: None if (m := _of(margin, name)) is None or math.isnan(m) else float(m) for name in data},
        mode=mode,
        data=data,
        arms=_ordered(plan.arms if plan else (), (run.arm for run in collection.runs)),
        pairs={name: plan.pairs_of(name) for name in planned_data} if plan else {},
        looks={name: _looks(plan, name) for name in planned_data} if plan else {},
        resplits=plan.resplits if plan else None,
        tolerance=plan.tolerance if plan else TOLERANCE,
        planned=list(plan.models) if plan else [],
        flags=_departures(given, primary),
        given=given,
        familywise=familywise,
    )


def _looks(plan: PlanRecord, data: str) -> list[Look]:
    """The looks of a plan; of one that is done in sittings those of as many as anybody will hold."""
    if plan.sittings:
        return [look_of(sitting, plan.pairs_of(data)) for sitting in range(1, SITTINGS + 1)]
    return planned_looks(plan.looks_of(data))


def _ordered(planned: Any, of_runs: Any) -> list[str]:
    """Names in the plan's order, then the others that runs have."""
    return list(dict.fromkeys([*planned, *sorted(set(of_runs))]))


def _pair(pair: list[str], there: list[str]) -> list[str]:
    if pair and (len(pair) != 2 or pair[0] == pair[1]):
        raise UserError(f"models must be two of {', '.join(there)}, as in models='[gru,lstm]', got {pair}.")
    for name in pair:
        if name not in there:
            raise UserError(
                f"There is no run of {name}{nearest(name, there)}: models must be two of {', '.join(there)}."
            )
    return pair


def _departures(given: Mapping[str, Any], primary: PrimaryRecord | None) -> list[Flag]:
    """A flag for everything in which the command line departs from the plan."""
    if primary is None:
        return []
    plan = {"models": list(primary.models), "metric": primary.metric, "margin": primary.margin}
    return [
        Flag("plan", "serious", f"{name}={given[name]} comes from the command line; the plan has {fixed}.")
        for name, fixed in plan.items()
        if name in given and given[name] != fixed
    ]


def check_margin(margin: Any, data: Sequence[str]) -> None:
    """Refuse a margin that is none: one for all data sets, or by data set.

    Raises:
        UserError: it is no number from 0 up, or names a data set that is not there.
    """
    for name, value in margin.items() if isinstance(margin, Mapping) else [(None, margin)]:
        if name is not None and name not in (*data, "default"):
            raise UserError(
                f"margin names {name}{nearest(str(name), list(data))}: the data sets are {', '.join(data)}."
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value) and value >= 0):
            raise UserError(f"margin must be a number from 0 up, in the metric's unit, got {value}.")


def nothing(collection: Collection, metric: str) -> str:
    """Why none of the runs has the metric that was looked for, in one sentence."""
    runs, problems = collection.runs, collection.problems
    if not runs:
        first = f"{problems[0].place}: {problems[0].sentence}"
        return f"None of the {len(problems)} records in {', '.join(collection.places)} can be read: {first}"
    status = Counter(run.status for run in runs)
    counts = ", ".join(f"{number} {name}" for name, number in status.items())
    if not finals(runs):
        phases = Counter(run.phase for run in runs)
        there = f"{phases['trial']} trials, {phases['repeat']} repeats"
        return f"{collection.name} has no final run yet ({there}): let it go on."
    if not status["finished"]:
        return f"No run is finished ({counts}): there is nothing to compare yet."
    metrics = ", ".join(sorted({n for run in runs for n in run.metrics if n.startswith("test/")})) or "none"
    return f"No run has {metric} to compare ({counts}; metrics of the test: {metrics})."


def _usual(collection: Collection) -> dict[str, str]:
    """The usual metric of every data set that has runs with metrics of the test; for the others, that of the first."""
    named = {}
    for data in sorted({run.data_name for run in collection.runs}):
        runs = [run for run in collection.runs if run.data_name == data]
        if any(name.startswith("test/") or collection.kind == "table" for run in runs for name in run.metrics):
            named[data] = usual_metric(runs)
    if not named:
        raise UserError(nothing(collection, "a metric of the test"))
    return {"default": next(iter(named.values())), **named}


def _of(value: Any, data: str) -> Any:
    return value.get(data, value.get("default")) if isinstance(value, Mapping) else value
