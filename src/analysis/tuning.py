"""How the settings of each task were chosen: every trial, the choice, the extensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from src.analysis.summary import Run, Trial, Tuning


def tunings(runs: Sequence[Run], study: Mapping[str, Any]) -> list[Tuning]:
    """One for each data set and arm that has trials, in the order of the runs.

    Args:
        runs: of every phase.
        study: the content of ``study.json``; {} where there is none.
    """
    found = []
    trials = [run for run in runs if run.phase in ("trial", "repeat")]
    for data, arm in dict.fromkeys((run.data, run.arm) for run in trials):
        here = [run for run in trials if (run.data, run.arm) == (data, arm)]
        found.append(_tuning(data, arm, here, study))
    return found


def _tuning(data: str, arm: str, runs: Sequence[Run], study: Mapping[str, Any]) -> Tuning:
    draws = ((study.get("plan") or {}).get("tuning") or {}).get("draws") or {}
    choice: dict[str, Any] = ((study.get("chosen") or {}).get(data) or {}).get(arm) or {}
    extensions = [e for e in study.get("extensions") or [] if e.get("data") == data]
    keys = list(draws) or list(dict.fromkeys(key for run in runs for key in run.values))
    monitors = [str(run.best["monitor"]) for run in runs if run.best.get("monitor")]
    first: dict[str, Any] = next(iter(choice.values()), {})
    models = list(dict.fromkeys([*((study.get("plan") or {}).get("models") or {}), *(run.model for run in runs)]))
    counts = {
        model: sum(run.model == model and run.phase == "trial" for run in runs)
        for model in models
        if any(run.model == model for run in runs)
    }
    return Tuning(
        data=data,
        arm=arm,
        keys=keys,
        metric=first.get("monitor") or (monitors[0] if monitors else None),
        mode=first.get("mode") or next((run.mode for run in runs if run.mode), None),
        trials=[
            Trial(
                run=run.id,
                model=run.model,
                values=run.values,
                value=_value(run),
                seed=run.seed,
                phase=str(run.phase),
                status=run.status,
            )
            for run in runs
        ],
        chosen={model: dict(found.get("values") or {}) for model, found in choice.items()},
        counts=counts,
        ranges={key: limits for key, spec in draws.items() if (limits := _limits(key, spec, extensions)) is not None},
        candidates={model: list(found.get("candidates") or []) for model, found in choice.items()},
        extensions=extensions,
    )


def _value(run: Run) -> float | None:
    value = run.best.get("value")
    return (
        float(value) if run.status == "finished" and isinstance(value, int | float) and math.isfinite(value) else None
    )


def _limits(key: str, spec: Any, extensions: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """Lowest and highest value that a draw could take, extensions among them; None for a list of words."""
    if isinstance(spec, Mapping):
        limits = [float(spec["low"]), float(spec["high"])]
    else:
        numbers = [float(v) for v in spec if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < 2:
            return None
        limits = [min(numbers), max(numbers)]
    for extension in extensions:
        if extension.get("key") == key:
            limits += [float(v) for v in extension.get("to") or []]
    return [min(limits), max(limits)]
