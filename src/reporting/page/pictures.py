"""A summary as charts, by kind; this file makes those of the verdicts (every run, the paired differences)."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.analysis.across import Across
from src.analysis.run import Run
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.figures import comparison, curves
from src.figures.chart import Chart
from src.figures.comparison import Published, Row
from src.figures.marks import Mark
from src.figures.ranks import ranks
from src.reporting.page.along import along_axes
from src.reporting.page.marks import NO_BETTER, metric_label, run_mark
from src.reporting.page.training import Table, costs, learning_charts, tuning_charts
from src.reporting.page.words import number, place, settings


@dataclass(frozen=True)
class Pictures:
    """Charts and tables of one kind, one or more for each task; ``pictures.html`` has the words above them."""

    key: str  # file name
    charts: list[Chart]  # in the order of the tasks
    tables: list[Table] = field(default_factory=list)  # above the charts


def pictures(summary: Summary) -> list[Pictures]:
    """Return every kind of figure for which the summary has data."""
    runs = {run.id: run for run in summary.runs}
    tasks = summary.tasks
    arms = len({task.arm for task in tasks})
    units = {task.data: (task.metric.rpartition("/")[2], task.unit) for task in tasks}
    charts = {
        "points": [_points(task, runs) for task in tasks if any(m.points for m in task.models)],
        "differences": [_differences(task, runs) for task in tasks if any(c.n for c in task.comparisons)],
        "learning": [chart for task in tasks for chart in learning_charts(task, summary.curves, runs)],
        "tuning": [
            chart for tuning in summary.tuning for chart in tuning_charts(tuning, runs, units, name_arm=arms > 1)
        ],
        "lengths": along_axes(summary),
        "across": _together(summary.across),
    }
    kinds = [Pictures(key, of) for key, of in charts.items()]
    cost, tables = costs(tasks, runs)
    kinds.insert(4, Pictures("cost", cost, tables=tables))
    return [kind for kind in kinds if kind.charts or kind.tables]


def model_names(summary: Summary) -> set[str]:
    """Return every model in a figure, so that all figures share one set of styles."""
    return {m.model for task in summary.tasks for m in task.models} | {run.model for run in summary.runs}


def _points(task: Task, runs: dict[str, Run]) -> Chart:
    """Chart every final run of a task, with published results and trivial baselines."""
    return comparison.points(
        place(task.data, task.arm),
        metric_label(task),
        {m.model: [run_mark(task, m.model, p, runs) for p in m.points] for m in task.models},
        {m.model: (m.mean, m.interval.low, m.interval.high) for m in task.models if m.mean is not None and m.interval},
        task.mode == "min",
        task.baselines,
        [Published(r.model, r.value, r.source, r.state == "confirmed", r.note or "") for r in task.references],
    )


def _differences(task: Task, runs: dict[str, Run]) -> Chart:
    """Chart the paired differences of a task, with the margin."""
    return comparison.differences(
        place(task.data, task.arm),
        task.unit or task.metric,
        [_row(task, c, runs) for c in task.comparisons if c.n],
        task.margin,
    )


def _row(task: Task, c: Comparison, runs: dict[str, Run]) -> Row:
    at_chance = {p.run for m in task.models for p in m.points if p.status == "chance"}
    marks = []
    for pair in c.pairs:
        words = [f"{c.a} vs {c.b}, seed {pair.seed}"]
        if pair.difference is not None:
            words.append(f"{c.a} better by {number(pair.difference, signed=True)}")
        for name, value, run_id in ((c.a, pair.a, pair.run_a), (c.b, pair.b, pair.run_b)):
            run = runs.get(run_id or "")
            tuned = f", {settings(run.values)}" if run and run.values else ""
            words.append(f"{name} {number(value)}: run {run_id}{tuned}")
        chance = {pair.run_a, pair.run_b} & at_chance
        if chance:
            words.append(f"a run of the pair is {NO_BETTER}")
        marks.append(Mark(pair.difference, "\n".join(words), hollow=bool(chance), outlier=bool(chance)))
    intervals = [i for i in (c.interval, None if c.provisional else c.sequences) if i]
    named = [(f"{100 * i.level:.4g} % by {i.method}", i.low, i.high) for i in intervals]
    return Row(c.a, c.b, marks, c.mean, named, c.primary)


def _together(across: Across | None) -> list[Chart]:
    charts = []
    if across and across.ranks:
        joined = "; joined: no significant difference" if across.alike else ""
        charts.append(ranks(f"Mean ranks{joined}", across.ranks, across.alike))
    label = "score: trivial 0, best 1"
    if across and across.iqm:
        means = {n: (v["value"], v["interval"].low, v["interval"].high) for n, v in across.iqm.items()}
        charts.append(curves.scores("Interquartile mean of the scores", label, means))
    if across and across.profile:
        charts.append(curves.profile("Performance profiles", label, across.thresholds, across.profile))
    return charts
