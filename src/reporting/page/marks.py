"""One run in a figure: its position, and its hover text."""

from __future__ import annotations

from src.analysis.models import Point
from src.analysis.run import Run
from src.analysis.task import Task
from src.figures.marks import Mark
from src.reporting.page.words import number, settings

NO_BETTER = "no better than the trivial baseline"


def hover(run: Run, value: float | None, metric: str) -> str:
    """Return a run's hover text: id, seed, tuned values, result."""
    lines = [f"{run.model}, seed {run.seed}", f"run {run.id}"]
    if run.values:
        lines.append(settings(run.values))
    lines.append(f"{metric} {number(value)}" if value is not None else run.status)
    return "\n".join(lines)


def metric_label(task: Task) -> str:
    """Return a task's metric with its unit and better direction."""
    better = "smaller is better" if task.mode == "min" else "larger is better"
    return f"{task.metric} ({', '.join(filter(None, [task.unit, better]))})"


def run_mark(task: Task, model: str, point: Point, runs: dict[str, Run]) -> Mark:
    """Return the mark of a point; a run at chance level is hollow, and may be off the axis."""
    run = runs.get(point.run)
    text = hover(run, point.value, task.metric) if run else f"{model}, seed {point.seed}\n{number(point.value)}"
    chance = point.status == "chance"
    if chance:
        text += f"\n{NO_BETTER}"
    elif point.status != "finished" and not text.endswith(point.status):
        text += f"\n{point.status}"
    return Mark(point.value, text, hollow=chance, outlier=chance)
