"""A study as a wandb workspace, defined in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.figures.palette import styles
from src.runs.study_record import LogUniform, PlanRecord

PHASES = ("final", "repeat", "trial")
RUNS = 100  # largest number in a panel
WIDE = 10.0  # ratio of highest to lowest value of a setting above which its axis is logarithmic
ALONG = (("val", "epoch", "epochs"), ("val", "seconds", "time"), ("train", "epoch", "epochs"))
COSTS = {"parameters/effective": "effective parameters", "seconds": "seconds of training"}


def build_workspace(plan: PlanRecord, data: Sequence[str], project: str = "gatebench") -> Any:
    """Build a workspace: learning curves by model, parallel coordinates of settings and size, quality against cost.

    Runs of a study have the wandb group ``STUDY/DATA``, the job type ``trial``, ``repeat`` or ``final``, and the model
    as ``study_job.model`` in their config. The workspace groups runs in that order, so that a line in a panel is the
    mean of one model's runs on one data set with their range. Trials have no test metric, and so are missing from the
    cost panels.

    Args:
        plan: the study's plan.
        data: the data sets to show.
        project: wandb project.

    Returns:
        An unsaved ``wandb_workspaces.workspaces.Workspace`` with an empty ``entity``.

    Raises:
        ImportError: wandb-workspaces is not installed.
    """
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as spaces
    from wandb_workspaces.expr import And

    metrics = [(plan.primary and plan.primary.metric_of(name)) or "test/loss" for name in data]
    names = list(dict.fromkeys(metric.partition("/")[2] or metric for metric in metrics))
    tuned = tuned_of(plan)
    shown = {
        "Learning curves": [_curve(panels, name, *along) for name in names for along in ALONG],
        "Tuning": [panel for name in names for panel in _tuning(panels, name, tuned)],
        "Quality against cost": [
            _scatter(panels, f"test/{name}", panels.SummaryMetric(column), words)
            for name in names
            for column, words in COSTS.items()
        ],
    }
    groups = [f"{plan.name}/{name}" for name in data]
    colours: dict[object, object] = {
        spaces.GroupPath(group, phase, model): look.colour
        for group in groups
        for phase in PHASES
        for model, look in styles(list(plan.models)).items()
    }
    return spaces.Workspace(
        entity="",
        project=project,
        name=plan.name,
        sections=[spaces.Section(name=name, panels=of, is_open=True) for name, of in shown.items()],
        settings=spaces.WorkspaceSettings(x_axis="epoch", max_runs=RUNS),
        runset_settings=spaces.RunsetSettings(
            filters=And(spaces.Metric("Group").isin(groups)),
            groupby=[spaces.Metric("Group"), spaces.Metric("JobType"), spaces.Config("study_job.model")],
            group_colors=colours,
        ),
    )


def _curve(panels: Any, name: str, split: str, column: str, along: str) -> Any:
    return panels.LinePlot(
        title=f"{split}/{name} against {along}",
        x=column,
        y=[f"{split}/{name}"],
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=RUNS,
    )


def _scatter(panels: Any, metric: str, x: Any, words: str, **more: Any) -> Any:
    return panels.ScatterPlot(title=f"{metric} against {words}", x=x, y=panels.SummaryMetric(metric), **more)


def _tuning(panels: Any, name: str, tuned: Mapping[str, bool]) -> list[Any]:
    """Return parallel coordinates from settings and size to validation, and validation against each setting."""
    column = panels.ParallelCoordinatesPlotColumn
    columns = [column(panels.Config(key), log=log) for key, log in tuned.items()]
    columns += [
        column(panels.Config("model.hidden_size"), display_name="hidden size"),
        column(panels.SummaryMetric("parameters/effective"), display_name="effective parameters"),
        column(panels.SummaryMetric(f"val/{name}")),
    ]
    whole = panels.ParallelCoordinatesPlot(title=f"val/{name} by settings and size", columns=columns)
    single = [_scatter(panels, f"val/{name}", panels.Config(key), key, log_x=log) for key, log in tuned.items()]
    return [whole, *single]


def tuned_of(plan: PlanRecord) -> dict[str, bool]:
    """Return the settings that a plan tunes (by default the learning rate), and whether each has a log scale."""
    return {key: _is_wide(draw) for key, draw in plan.tuned.items()} or {"optimizer.lr": True}


def _is_wide(draw: LogUniform | list[Any]) -> bool:
    ends = [draw.low, draw.high] if isinstance(draw, LogUniform) else draw
    numbers = [float(v) for v in ends if isinstance(v, int | float)]
    return len(numbers) > 1 and min(numbers) > 0 and max(numbers) / min(numbers) >= WIDE
