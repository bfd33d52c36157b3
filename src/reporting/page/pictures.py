"""A summary as charts, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass

from src.analysis.across import Across
from src.analysis.summary import Summary
from src.figures import curves
from src.figures.chart import Chart
from src.reporting.page.along import along_axes
from src.reporting.page.answers import difference_chart, point_chart
from src.reporting.page.training import cost_charts, learning_charts, tuning_charts


@dataclass(frozen=True)
class Pictures:
    """Charts of one kind, one or more for each task; ``pictures.html`` has the words above them."""

    key: str  # the name of their file
    charts: list[Chart]  # in the order of the tasks
    columns: int = 2  # side by side in the file


def pictures(summary: Summary) -> list[Pictures]:
    """Every kind of picture that the summary has something for."""
    runs = {run.id: run for run in summary.runs}
    tasks = summary.tasks
    arms = len({task.arm for task in tasks})
    charts = {
        "points": [point_chart(task, runs) for task in tasks if any(m.points for m in task.models)],
        "differences": [difference_chart(task, runs) for task in tasks if any(c.n for c in task.comparisons)],
        "learning": [chart for task in tasks for chart in learning_charts(task, summary.curves, runs)],
        "tuning": [chart for tuning in summary.tuning for chart in tuning_charts(tuning, runs, name_arm=arms > 1)],
        "cost": [chart for task in tasks for chart in cost_charts(task, runs)],
        "lengths": along_axes(summary),
        "across": _together(summary.across),
    }
    return [Pictures(key, of, columns=3 if key == "cost" else 2) for key, of in charts.items() if of]


def model_names(summary: Summary) -> list[str]:
    """Every model that stands in a picture, so that all of them share one set of looks."""
    return list(
        dict.fromkeys([m.model for task in summary.tasks for m in task.models] + [r.model for r in summary.runs])
    )


def _together(across: Across | None) -> list[Chart]:
    charts = []
    label = "score: trivial 0, best 1"
    if across and across.iqm:
        means = {n: (v["value"], v["interval"].low, v["interval"].high) for n, v in across.iqm.items()}
        charts.append(curves.scores("Interquartile mean of the scores", label, means))
    if across and across.profile:
        charts.append(curves.profile("Performance profiles", label, across.thresholds, across.profile))
    return charts
