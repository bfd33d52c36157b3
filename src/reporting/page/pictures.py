"""A summary as charts, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass

from src.analysis.across import Across
from src.analysis.summary import Summary
from src.analysis.task import Task
from src.figures import curves
from src.figures.chart import Chart
from src.reporting.page.along import along_axes
from src.reporting.page.answers import difference_chart, point_chart
from src.reporting.page.training import cost_charts, learning_charts, tuning_charts


@dataclass(frozen=True)
class Pictures:
    """Charts of one kind, one or more for each task."""

    key: str  # the name of their file
    heading: str  # above them
    words: str  # how to read them
    charts: list[Chart]  # in the order of the tasks
    columns: int = 2  # side by side in the file


def pictures(summary: Summary) -> list[Pictures]:
    """Every kind of picture that the summary has something for."""
    runs = {run.id: run for run in summary.runs}
    tasks = summary.tasks
    arms = len({task.arm for task in tasks})
    kinds = [
        Pictures(
            "points",
            "Every run",
            _how_to_read_points(tasks),
            [point_chart(task, runs) for task in tasks if any(m.points for m in task.models)],
        ),
        Pictures(
            "differences",
            "Paired differences",
            _how_to_read_differences(tasks, summary.kind == "table"),
            [difference_chart(task, runs) for task in tasks if any(c.n for c in task.comparisons)],
        ),
        Pictures(
            "learning",
            "Learning curves",
            "Median over the runs with a band for the middle half of them, as far as half of the runs went; one that "
            "has ended keeps its last value. Pale lines are single runs, the line without a band is the loss on "
            "training data.",
            [chart for task in tasks for chart in learning_charts(task, summary.curves, runs)],
        ),
        Pictures(
            "tuning",
            "Tuning",
            "Every trial on validation; the line goes through the mean at each draw, small rings are repeats with "
            "other seeds, the large ring is the choice.",
            [chart for tuning in summary.tuning for chart in tuning_charts(tuning, runs, name_arm=arms > 1)],
        ),
        Pictures(
            "cost",
            "Quality against cost",
            "One point for each run, the large one is the model's median. Hollow: the machine was shared, so that the "
            "time says less.",
            [chart for task in tasks for chart in cost_charts(task, runs)],
            columns=3,
        ),
        Pictures(
            "lengths",
            "Along the study's own axis",
            "What the study varies, and nothing else with it. Lines go through the means over the runs, with their "
            "95 % intervals.",
            along_axes(summary),
        ),
        Pictures(
            "across",
            "All data sets together",
            "Scores put the best trivial baseline of a data set at 0 and the mean of its best model at 1; a diverged "
            "run has 0.",
            _together(summary.across),
        ),
    ]
    return [kind for kind in kinds if kind.charts]


def model_names(summary: Summary) -> list[str]:
    """Every model that stands in a picture, so that all of them share one set of looks."""
    return list(
        dict.fromkeys([m.model for task in summary.tasks for m in task.models] + [r.model for r in summary.runs])
    )


def _how_to_read_points(tasks: list[Task]) -> str:
    words = ["One point for each final run, beside it the mean with its 95 % interval over seeds."]
    if any(task.references for task in tasks):
        words.append("Short lines are published figures (dotted: not confirmed).")
    if any(model.chance for task in tasks for model in task.models):
        words.append("Hollow points are no better than the trivial baseline.")
    return " ".join(words)


def _how_to_read_differences(tasks: list[Task], table: bool) -> str:
    words = ["A pair shares its seed." if table else "A pair shares its seed: split, order of the batches and noise."]
    words.append("To the right of zero the first model is better. The heavy bar is the 95 % interval by t.")
    if any(c.sequences for task in tasks for c in task.comparisons):
        words.append("The thin one is over seeds and test sequences together.")
    if any(task.margin is not None for task in tasks):
        words.append("Inside the shaded margin a difference does not matter in practice.")
    return " ".join(words)


def _together(across: Across | None) -> list[Chart]:
    charts = []
    label = "score: trivial 0, best 1"
    if across and across.iqm:
        means = {n: (v["value"], v["interval"].low, v["interval"].high) for n, v in across.iqm.items()}
        charts.append(curves.scores("Interquartile mean of the scores", label, means))
    if across and across.profile:
        charts.append(curves.profile("Performance profiles", label, across.thresholds, across.profile))
    return charts
