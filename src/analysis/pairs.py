"""The runs of two models on one task, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.analysis.models import Point
from src.tasks.metrics import Direction

PairState = Literal["complete", "a diverged", "b diverged", "both diverged", "missing"]


@dataclass(frozen=True)
class Pair:
    """Two runs with the same data, arm and seed."""

    seed: int  # of both
    a: float | None  # a, b: their values; None if a run has none
    b: float | None
    difference: float | None  # advantage of A; None unless both have a value
    run_a: str | None  # run_a, run_b: ids; None if there is no run
    run_b: str | None
    state: PairState  # ``missing``: a run failed, is unfinished or was never started, or two runs claim its seed
    seconds: float | None = None  # of both runs together; None if unknown
    split: int | None = None  # of both, in studies over several splits


def make_pairs(a: Sequence[Point], b: Sequence[Point], mode: Direction) -> list[Pair]:
    """Pair runs by split and seed, with one pair for every seed of either model, in order."""
    of_a, of_b = ({(-1 if p.split is None else p.split, p.seed): p for p in points} for points in (a, b))
    return [_pair(key[1], of_a.get(key), of_b.get(key), mode) for key in sorted(of_a.keys() | of_b.keys())]


def _pair(seed: int, a: Point | None, b: Point | None, mode: Direction) -> Pair:
    values = [p.value if p is not None else None for p in (a, b)]
    diverged = [p is not None and p.status == "diverged" for p in (a, b)]
    difference = None
    state: PairState = "missing"
    if values[0] is not None and values[1] is not None:
        state = "complete"
        difference = values[1] - values[0] if mode == "min" else values[0] - values[1]
    elif all(diverged):
        state = "both diverged"
    elif diverged[0] and values[1] is not None:
        state = "a diverged"
    elif diverged[1] and values[0] is not None:
        state = "b diverged"
    return Pair(
        seed=seed,
        a=values[0],
        b=values[1],
        difference=difference,
        run_a=a.run if a is not None else None,
        run_b=b.run if b is not None else None,
        state=state,
        seconds=a.seconds + b.seconds if a and b and a.seconds is not None and b.seconds is not None else None,
        split=next((p.split for p in (a, b) if p is not None), None),
    )


def differences_of(pairs: Sequence[Pair]) -> np.ndarray:
    """Return the differences of the complete pairs, in the order of the seeds."""
    return np.array([pair.difference for pair in pairs if pair.difference is not None], dtype=float)


def values_of(pairs: Sequence[Pair]) -> np.ndarray:
    """Return the values of A and B in the complete pairs, (2, pairs)."""
    return np.array([(pair.a, pair.b) for pair in pairs if pair.state == "complete"], dtype=float).reshape(-1, 2).T


def lost_of(pairs: Sequence[Pair]) -> tuple[int, int]:
    """Return the numbers of diverged runs of A and B in pairs whose other run finished."""
    return (
        sum(pair.state in ("a diverged", "both diverged") for pair in pairs),
        sum(pair.state in ("b diverged", "both diverged") for pair in pairs),
    )


def ranked_of(pairs: Sequence[Pair]) -> np.ndarray:
    """Return the differences for ranking: a diverged run is worse than any other, two diverged runs tie."""
    complete = differences_of(pairs)
    worst = 1.0 + 2 * float(np.abs(complete).max(initial=0.0))
    at_end: dict[PairState, float] = {"a diverged": -worst, "b diverged": worst, "both diverged": 0.0}
    ranked = [at_end.get(pair.state, pair.difference) for pair in pairs if pair.state != "missing"]
    return np.array(ranked, dtype=float)


def largest_of(pairs: Sequence[Pair]) -> float:
    """Return the largest absolute value in the pairs."""
    return max((abs(value) for pair in pairs for value in (pair.a, pair.b) if value is not None), default=0.0)
