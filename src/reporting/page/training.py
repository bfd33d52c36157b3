"""Figures of training: learning curves, tuning, and the cost of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from src.analysis.curves import Curve
from src.analysis.run import Run
from src.analysis.task import Task
from src.analysis.tuning import Tuning
from src.figures import curves
from src.figures.chart import Chart
from src.figures.marks import Mark
from src.reporting.page.marks import hover, metric_label
from src.reporting.page.words import interval, number, place, setting, supported
from src.runs.study_record import Extension

TIME = "seconds to the best epoch"
COSTS: dict[str, Callable[[Any], float | None]] = {
    "effective parameters": lambda run: run.parameters and run.parameters.effective,
    TIME: lambda run: run.timing.seconds_to_best if alone(run) else None,
    # Of a CPU only the size of the whole process is on record, most of which is Python and PyTorch.
    "peak memory on the GPU (MB)": lambda run: run.memory.peak_gpu_mb,
}
FEW = 3  # costs, at most, of which a table says more than a picture


@dataclass(frozen=True)
class Table:
    """A table in place of a picture."""

    caption: str
    columns: list[str]
    rows: list[list[str | float | None]]


def alone(run: Run) -> bool:
    """Return whether the run had its machine to itself, as far as is known."""
    return run.timing.shared is not True


def learning_charts(task: Task, recorded: dict[str, Curve], runs: dict[str, Run]) -> list[Chart]:
    """Chart the learning curves of a task's final runs, against epochs and against time.

    They show the task's metric on validation, or else the metric that the runs monitored.
    """
    name = task.metric.partition("/")[2] or task.metric
    shown = f"val/{name}"
    drawn = _drawn(task, recorded, runs)
    if not any(shown in c.columns for pairs in drawn.values() for c, _ in pairs):
        monitors = [r.best.monitor for r in runs.values() if r.data_name == task.data and r.best]
        columns = [c for pairs in drawn.values() for curve, _ in pairs for c in curve.columns]
        shown = next((c for c in [*monitors, *columns] if c in columns), "")
    if not shown:
        return []
    name = shown.partition("/")[2]
    unit = f" ({task.unit})" if task.unit and task.metric.endswith(f"/{name}") else ""
    where, charts = place(task.data, task.arm), []
    lines = {model: _series(pairs, "epoch", shown) for model, pairs in drawn.items()}
    taught = {model: _series(pairs, "epoch", f"train/{name}") for model, pairs in drawn.items()}
    if any(lines.values()):
        label = f"{shown}{' and ' + f'train/{name}' if any(taught.values()) else ''}{unit}"
        charts.append(curves.learning(f"{where}, against epochs", "epoch", label, lines, taught))
    quiet = _drawn(task, recorded, {key: run for key, run in runs.items() if alone(run)})
    timed = {model: _series(pairs, "seconds", shown) for model, pairs in quiet.items()}
    if any(timed.values()) and all(timed[model] for model, of in lines.items() if of):  # else nothing is compared
        charts.append(curves.learning(f"{where}, against time", "seconds of training", f"{shown}{unit}", timed))
    return charts


def _drawn(task: Task, recorded: dict[str, Curve], runs: dict[str, Run]) -> dict[str, list[tuple[Curve, str]]]:
    """By model, the curves of those of a task's points that are among the runs, with what hovering shows."""
    return {
        m.model: [
            (recorded[p.run], hover(runs[p.run], p.value, task.metric))
            for p in m.points
            if p.run in recorded and p.run in runs
        ]
        for m in task.models
    }


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


def tuning_charts(
    tuning: Tuning, runs: dict[str, Run], units: Mapping[str, tuple[str, str]], name_arm: bool
) -> list[Chart]:
    """Chart validation against every tuned setting.

    Args:
        tuning: of one data set.
        runs: by id.
        units: by data set: the name of a metric, without its split, and its unit.
        name_arm: whether the title names the arm.
    """
    name, unit = units.get(tuning.data, ("", ""))
    metric = tuning.metric or "validation"
    label = f"{metric} ({unit})" if unit and metric.rpartition("/")[2] == name else metric
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
        lower_is_better = tuning.mode != "max"
        charts.append(curves.tuning(title, setting(key), label, trials, chosen, lower_is_better, added, log))
    return charts


def _added(extension: Extension) -> Iterable[tuple[float, float]]:
    """Return the intervals that an extension added to the range."""
    before, after = extension.before, extension.after
    if after[0] < before[0]:
        yield after[0], before[0]
    if after[1] > before[1]:
        yield before[1], after[1]


def costs(tasks: Iterable[Task], runs: dict[str, Run]) -> tuple[list[Chart], list[Table]]:
    """Chart quality against parameters, time and memory, as far as recorded; few different costs become a table."""
    charts, tables = [], []
    for task in tasks:
        where = place(task.data, task.arm)
        for words, of in COSTS.items():
            marks: dict[str, list[Mark]] = {}
            for m in task.models:
                for p in m.points:
                    run = runs.get(p.run)
                    if run is None or (x := of(run)) is None:
                        continue
                    text = f"{hover(run, p.value, task.metric)}\n{words}: {number(x)}"
                    marks.setdefault(m.model, []).append(Mark(p.value, text, False, float(x), p.status == "chance"))
            if not any(m.value is not None for of_model in marks.values() for m in of_model):
                continue
            if len({m.x for of_model in marks.values() for m in of_model}) > FEW:
                charts.append(curves.cost(where, words, metric_label(task), marks))
                continue
            each = [(name, sorted({m.x for m in of_model})) for name, of_model in marks.items()]
            means = {m.model: (m.mean, m.interval) for m in task.models}
            rows: list[list[str | float | None]] = [
                [
                    name,
                    " or ".join(number(int(x) if x.is_integer() else x) for x in at),
                    supported(*means[name]),
                    interval(means[name][1], signed=False),
                ]
                for name, at in each
            ]
            columns = ["model", words, "mean", "95 % interval"]
            tables.append(Table(f"{where}: {words} and {metric_label(task)}.", columns, rows))
    return charts, tables
