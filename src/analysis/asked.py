"""What to compare: from the plan of a study, or from the command line."""

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

TOLERANCE = 0.02  # of budgets, unless a plan sets another
SITTINGS = 12  # the last one's look is at 2,048 times the first one's pairs


@dataclass(frozen=True)
class Asked:
    """The comparison requested."""

    models: list[str]  # all models, in the order of the plan, A and B first
    primary: tuple[str, str] | None  # A and B of the primary comparison, if there is one
    metric: dict[str, str]  # test metric by data set
    margin: dict[str, float | None]  # of practical equivalence, by data set; None if none was fixed
    mode: Direction | None  # None: as the metric's task declares
    data: list[str]  # data and arms in the plan's order
    arms: list[str]
    pairs: dict[str, int]  # planned number, by data set
    looks: dict[str, list[Look]]  # planned looks, by data set; empty outside a study
    resplits: int | None  # number of splits of one file in the plan; None: one split
    tolerance: float  # largest relative difference between budgets
    planned: list[str]  # the models of the plan
    flags: list[Flag]  # where the command line departs from the plan
    given: dict[str, Any]  # from the command line: some of models, metric, margin, mode and familywise
    familywise: bool = False  # whether to judge primary verdicts as one family as well


def asked(
    collection: Collection,
    models: Sequence[str] | None = None,
    metric: Any = None,
    margin: Any = None,
    mode: Direction | None = None,
    familywise: bool = False,
) -> Asked:
    """Determine what to compare from the study's plan; arguments override it, with a flag if they contradict the plan.

    Without a plan, all models with runs are compared; if there are exactly two, they are the primary comparison.

    Args:
        collection: the runs.
        models: A and B.
        metric, margin: one for all data sets, or by data set, with ``default`` for the others; without it, those have
            the metric of the plan and no margin.
        mode: which direction is better.
        familywise: judge the primary verdicts as one family as well.

    Raises:
        UserError: a model has no run, the metric cannot be determined, a margin is invalid, or a data set is unknown.
    """
    plan = collection.study.plan if collection.study else None
    primary = plan.primary if plan else None
    there = _ordered(plan.models if plan else (), (run.model for run in collection.runs))
    data = _ordered(plan.data if plan else (), (run.data_name for run in collection.runs))
    pair = _pair(list(models or (primary.models if primary else there if len(there) == 2 else ())), there)
    _refuse_unknown("metric", metric, data)
    check_margin(margin, data)
    said = {"models": list(models or []), "metric": metric, "margin": margin, "mode": mode}
    said |= {"familywise": familywise or None}
    given = {name: value for name, value in said.items() if value not in (None, [])}
    planned_data = list(plan.data) if plan else []
    if margin is None and primary:  # what the plan does not know it says nothing about
        registered = {name: made.margin for name, made in collection.study.margins.items()} if collection.study else {}
        margin = {name: registered.get(name) if (m := primary.margin_of(name)) is None else m for name in planned_data}
    of_plan = {name: primary.metric_of(name) for name in planned_data} if primary else {}
    if metric is None:
        metric = of_plan if of_plan and set(data) <= set(planned_data) else _usual(collection) | of_plan
    elif isinstance(metric, Mapping) and "default" not in metric:
        metric = of_plan | dict(metric)
        if lacking := [name for name in data if name not in metric]:
            raise UserError(f"metric has none for {', '.join(lacking)}: add one, or default for all others.")
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
    """Return the looks of a plan; for a plan in sittings, those of more sittings than anybody will hold."""
    if plan.sittings:
        return [look_of(sitting, plan.pairs_of(data)) for sitting in range(1, SITTINGS + 1)]
    return planned_looks(plan.looks_of(data))


def _ordered(planned: Any, of_runs: Any) -> list[str]:
    """Return names in the plan's order, then further ones that runs have."""
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
    """Return a flag for every departure of the command line from the plan."""
    if primary is None:
        return []
    plan = {"models": list(primary.models), "metric": primary.metric, "margin": primary.margin}
    return [
        Flag("plan", "serious", f"{name}={given[name]} was set on the command line; the plan has {fixed}.")
        for name, fixed in plan.items()
        if name in given and given[name] != fixed
    ]


def check_margin(margin: Any, data: Sequence[str]) -> None:
    """Check a margin: one for all data sets, or by data set.

    Raises:
        UserError: the margin is not a number of at least 0, or names an unknown data set.
    """
    _refuse_unknown("margin", margin, data)
    for value in margin.values() if isinstance(margin, Mapping) else [margin]:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value) and value >= 0):
            raise UserError(f"margin must be a number of at least 0, in the metric's unit, got {value}.")


def _refuse_unknown(key: str, value: Any, data: Sequence[str]) -> None:
    for name in value if isinstance(value, Mapping) else ():
        if name not in (*data, "default"):
            raise UserError(f"{key} names {name}{nearest(str(name), list(data))}: the data sets are {', '.join(data)}.")


def nothing(collection: Collection, metric: str) -> str:
    """Explain in one sentence why none of the runs has the requested metric."""
    runs, problems = collection.runs, collection.problems
    if not runs:
        first = f"{problems[0].place}: {problems[0].sentence}"
        return f"None of the {len(problems)} records in {', '.join(collection.places)} can be read: {first}"
    status = Counter(run.status for run in runs)
    counts = ", ".join(f"{number} {name}" for name, number in status.items())
    if not finals(runs):
        phases = Counter(run.phase for run in runs)
        there = f"{phases['trial']} trials, {phases['repeat']} repeats"
        return f"{collection.name} has no final runs yet ({there}): continue the study."
    if not status["finished"]:
        return f"No run is finished yet ({counts}), so there is nothing to compare."
    metrics = ", ".join(sorted({n for run in runs for n in run.metrics if n.startswith("test/")})) or "none"
    return f"No run has {metric} ({counts}; available test metrics: {metrics})."


def _usual(collection: Collection) -> dict[str, str]:
    """Return the default metric of every data set with test metrics; the others get that of the first."""
    named = {}
    for data in sorted({run.data_name for run in collection.runs}):
        runs = [run for run in collection.runs if run.data_name == data]
        if any(name.startswith("test/") or collection.kind == "table" for run in runs for name in run.metrics):
            named[data] = usual_metric(runs)
    if not named:
        raise UserError(nothing(collection, "a test metric"))
    return {"default": next(iter(named.values())), **named}


def _of(value: Any, data: str) -> Any:
    return value.get(data, value.get("default")) if isinstance(value, Mapping) else value
