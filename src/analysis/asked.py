"""What is compared with what: the plan of a study, or what the command line says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.analysis.collect import Collection
from src.analysis.metrics import usual_metric
from src.analysis.models import finals
from src.analysis.summary import Flag, Plan
from src.config.errors import UserError, nearest

TOLERANCE = 0.02  # of budgets, where no plan says another


@dataclass(frozen=True)
class Asked:
    """The comparison that is asked for.

    >>> Asked(models=["gru", "lstm"], primary=("gru", "lstm"), metric="test/nll", margin={"jsb": 0.05}).margin_of("jsb")
    0.05

    Args:
        models: all of them, in the order of the plan, A and B first.
        primary: A and B of the primary comparison; None: none was named.
        metric: of the test; or one for each data set, beside ``default``.
        margin: of practical equivalence; or one for each data set; None: none was fixed.
        mode: ``min`` or ``max``; None: the metric's own.
        data: data sets in the plan's order.
        arms: in the plan's order.
        pairs: that were planned; or a number for each data set; None: no plan says.
        tolerance: by how much budgets may differ, as a share.
        planned: the models of the plan.
        flags: where the command line says other than the plan.
        given: what the command line says: some of models, metric, margin and mode.
    """

    models: list[str]
    primary: tuple[str, str] | None
    metric: Any
    margin: Any = None
    mode: str | None = None
    data: list[str] = field(default_factory=list)
    arms: list[str] = field(default_factory=lambda: ["main"])
    pairs: Any = None
    tolerance: float = TOLERANCE
    planned: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    def metric_of(self, data: str) -> str:
        """The metric on a data set."""
        return str(_of(self.metric, data))

    def margin_of(self, data: str) -> float | None:
        """The margin on a data set, in the metric's unit; None where there is none."""
        margin = _of(self.margin, data)
        return None if margin is None or math.isnan(float(margin)) else float(margin)

    def pairs_of(self, data: str) -> int | None:
        """How many pairs were planned."""
        pairs = _of(self.pairs, data)
        return None if pairs is None else int(pairs)


def asked(
    found: Collection,
    models: Sequence[str] | None = None,
    metric: Any = None,
    margin: Any = None,
    mode: str | None = None,
) -> Asked:
    """What to compare, from the study's plan; what the arguments say wins, and is flagged where a plan says otherwise.

    Without a plan the models are those that were found; where they are two, they are the primary comparison.

    Args:
        found: the runs.
        models: A and B.
        metric: of the test.
        margin: of practical equivalence.
        mode: ``min`` or ``max``.

    Raises:
        UserError: when a model was not found, the metric cannot be told, or a margin is none.
    """
    plan = found.study.get("plan") or {}
    primary = plan.get("primary") or {}
    there = list(dict.fromkeys([*(plan.get("models") or {}), *sorted({run.model for run in found.runs})]))
    pair = list(models or primary.get("models") or (there if len(there) == 2 else []))
    if pair and (len(pair) != 2 or pair[0] == pair[1]):
        raise UserError(
            f"models={pair} is impossible: it must be two of {', '.join(there)}, as in models='[gru,lstm]'."
        )
    for name in pair:
        if name not in there:
            raise UserError(
                f"There is no run of {name}{nearest(name, there)}: models must be two of {', '.join(there)}."
            )
    data = list(dict.fromkeys([*(plan.get("data") or {}), *sorted({run.data for run in found.runs})]))
    check_margin(margin, data)
    planned, chosen, named = list(plan.get("data") or {}), metric, margin
    if chosen is None:  # what the plan does not know it says nothing about
        usual = {} if primary.get("metric") and set(data) <= set(planned) else _usual(found)
        chosen = {
            **usual,
            **({name: _of(primary["metric"], name) for name in planned} if primary.get("metric") else {}),
        }
    if named is None:
        named = {name: _of(primary.get("margin"), name) for name in planned}
    flags = [
        Flag("plan", "serious", f"{name}={said} comes from the command line; the plan has {fixed}.")
        for name, said, fixed in (
            ("models", list(models or []), primary.get("models")),
            ("metric", metric, primary.get("metric")),
            ("margin", margin, primary.get("margin")),
        )
        if said not in (None, []) and fixed is not None and said != fixed
    ]
    return Asked(
        models=[*pair, *(name for name in there if name not in pair)],
        primary=(pair[0], pair[1]) if pair else None,
        metric=chosen,
        margin=named,
        mode=mode,
        data=data,
        arms=list(dict.fromkeys([*(plan.get("arms") or {}), *sorted({run.arm for run in found.runs})])),
        pairs=plan.get("pairs"),
        tolerance=float(plan.get("tolerance", TOLERANCE)),
        planned=list(plan.get("models") or {}),
        flags=flags,
        given={
            name: said
            for name, said in (("models", list(models or [])), ("metric", metric), ("margin", margin), ("mode", mode))
            if said not in (None, [])
        },
    )


def check_margin(margin: Any, data: Sequence[str]) -> None:
    """Refuse a margin that is none.

    Args:
        margin: one for all data sets, or by data set; None where nobody gave one.
        data: the data sets that there are.

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
            raise UserError(f"margin={value} is impossible: it must be a number from 0 up, in the metric's unit.")


def nothing(found: Collection, metric: str) -> str:
    """Why there is nothing to compare, in one sentence.

    Args:
        found: the runs, none of which counts.
        metric: what was looked for.
    """
    if not found.runs:
        return f"None of the {len(found.problems)} records in {', '.join(found.places)} can be read: {_first(found)}"
    status = Counter(run.status for run in found.runs)
    counts = ", ".join(f"{number} {name}" for name, number in status.items())
    phases = Counter(run.phase for run in found.runs)
    if not finals(found.runs):
        there = f"{phases['trial']} trials, {phases['repeat']} repeats"
        return f"{found.name} has no final run yet ({there}): let it go on."
    if not status["finished"]:
        return f"No run is finished ({counts}): there is nothing to compare yet."
    metrics = ", ".join(sorted({n for run in found.runs for n in run.metrics if n.startswith("test/")})) or "none"
    return f"No run has {metric} to compare ({counts}; metrics of the test: {metrics})."


def _first(found: Collection) -> str:
    return f"{found.problems[0].place}: {found.problems[0].sentence}"


def plan_of(study: Mapping[str, Any], wanted: Asked) -> Plan | None:
    """The plan as the report shows it; None outside a study."""
    if not study:
        return None
    plan, registered = study.get("plan") or {}, study.get("registered")
    changes = [
        {**change, "after": registered is not None and change.get("time", 0) > registered}
        for change in study.get("changes") or []
    ]
    pairs = {name: number for name in plan.get("data") or {} if (number := wanted.pairs_of(name)) is not None}
    return Plan(
        question=plan.get("question"),
        file=study.get("file"),
        file_hash=study.get("file_hash"),
        plan=dict(plan),
        plan_hash=study.get("plan_hash"),
        registered=registered,
        changes=changes,
        left_out=list(study.get("left_out") or []),
        pairs=pairs,
    )


def _usual(found: Collection) -> dict[str, str]:
    """The usual metric of every data set that has runs with metrics of the test; for the others, that of the first."""
    named = {}
    for data in sorted({run.data for run in found.runs}):
        runs = [run for run in found.runs if run.data == data]
        if any(name.startswith("test/") or found.kind == "table" for run in runs for name in run.metrics):
            named[data] = usual_metric(runs)
    if not named:
        raise UserError(nothing(found, "a metric of the test"))
    return {"default": next(iter(named.values())), **named}


def _of(value: Any, data: str) -> Any:
    return value.get(data, value.get("default")) if isinstance(value, Mapping) else value
