"""Figures of training: learning curves, tuning, and the cost of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from src.analysis.curves import Curve
from src.analysis.run import Run
from src.analysis.task import Task
from src.analysis.tuning import Tuning
from src.figures import curves
from src.figures.chart import Chart
from src.figures.marks import Mark
from src.reporting.page.marks import hover, metric_label
from src.reporting.page.words import number, place, setting
from src.runs.study_record import Extension

TIME = "seconds to the best epoch"
COSTS: dict[str, Callable[[Any], float | None]] = {
    "effective parameters": lambda run: run.parameters and run.parameters.effective,
    TIME: lambda run: run.timing.seconds_to_best,
    "peak memory (MB)": lambda run: run.memory.peak_rss_mb,
}


def learning_charts(task: Task, recorded: dict[str, Curve], runs: dict[str, Run]) -> list[Chart]:
    """Chart the learning curves of a task's final runs, against epochs and against time.

    They show the task's metric on validation, or else the metric that the runs monitored.
    """
    name = task.metric.partition("/")[2] or task.metric
    shown = f"val/{name}"
    drawn = {
        m.model: [
            (recorded[p.run], hover(runs[p.run], p.value, task.metric))
            for p in m.points
            if p.run in recorded and p.run in runs
        ]
        for m in task.models
    }
    if not any(shown in c.columns for pairs in drawn.values() for c, _ in pairs):
        monitors = [r.best.monitor for r in runs.values() if r.data_name == task.data and r.best]
        columns = [c for pairs in drawn.values() for curve, _ in pairs for c in curve.columns]
        shown = next((c for c in [*monitors, *columns] if c in columns), "")
    if not shown:
        return []
    training = f"train/{shown.partition('/')[2]}"
    unit = f" ({task.unit})" if task.unit else ""
    charts = []
    for along, words, against in (("epoch", "epoch", "epochs"), ("seconds", "seconds of training", "time")):
        lines = {model: _series(pairs, along, shown) for model, pairs in drawn.items()}
        taught = {model: _series(pairs, along, training) for model, pairs in drawn.items() if along == "epoch"}
        if any(lines.values()):
            title = f"{place(task.data, task.arm)}, against {against}"
            charts.append(curves.learning(title, words, f"{shown}{unit}", lines, taught))
    return charts


def _series(pairs: list[tuple[Curve, str]], along: str, column: str) -> list[curves.Series]:
    """Return a column of curves against their ``epoch`` or ``seconds``, where both are finite."""
    series: list[curves.Series] = []
    for curve, words in pairs:
        both = [
            (float(x), y)
            for x, y in zip(getattr(curve, along), curve.columns.get(column, []), strict=False)
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
        ]
        if both:
            series.append(([x for x, _ in both], [y for _, y in both], words))
    return series


def tuning_charts(tuning: Tuning, runs: dict[str, Run], name_arm: bool) -> list[Chart]:
    """Chart validation against every tuned setting; with ``name_arm`` the title names the arm."""
    charts = []
    for key in tuning.keys:
        trials: dict[str, list[Mark]] = {}
        for trial in tuning.trials:
            x = trial.values.get(key)
            if not isinstance(x, int | float):
                continue
            run = runs.get(trial.run)
            words = hover(run, trial.value, tuning.metric or "validation") if run else f"{trial.model}, run {trial.run}"
            mark = Mark(trial.value, f"{words}\n{trial.phase}", hollow=trial.phase == "repeat", x=float(x))
            trials.setdefault(trial.model, []).append(mark)
        if not any(m.value is not None for marks in trials.values() for m in marks):
            continue
        chosen = {m: float(v[key]) for m, v in tuning.chosen.items() if isinstance(v.get(key), int | float)}
        title = f"{tuning.data}, {tuning.arm}" if name_arm else tuning.data
        drawn = [m.x for marks in trials.values() for m in marks]
        log = min(drawn) > 0 and max(drawn) / min(drawn) > 10
        added = [stretch for e in tuning.extensions if e.key == key for stretch in _added(e)]
        metric, lower_is_better = tuning.metric or "validation", tuning.mode != "max"
        charts.append(curves.tuning(title, setting(key), metric, trials, chosen, lower_is_better, added, log))
    return charts


def _added(extension: Extension) -> Iterable[tuple[float, float]]:
    """Return the intervals that an extension added to the range."""
    before, after = extension.before, extension.after
    if after[0] < before[0]:
        yield after[0], before[0]
    if after[1] > before[1]:
        yield before[1], after[1]


def cost_charts(task: Task, runs: dict[str, Run]) -> list[Chart]:
    """Chart quality against parameters, time and memory, where recorded."""
    charts = []
    for words, of in COSTS.items():
        marks: dict[str, list[Mark]] = {}
        for m in task.models:
            for p in m.points:
                if (run := runs.get(p.run)) is None:
                    continue
                if (x := of(run)) is None:
                    continue
                shared = bool(run.timing.shared) and words == TIME
                text = f"{hover(run, p.value, task.metric)}\n{words}: {number(x)}{', shared machine' if shared else ''}"
                marks.setdefault(m.model, []).append(Mark(p.value, text, shared, float(x), p.status == "chance"))
        if any(m.value is not None for of_model in marks.values() for m in of_model):
            charts.append(curves.cost(place(task.data, task.arm), words, metric_label(task), marks))
    return charts
