"""How the settings of each task were chosen: all trials, the choice, and extensions of the ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from src.analysis.run import Run
from src.runs.result import Phase, Status
from src.runs.study_record import Candidate, Choice, Extension, LogUniform, StudyRecord
from src.tasks.metrics import Direction


@dataclass(frozen=True)
class Trial:
    """One tuning run."""

    run: str  # id
    model: str  # its name
    values: dict[str, Any]  # tuned settings by dotted key
    value: float | None  # of the monitored metric on validation at the best epoch; None if it diverged or failed
    seed: int  # seed, phase, status: of the run
    phase: Phase
    status: Status


@dataclass(frozen=True)
class Tuning:
    """How the settings of one task were chosen."""

    data: str  # data, arm: of the task
    arm: str
    keys: list[str]  # dotted keys that were tuned
    metric: str | None  # validation metric that was compared
    mode: Direction | None  # its better direction
    trials: list[Trial]  # every trial and repeat of every model
    chosen: dict[str, dict[str, Any]]  # by model: the settings of its final runs
    counts: dict[str, int]  # by model: number of trials
    # by key: lowest and highest value that could be drawn
    ranges: dict[str, list[float]] = field(default_factory=dict)
    drawn: dict[str, LogUniform] = field(default_factory=dict)  # by key: the range in the plan and the number of draws
    # by model: the repeated candidates with their means
    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    extensions: list[Extension] = field(default_factory=list)  # of the ranges

    def costs(self, model: str) -> list[float]:
        """Return the validation cost of each of a model's trials: smaller is better, infinite if it did not finish."""
        sign = -1.0 if self.mode == "max" else 1.0
        return [
            math.inf if trial.value is None else sign * trial.value
            for trial in self.trials
            if trial.model == model and trial.phase == "trial"
        ]


def tunings(runs: Sequence[Run], study: StudyRecord | None) -> list[Tuning]:
    """Return one entry per data set and arm with trials, in the order of ``runs``, which include all phases."""
    trials = [run for run in runs if run.phase in ("trial", "repeat")]
    return [
        _tuning(data, arm, [run for run in trials if (run.data_name, run.arm) == (data, arm)], study)
        for data, arm in dict.fromkeys((run.data_name, run.arm) for run in trials)
    ]


def _tuning(data: str, arm: str, runs: Sequence[Run], study: StudyRecord | None) -> Tuning:
    draws = study.plan.tuned if study else {}
    choices: dict[str, Choice] = study.chosen.get(data, {}).get(arm, {}) if study else {}
    extensions = [e for e in study.extensions if (e.data, e.arm) == (data, arm)] if study else []
    first = next(iter(choices.values()), None)
    models = list(dict.fromkeys([*(study.plan.models if study else ()), *(run.model for run in runs)]))
    counts = {
        model: sum(run.model == model and run.phase == "trial" for run in runs)
        for model in models
        if any(run.model == model for run in runs)
    }
    return Tuning(
        data=data,
        arm=arm,
        keys=list(draws) or list(dict.fromkeys(key for run in runs for key in run.values)),
        metric=first.monitor if first else next((run.best.monitor for run in runs if run.best), None),
        mode=first.mode if first else next((run.mode for run in runs if run.mode), None),
        trials=[
            Trial(run.id, run.model, run.values, _value(run), run.seed, run.phase, run.status)
            for run in runs
            if run.phase is not None
        ],
        chosen={model: dict(choice.values) for model, choice in choices.items()},
        counts=counts,
        ranges={key: limits for key, draw in draws.items() if (limits := _limits(key, draw, extensions)) is not None},
        drawn={key: draw for key, draw in draws.items() if isinstance(draw, LogUniform)},
        candidates={model: choice.candidates for model, choice in choices.items()},
        extensions=extensions,
    )


def _value(run: Run) -> float | None:
    there = run.status == "finished" and run.best is not None and math.isfinite(run.best.value)
    return run.best.value if there and run.best else None


def _limits(key: str, draw: LogUniform | list[Any], extensions: Sequence[Extension]) -> list[float] | None:
    """Return the lowest and highest value that could be drawn, with extensions; None for a list of words."""
    if isinstance(draw, LogUniform):
        limits = [draw.low, draw.high]
    else:
        limits = [float(v) for v in draw if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(limits) < 2:
            return None
    limits += [end for extension in extensions if extension.key == key for end in extension.after]
    return [min(limits), max(limits)]
