"""Figures along a setting that a study varies, such as sequence length or size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.analysis.summary import Summary
from src.figures import curves
from src.figures.chart import Chart
from src.reporting.page.marks import metric_label
from src.reporting.page.words import setting
from src.runs.result import SOLVED_BELOW
from src.runs.study_record import PlanRecord


@dataclass(frozen=True)
class StudyAxis:
    """A numeric setting that a study varies while everything else is fixed."""

    title: str  # title of its figure
    key: str  # the setting, dotted
    at: dict[tuple[str, str], float]  # its value for each data set and arm


def axes_of(plan: PlanRecord) -> list[StudyAxis]:
    """Return the axes of a plan: among its entries for one data set, and among its arms on every data set.

    Entries of a plan (``adding_50: {data: adding, data.length: 50}``) or arms form an axis if they differ only in one
    numeric setting.
    """
    entries = {name: dict(values or {}) for name, values in plan.data.items()}
    arms = {name: dict(values or {}) for name, values in plan.arms.items()}
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for name, values in entries.items():
        kinds.setdefault(str(values.pop("data", name)), {})[name] = values
    axes = []
    for kind, settings in kinds.items():
        if axis := _one_number(settings):
            for arm in arms:
                at = {(name, arm): value for name, value in axis[1].items()}
                axes.append(StudyAxis(kind if len(arms) == 1 else f"{kind}, {arm}", axis[0], at))
    if axis := _one_number(arms):
        for name in entries:
            axes.append(StudyAxis(name, axis[0], {(name, arm): value for arm, value in axis[1].items()}))
    return axes


def _one_number(settings: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, float]] | None:
    """Return the only key in which settings differ, if all of them have a number there; else None."""
    keys = {key for values in settings.values() for key in values}
    differing = [key for key in keys if len({str(values.get(key)) for values in settings.values()}) > 1]
    if len(settings) < 2 or len(differing) != 1:
        return None
    by_name = {name: values.get(differing[0]) for name, values in settings.items()}
    numbers = {n: float(v) for n, v in by_name.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return (differing[0], numbers) if len(numbers) == len(settings) else None


def along_axes(summary: Summary) -> list[Chart]:
    """Chart the metric along every axis of the study, and the share of runs that solved the task."""
    charts = []
    for axis in axes_of(summary.plan.plan) if summary.plan and summary.plan.plan else []:
        tasks = [task for task in summary.tasks if (task.data, task.arm) in axis.at]
        if len(tasks) < 2:
            continue
        means: dict[str, list[tuple[float, float, float, float]]] = {}
        solved: dict[str, list[tuple[float, float, float, float]]] = {}
        baselines: dict[str, list[tuple[float, float]]] = {}
        for task in tasks:
            at = axis.at[task.data, task.arm]
            for m in task.models:
                if m.mean is not None:
                    ends = (m.interval.low, m.interval.high) if m.interval else (m.mean, m.mean)
                    means.setdefault(m.model, []).append((at, m.mean, *ends))
                if m.solve_rate is not None:
                    solved.setdefault(m.model, []).append((at, m.solve_rate, m.solve_rate, m.solve_rate))
            for name, value in task.baselines.items():
                baselines.setdefault(name, []).append((at, value))
        if means:
            charts.append(curves.lengths(axis.title, setting(axis.key), metric_label(tasks[0]), means, baselines))
        if solved:
            label = f"share of the runs with a test loss below {SOLVED_BELOW:g} of the trivial baseline's"
            charts.append(curves.lengths(axis.title, setting(axis.key), label, solved))
    return charts
