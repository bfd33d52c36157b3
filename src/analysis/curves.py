"""Learning curves, thinned for drawing and storing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from src.runs.metrics_file import Row

POINTS = 60
DIGITS = 5  # significant digits, more than a figure shows


@dataclass(frozen=True)
class Curve:
    """A learning curve, thinned."""

    step: list[int]  # number of updates so far
    epoch: list[int | None]  # counted from 0
    seconds: list[float | None]  # of training so far
    columns: dict[str, list[float | None]]  # by metric (``train/nll``, ``val/nll``); None if the row had no value


def thinned(rows: Sequence[Row], best: int | None = None) -> Curve | None:
    """Keep at most :data:`POINTS` of a run's epochs, evenly spread, including the first, the best and the last.

    The curve has every ``train/`` and ``val/`` metric, except ``split/loss`` if the same loss is present under the
    task's own name; None if no row has any.
    """
    kept = [row for row in rows if any(name.startswith(("train/", "val/")) for name in row)]
    if not kept:
        return None
    names = list(dict.fromkeys(n for row in kept for n in row if n.startswith(("train/", "val/"))))
    own = [n for n in names if not n.endswith("/loss")]
    names = [n for n in names if not n.endswith("/loss") or not any(o.startswith(n[:-4]) for o in own)]
    last = len(kept) - 1
    places = {round(i * last / (POINTS - 1)) for i in range(POINTS)} if last >= POINTS else set(range(last + 1))
    places |= {i for i, row in enumerate(kept) if best is not None and row.get("epoch") == best}
    chosen = [kept[i] for i in sorted(places)]
    return Curve(
        step=[int(row["step"]) for row in chosen],
        epoch=[int(row["epoch"]) if "epoch" in row else None for row in chosen],
        seconds=[rounded(row.get("seconds")) for row in chosen],
        columns={name: [rounded(row.get(name)) for row in chosen] for name in names},
    )


def rounded(value: float | None) -> float | None:
    """Round to :data:`DIGITS` significant digits; None for values that are not finite.

    >>> rounded(8.123456789)
    8.1235
    """
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
