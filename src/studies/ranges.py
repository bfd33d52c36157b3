"""Ranges of tuned values: whether a choice is at the edge of the values tried or in a gap, and what to try then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from src.runs.study_record import LogUniform, Side, TuningRecord
from src.studies.plan import values_of

OUTER = 0.1  # of a range on the log scale: a choice in this outer part may have its optimum outside
STEP = 0.3  # fraction of a range's width by which it is extended, with draws as dense as before


def edge(values: Sequence[Any], chosen: Any, limits: tuple[float, float] | None) -> Side | None:
    """Return at which side of the values tried a choice is too far out; None if it is not, or if values are unordered.

    The limits are those of the range from which values were drawn; None for a list.

    >>> edge([0.001, 0.004, 0.0289], 0.0289, (0.0001, 0.03)), edge([0, 1, 2], 2, None), edge(["a", "b"], "a", None)
    ('high', 'high', None)
    """
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numbers or len(set(values)) < 2:
        return None
    if limits is None:
        return "low" if chosen == min(values) else "high" if chosen == max(values) else None
    low, high = map(math.log, limits)
    place = (math.log(chosen) - low) / (high - low)
    return "low" if place < OUTER else "high" if place > 1 - OUTER else None


def extended_range(limits: tuple[float, float], side: Side) -> tuple[float, float]:
    """Return the piece added to a range at one side, 0.3 of its width on the log scale, to three digits.

    >>> extended_range((0.0001, 0.03), "high")
    (0.03, 0.166)
    """
    low, high = limits
    factor = (high / low) ** STEP
    return (float(f"{low / factor:.3g}"), low) if side == "low" else (high, float(f"{high * factor:.3g}"))


def extended_list(values: Sequence[Any], side: Side) -> list[Any]:
    """Return one more value at one side, as far as the outermost step: by ratio if all values are positive.

    >>> extended_list([16, 32, 64], "high"), extended_list([0.0, 0.2, 0.5], "high"), extended_list([0.0, 0.2], "low")
    ([128], [0.8], [])
    """
    ordered = sorted(values) if side == "high" else sorted(values, reverse=True)
    inner, outer = ordered[-2], ordered[-1]
    if min(values) > 0:
        new = outer * outer / inner
    else:
        new = outer + (outer - inner)
        if new < 0 <= min(values):
            return []  # nothing lies below 0 (a rate, a probability)
    return [round(new) if all(isinstance(v, int) for v in values) else float(f"{new:.4g}")]


def within(step: tuple[float, float], draw: LogUniform) -> tuple[tuple[float, float], int]:
    """Return the piece of a range to fill between two values too far apart, and the number of values to try.

    The piece ends half a stratum away from both values; its draws are as dense as those of the range.

    >>> within((0.002, 0.1), LogUniform(0.001, 0.1, 6))
    ((0.00294, 0.0681), 5)
    """
    (low, high), half = step, math.exp(draw.stratum / 2)
    piece = float(f"{low * half:.3g}"), float(f"{high / half:.3g}")
    return piece, math.ceil(math.log(high / low) / draw.stratum) - 1


def further_draws(
    tuning: TuningRecord, key: str, piece: tuple[float, float], extension: int, number: int | None = None
) -> dict[str, list[Any]]:
    """Return the values of all tuned keys in the trials of an extension: ``key`` from the new piece, others as before.

    The first extension of a condition has number 1. ``number`` is the number of draws; by default they are as dense as
    those of the range or denser, so that no gap is left between them, however often it was extended.
    """
    extended = tuning.draws[key]
    assert isinstance(extended, LogUniform)
    number = number or max(2, math.ceil(math.log(piece[1] / piece[0]) / extended.stratum - 0.01))  # ends are rounded
    draws = {
        k: replace(draw, number=number) if isinstance(draw, LogUniform) else draw for k, draw in tuning.draws.items()
    }
    draws[key] = LogUniform(*piece, number)
    return values_of(replace(tuning, draws=draws), extension)
