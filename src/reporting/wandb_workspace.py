"""A study as a workspace of Weights & Biases: what its pages show, as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.figures.palette import styles
from src.runs.study_record import LogUniform, PlanRecord

PHASES = ("final", "repeat", "trial")
RUNS = 100  # that a panel shows at most
WIDE = 10.0  # highest over lowest value of a setting from which its axis is logarithmic


def build_workspace(
    study: str,
    metrics: Mapping[str, str],
    models: Sequence[str],
    tuned: Mapping[str, bool],
    project: str = "gatebench",
) -> Any:
    """Learning curves grouped by model, parallel coordinates over settings and size, quality against cost.

    Runs of a study have the wandb group ``STUDY/DATA``, the job type ``trial``, ``repeat`` or ``final``, and the model
    under ``study_job.model`` of their config: the workspace groups its runs in that order, so that a line in a panel is
    the mean of one model's runs on one data set with their range. Trials have no test metric, and so no point among
    the costs.

    Args:
        study: its name.
        metrics: by data set, the metric on test that the study compares, e.g. ``test/nll``.
        models: names, for the colours.
        tuned: dotted keys of the tuned settings, and whether they are on a logarithmic scale.
        project: wandb project.

    Returns:
        A ``wandb_workspaces.workspaces.Workspace`` of nobody yet (its ``entity`` is empty), nowhere saved.

    Raises:
        ImportError: wandb-workspaces is not installed.
    """
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as spaces
    from wandb_workspaces.expr import And

    names = list(dict.fromkeys(metric.partition("/")[2] or metric for metric in metrics.values()))
    sections = [
        spaces.Section(
            name="Learning curves",
            panels=[
                panels.LinePlot(
                    title=f"{split}/{name} against {along}",
                    x=column,
                    y=[f"{split}/{name}"],
                    groupby_aggfunc="mean",
                    groupby_rangefunc="minmax",
                    max_runs_to_show=RUNS,
                )
                for name in names
                for split, column, along in (("val", "epoch", "epochs"), ("val", "seconds", "time"), _TRAINING)
            ],
            is_open=True,
        ),
        spaces.Section(
            name="Tuning",
            panels=[panel for name in names for panel in _tuning(panels, name, tuned)],
            is_open=True,
        ),
        spaces.Section(
            name="Quality against cost",
            panels=[
                panels.ScatterPlot(
                    title=f"test/{name} against {words}",
                    x=panels.SummaryMetric(column),
                    y=panels.SummaryMetric(f"test/{name}"),
                )
                for name in names
                for column, words in (
                    ("parameters/effective", "effective parameters"),
                    ("seconds", "seconds of training"),
                )
            ],
            is_open=True,
        ),
    ]
    colours: dict[object, object] = {
        spaces.GroupPath(f"{study}/{data}", phase, model): look.colour
        for data in metrics
        for phase in PHASES
        for model, look in styles(models).items()
    }
    return spaces.Workspace(
        entity="",
        project=project,
        name=study,
        sections=sections,
        settings=spaces.WorkspaceSettings(x_axis="epoch", max_runs=RUNS),
        runset_settings=spaces.RunsetSettings(
            filters=And(spaces.Metric("Group").isin([f"{study}/{data}" for data in metrics])),
            groupby=[spaces.Metric("Group"), spaces.Metric("JobType"), spaces.Config("study_job.model")],
            group_colors=colours,
        ),
    )


_TRAINING = ("train", "epoch", "epochs")


def _tuning(panels: Any, name: str, tuned: Mapping[str, bool]) -> list[Any]:
    """Parallel coordinates from the settings over the size to validation, and validation against each setting."""
    column = panels.ParallelCoordinatesPlotColumn
    settings = [column(panels.Config(key), log=log) for key, log in tuned.items()]
    sizes = [
        column(panels.Config("model.hidden_size"), display_name="hidden size"),
        column(panels.SummaryMetric("parameters/effective"), display_name="effective parameters"),
    ]
    quality = column(panels.SummaryMetric(f"val/{name}"))
    whole = panels.ParallelCoordinatesPlot(
        title=f"val/{name} by settings and size", columns=[*settings, *sizes, quality]
    )
    single = [
        panels.ScatterPlot(
            title=f"val/{name} against {key}", x=panels.Config(key), y=panels.SummaryMetric(f"val/{name}"), log_x=log
        )
        for key, log in tuned.items()
    ]
    return [whole, *single]


def metrics_of(plan: PlanRecord) -> dict[str, str]:
    """By data set of a plan, the metric that it compares; ``test/loss`` where it names none."""
    return {data: (plan.primary and plan.primary.metric_of(data)) or "test/loss" for data in plan.data}


def tuned_of(plan: PlanRecord) -> dict[str, bool]:
    """The settings that a plan tunes (the learning rate where it tunes none), and whether their scale is logarithmic.

    >>> from src.runs.study_record import TuningRecord
    >>> draws = {"optimizer.lr": LogUniform(1e-4, 3e-2, 5), "task.dropout": [0, 0.2]}
    >>> tuned_of(PlanRecord("smoke", tuning=TuningRecord(draws)))
    {'optimizer.lr': True, 'task.dropout': False}
    """
    return {key: _is_wide(draw) for key, draw in plan.tuned.items()} or {"optimizer.lr": True}


def _is_wide(draw: list[Any] | LogUniform) -> bool:
    ends = [draw.low, draw.high] if isinstance(draw, LogUniform) else draw
    numbers = [float(v) for v in ends if isinstance(v, int | float)]
    return len(numbers) > 1 and min(numbers) > 0 and max(numbers) / min(numbers) >= WIDE
