"""One model on one task: its raw points, what sums them up, and what they cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from src.analysis.metrics import base
from src.analysis.summary import Flag, Model, Point, Run
from src.statistics.intervals import t_interval

ENDED = ("finished", "chance", "diverged")  # of a point
COSTS = ("seconds", "seconds_to_best", "seconds_per_epoch", "epochs", "updates")


def finals(runs: Iterable[Run]) -> list[Run]:
    """The runs that are compared: a study's final ones, and every run outside a study."""
    return [run for run in runs if run.phase in ("final", None)]


def baselines_on(runs: Iterable[Run], metric: str) -> dict[str, float]:
    """What trivial predictors reach on a metric, by their names, from the runs' records.

    Where each seed has test sequences of its own, the mean over the runs.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.baselines.items():
            kind, _, of = name.rpartition("/")
            if of == base(metric) and math.isfinite(value):
                found.setdefault(kind, []).append(value)
    return {kind: values[0] if len(set(values)) == 1 else float(np.mean(values)) for kind, values in found.items()}


def point(run: Run, metric: str, mode: str) -> Point | None:
    """A run's point; None for a finished run that was not tested on this metric.

    A value that is not finite counts as diverged; one that is no better than the best trivial predictor on the run's
    own test set is ``chance``.
    """
    trivial = baselines_on([run], metric).values()
    value = run.metrics.get(metric)
    if run.status != "finished":
        return Point(run.seed, None, run.id, run.status)
    if value is None:
        return None
    if not math.isfinite(value):
        return Point(run.seed, None, run.id, "diverged")
    best = (min if mode == "min" else max)(trivial, default=math.inf if mode == "min" else -math.inf)
    beaten = value < best if mode == "min" else value > best
    return Point(run.seed, value, run.id, "finished" if beaten else "chance")


def points_of(runs: Sequence[Run], metric: str, mode: str) -> tuple[list[Point], list[Flag], list[str]]:
    """One point for each seed of one model on one task, with a flag where two runs claim a seed.

    The same run made twice (equal identities) counts once. Two runs with one seed and different settings that came to
    an end do not count at all: nothing says which of them was meant.

    Returns:
        The points by seed; flags; ids of finished runs without the metric.
    """
    points: list[Point] = []
    flags: list[Flag] = []
    untested: list[str] = []
    by_seed: dict[int, list[tuple[Run, Point]]] = {}
    for run in runs:
        found = point(run, metric, mode)
        if found is None:
            untested.append(run.id)
        else:
            by_seed.setdefault(run.seed, []).append((run, found))
    for seed, every in sorted(by_seed.items()):
        claims = [claim for claim in every if claim[1].status in ENDED] or every
        claims.sort(key=lambda claim: (claim[1].status == "diverged", claim[0].started or 0.0, claim[0].id))
        if len({run.identity or run.id for run, _ in claims}) == 1 or claims[0][1].status not in ENDED:
            points.append(claims[0][1])
        if len(every) > 1:
            flags.append(_conflict(seed, [run for run, _ in every], claims))
    return points, flags, untested


def _conflict(seed: int, every: Sequence[Run], claims: Sequence[tuple[Run, Point]]) -> Flag:
    first, ids = every[0], [run.id for run in every]
    words, weight = f"{first.model} on {first.data}, seed {seed}, was begun {len(every)} times", "note"
    if claims[0][1].status in ENDED and len({run.identity or run.id for run, _ in claims}) > 1:
        words += f", and {len(claims)} runs with different settings came to an end: none of them counts"
        weight = "serious"
    elif len({p.value for _, p in claims if p.value is not None}) > 1:
        words, weight = words + ", and the same settings gave different results: the first counts", "serious"
    else:
        words += "; one of them counts"
    return Flag("conflict", weight, words + f" ({', '.join(ids)}).", first.data, first.arm, [first.model], ids)


def sum_up(name: str, runs: Sequence[Run], points: list[Point], trivial: Sequence[float]) -> Model:
    """Mean, standard deviation and median (numpy), interquartile mean (scipy.stats.trim_mean), t interval, and costs.

    Args:
        name: of the model.
        runs: its final runs on the task.
        points: of :func:`points_of`.
        trivial: values of the trivial predictors; a solve rate needs one.
    """
    values = np.array([p.value for p in points if p.value is not None], dtype=float)
    status = Counter(p.status for p in points)
    ended = len(values) + status["diverged"]
    timed = [run for run in runs if run.status == "finished"]
    first = timed[0] if timed else runs[0] if runs else None
    costs: dict[str, float | None] = {key: _median(run.timing.get(key) for run in timed) for key in COSTS}
    return Model(
        model=name,
        points=points,
        n=len(values),
        mean=float(values.mean()) if len(values) else None,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        median=float(np.median(values)) if len(values) else None,
        iqm=interquartile_mean(values) if len(values) else None,
        interval=t_interval(values),
        diverged=status["diverged"],
        chance=status["chance"],
        failed=status["failed"],
        unfinished=status["interrupted"] + status["running"],
        solve_rate=status["finished"] / ended if trivial and ended else None,
        values=dict(first.values) if first else {},
        hidden_size=first.hidden_size if first else None,
        parameters=dict(first.parameters) if first else {},
        cost=costs | {"peak_rss_mb": _median(run.memory.get("peak_rss_mb") for run in timed)},
        shared=sum(run.timing.get("shared") is True for run in timed),
        backends=dict(Counter(str(run.backend["name"]) for run in timed if run.backend.get("name"))),
        last_epoch=sum(run.best.get("is_last") is True for run in timed),
    )


def interquartile_mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of the middle half (scipy.stats.trim_mean with 0.25, as in rliable's aggregate_iqm).

    >>> interquartile_mean([0.0, 1.0, 2.0, 9.0])
    1.5
    """
    from scipy import stats

    return float(stats.trim_mean(np.asarray(values, dtype=float), 0.25, axis=None))


def _median(values: Iterable[Any]) -> float | None:
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return float(np.median(numbers)) if numbers else None
