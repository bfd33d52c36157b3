"""One model on one task: its results by run, their summary statistics, and its costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from src.analysis.flags import Flag, Weight
from src.analysis.metrics import base
from src.analysis.run import Run
from src.runs.result import Status
from src.statistics.datasets import interquartile_mean
from src.statistics.intervals import Interval, t_interval, within
from src.tasks.metrics import Direction, possible

PointStatus = Literal[Status, "chance"]  # chance: finished, but no better than the best trivial baseline
AT_END: tuple[PointStatus, ...] = ("finished", "chance", "diverged")
COSTS = ("seconds", "seconds_to_best", "seconds_per_epoch", "epochs", "updates")


@dataclass(frozen=True)
class Point:
    """One run's result on the task's metric."""

    seed: int  # of the run
    value: float | None  # of the metric; None if the run has none (diverged, failed, unfinished)
    run: str  # its id
    status: PointStatus  # how it ended
    seconds: float | None = None  # of the whole run; None if unknown
    # whether its test loss is below a tenth of the best trivial baseline's; None without a baseline, or for a run
    # that has not finished
    solved: bool | None = None
    split: int | None = None  # ``data.split_seed`` of the run, in studies over several splits


@dataclass(frozen=True)
class Model:
    """One model on one task: every result, summary statistics and costs."""

    model: str  # its name
    points: list[Point]  # one for each final run, by seed
    n: int = 0  # number of points with a value
    mean: float | None = None  # mean, sd, median, iqm: over those; sd with n - 1, iqm is the interquartile mean
    sd: float | None = None
    median: float | None = None
    iqm: float | None = None
    interval: Interval | None = None  # 95 % t interval of the mean, see :func:`sum_up`; None over several splits
    diverged: int = (
        0  # diverged, chance, failed, unfinished: numbers of runs; unfinished ones are running or interrupted
    )
    chance: int = 0
    failed: int = 0
    unfinished: int = 0
    # fraction of finished and diverged runs that solved the task (:meth:`~src.runs.result.RunResult.solved`)
    solve_rate: float | None = None
    # median updates and seconds of training until a task counts as solved, with unsolved runs counted as infinite
    # (:mod:`src.analysis.solving`); None if fewer than half have solved it, or if unknown
    updates_to_solve: int | None = None
    seconds_to_solve: float | None = None
    values: dict[str, Any] = field(default_factory=dict)  # the tuned settings of its final runs
    hidden_size: int | list[int] | None = None  # its width
    parameters: dict[str, int] = field(default_factory=dict)  # of its first run: recurrent, effective, total
    # medians over its finished runs: :data:`COSTS` and ``peak_rss_mb``
    cost: dict[str, float | None] = field(default_factory=dict)
    shared: int = 0  # number of timings from a machine in use by other processes
    backends: dict[str, int] = field(default_factory=dict)  # kernels used, with the number of runs
    last_epoch: int = 0  # number of runs whose last epoch was the best
    stop_reasons: dict[str, int] = field(default_factory=dict)  # why its finished runs ended, where recorded


def finals(runs: Iterable[Run]) -> list[Run]:
    """Return the runs to compare: the final ones of a study, or every run outside a study."""
    return [run for run in runs if run.phase in ("final", None)]


def baselines_on(runs: Iterable[Run], metric: str) -> dict[str, float]:
    """Return the results of trivial predictors on a metric by name, averaged if each seed has its own test set."""
    reached: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.baselines.items():
            kind, _, of = name.rpartition("/")
            if of == base(metric) and math.isfinite(value):
                reached.setdefault(kind, []).append(value)
    return {kind: values[0] if len(set(values)) == 1 else float(np.mean(values)) for kind, values in reached.items()}


def point(run: Run, metric: str, mode: Direction) -> Point | None:
    """Return a run's point, or None for a finished run that was not tested on this metric.

    A value that is not finite counts as diverged; one that is no better than the best trivial predictor on the
    run's test set gets the status ``chance``.
    """
    seconds, solved = run.took or None, run.solved()
    if run.status != "finished":
        return Point(run.seed, None, run.id, run.status, seconds, solved)
    value = run.metrics.get(metric)
    if value is None:
        return None
    if not math.isfinite(value):
        return Point(run.seed, None, run.id, "diverged", seconds, solved)
    sign = -1.0 if mode == "min" else 1.0
    trivial = max((sign * reached for reached in baselines_on([run], metric).values()), default=-math.inf)
    status: PointStatus = "finished" if sign * value > trivial else "chance"
    return Point(run.seed, value, run.id, status, seconds, solved)


def points_of(
    runs: Sequence[Run], metric: str, mode: Direction, splits: bool = False
) -> tuple[list[Point], list[Flag], list[str]]:
    """Return one point per seed for one model on one task, with a flag where two runs claim a seed.

    With ``splits`` there is one for each seed on each split.

    Repeats of the same run (equal identities) count once. Two finished runs with the same seed but different
    settings do not count at all, because it is unclear which was meant.

    Returns:
        The points by seed; flags; ids of finished runs without the metric.
    """
    points: list[Point] = []
    flags: list[Flag] = []
    untested: list[str] = []
    by_seed: dict[tuple[int, int], list[tuple[Run, Point]]] = {}
    for run in runs:
        if (here := point(run, metric, mode)) is None:
            untested.append(run.id)
        else:
            split = run.data.split_seed if splits else None
            by_seed.setdefault((split or 0, run.seed), []).append((run, replace(here, split=split)))
    for (_, seed), every in sorted(by_seed.items()):
        claims = [claim for claim in every if claim[1].status in AT_END] or every
        claims.sort(key=lambda claim: (claim[1].status == "diverged", claim[0].started or 0.0, claim[0].id))
        if len({run.identity or run.id for run, _ in claims}) == 1 or claims[0][1].status not in AT_END:
            points.append(claims[0][1])
        if len(every) > 1:
            flags.append(_conflict(seed, [run for run, _ in every], claims))
    return points, flags, untested


def _conflict(seed: int, every: Sequence[Run], claims: Sequence[tuple[Run, Point]]) -> Flag:
    first, ids = every[0], [run.id for run in every]
    words = f"{first.model} on {first.data_name}, seed {seed}, was started {len(every)} times"
    weight: Weight = "note"
    if claims[0][1].status in AT_END and len({run.identity or run.id for run, _ in claims}) > 1:
        words += f", and {len(claims)} runs with different settings finished: none of them is used"
        weight = "serious"
    elif len({p.value for _, p in claims if p.value is not None}) > 1:
        words, weight = words + ", and the same settings gave different results: the first one is used", "serious"
    else:
        words += "; one of them is used"
    return Flag("conflict", weight, words + f" ({', '.join(ids)}).", first.data_name, first.arm, [first.model], ids)


def sum_up(name: str, runs: Sequence[Run], points: list[Point], metric: str = "") -> Model:
    """Compute mean, standard deviation, median, interquartile mean, t interval and costs of a model on one task.

    The interval is cut to the range of the ``metric``, unless a value lies outside it (an accuracy in percent).
    """
    values = np.array([p.value for p in points if p.value is not None], dtype=float)
    status = Counter(p.status for p in points)
    low, high = possible(base(metric))
    interval = None if any(p.split is not None for p in points) else t_interval(values)
    if all(low <= value <= high for value in values):
        interval = within(interval, low, high)
    solved = [p.solved for p in points if p.solved is not None]
    timed = [run for run in runs if run.status == "finished"]
    first = timed[0] if timed else runs[0] if runs else None
    costs: dict[str, float | None] = {key: _median(getattr(run.timed, key, None) for run in timed) for key in COSTS}
    return Model(
        model=name,
        points=points,
        n=len(values),
        mean=float(values.mean()) if len(values) else None,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        median=float(np.median(values)) if len(values) else None,
        iqm=interquartile_mean(values) if len(values) else None,
        interval=interval,
        diverged=status["diverged"],
        chance=status["chance"],
        failed=status["failed"],
        unfinished=status["interrupted"] + status["running"],
        solve_rate=sum(solved) / len(solved) if solved else None,
        values=dict(first.values) if first else {},
        hidden_size=first.hidden_size if first else None,
        parameters=asdict(first.parameters) if first and first.parameters else {},
        cost=costs | {"peak_rss_mb": _median(run.memory.peak_rss_mb for run in timed)},
        shared=sum(run.timing.shared is True for run in timed),
        backends=dict(Counter(run.backend.name for run in timed if run.backend)),
        last_epoch=sum(run.best is not None and run.best.is_last for run in timed),
        stop_reasons=dict(Counter(run.stop_reason for run in timed if run.stop_reason)),
    )


def _median(values: Iterable[float | None]) -> float | None:
    numbers = [v for v in values if v is not None and math.isfinite(v)]
    return float(np.median(numbers)) if numbers else None
