"""The answer to one comparison, and the sentence that says it in the words of the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.statistics.decision import ERROR_RATE, METHOD, Outcome, decide, further_pairs, p_values
from src.statistics.intervals import Interval, t_interval
from src.statistics.power import BETTER, BOUND, SAME
from src.statistics.rounding import of_interval, span

FEW = 5  # pairs, whose spread says little about that of further ones


@dataclass(frozen=True)
class Verdict:
    """The answer to one comparison."""

    outcome: Outcome  # see :mod:`src.statistics.decision`
    winner: str | None  # the model that is better by more than the margin; None otherwise
    sentence: str  # in the words of the statistics
    margin: float | None  # of practical equivalence; None: none was fixed, and "practically the same" cannot be said
    method: str  # its name
    error_rate: float = ERROR_RATE  # the probability of a wrong verdict is at most this
    interval_90: Interval | None = None  # of the mean difference: within the margins means "practically the same"
    interval_95: Interval | None = None  # of the mean difference: beyond the margin means "better"
    # of the one-sided test that the leading model is better by more than the margin (compare with 0.025)
    p_better: float | None = None
    p_same: float | None = None  # of the two one-sided tests (compare with 0.05)
    # how many more would decide with probability 0.8, estimated from the observed mean and spread; None where it is
    # decided, cannot be told, or is beyond the bound
    more_pairs: int | None = None
    different: bool | None = None  # whether the 95 % interval excludes 0


def verdict(
    differences: Sequence[float] | np.ndarray,
    margin: float | None,
    names: tuple[str, str],
    data: str,
    unit: str,
    lost: tuple[int, int] = (0, 0),
) -> Verdict:
    """The verdict with its sentence, intervals, p-values and, where undecided, the pairs that would decide.

    Args:
        differences: by how much A is better, pair by pair, in the order of the seeds.
        margin: of practical equivalence, in the metric's unit; None: none was fixed.
        names: of A and B.
        data: the data set, for the sentence.
        unit: of the metric; may be empty.
        lost: how many runs of A and of B diverged in pairs that have no difference for that reason.
    """
    x = np.asarray(differences, dtype=float)
    outcome, winner = decide(x, margin, names, lost)
    wide, narrow = t_interval(x, 1 - 2 * BETTER), t_interval(x, 1 - 2 * SAME)
    p_better, p_same = p_values(x, margin)
    silent = Verdict(
        outcome=outcome,
        winner=winner,
        sentence="",
        margin=margin,
        method=METHOD,
        interval_90=narrow,
        interval_95=wide,
        p_better=p_better,
        p_same=p_same,
        more_pairs=further_pairs(x, margin) if outcome == "undecided" and not any(lost) else None,
        different=None if wide is None else not wide.low <= 0 <= wide.high,
    )
    mean = float(x.mean()) if len(x) else 0.0
    return replace(silent, sentence=sentence(silent, names, data, unit, mean, len(x), lost))


# ------------------------------------------------------------------------------------------------------- the sentence


def sentence(
    verdict: Verdict, names: tuple[str, str], data: str, unit: str, mean: float, pairs: int, lost: tuple[int, int]
) -> str:
    """What was found, how surely, against which margin; for an open question what would close it.

    Arguments as of :func:`verdict`, with the mean of the differences and the number of complete pairs.
    """
    wide, narrow = verdict.interval_95, verdict.interval_90
    if wide is None or narrow is None:
        said = f"undecided; {'one pair is' if pairs else 'no pair is'} complete, and a difference needs at least two"
    elif verdict.outcome == "better":
        loser = names[1] if verdict.winner == names[0] else names[0]
        edge = f"the margin of {_number(verdict.margin, unit)}" if verdict.margin else "0, and no margin was fixed"
        by = f"by {_value(abs(mean), wide, unit)} on average ({_span(wide, mean)}, {pairs} pairs)"
        few = "; few pairs, whose spread says little about that of further ones" if pairs < FEW else ""
        said = f"{verdict.winner} better than {loser}, {by}: beyond {edge}{few}"
    elif verdict.outcome == "same":
        lead = f"{_lead(names, mean, narrow, unit)} ({_span(narrow, mean)}, {pairs} pairs)"
        small = "; the difference is not zero, but too small to matter" if verdict.different else ""
        edge = f"the margin of {_number(verdict.margin, unit)}"
        said = f"{names[0]} and {names[1]} practically the same; {lead}: within {edge}{small}"
    else:
        lead = f"{_lead(names, mean, wide, unit)} ({_span(wide, mean)}, {pairs} pairs)"
        said = f"undecided; {lead}{_why_open(verdict, wide, unit)}; {_needed(verdict, pairs, lost)}"
    if any(lost):
        counts = " and ".join(f"{number} of {name}" for number, name in zip(lost, names, strict=True) if number)
        said += f"; diverged, and so in no mean: {counts}"
    return f"{data}: {said}."


def _why_open(verdict: Verdict, wide: Interval, unit: str) -> str:
    if wide.low == wide.high:
        return ", all pairs exactly alike"
    if not verdict.margin:
        return ", which does not exclude 0; no margin was fixed" if not verdict.different else ""
    edge = f"the margin of {_number(verdict.margin, unit)}"
    if verdict.different and max(wide.high, -wide.low) > verdict.margin:
        return f": not zero, but whether it exceeds {edge} is open"
    return f", which reaches across {edge}" if max(wide.high, -wide.low) > verdict.margin else ""


def _needed(verdict: Verdict, pairs: int, lost: tuple[int, int]) -> str:
    if any(lost):
        return "while runs diverge, more pairs alone may not decide"
    wide = verdict.interval_95
    if verdict.more_pairs is not None:
        number = "1 more pair" if verdict.more_pairs == 1 else f"{verdict.more_pairs} more pairs"
        guess = f" (a rough guess from {pairs} pairs)" if pairs < FEW else ""
        return f"about {number} would decide, if mean and spread stay as they are{guess}"
    if wide is not None and wide.low == wide.high:
        return "more pairs like these would not decide"
    return f"it would take more than {BOUND} pairs, if mean and spread stay as they are"


def _lead(names: tuple[str, str], mean: float, interval: Interval, unit: str) -> str:
    if not float(f"{mean:.{of_interval(interval)}f}"):
        return f"{names[0]} and {names[1]} are level on average"
    ahead, behind = names if mean > 0 else names[::-1]
    return f"{ahead} is ahead of {behind} by {_value(abs(mean), interval, unit)} on average"


def _span(interval: Interval, mean: float) -> str:
    """The interval of the advantage of the one who is ahead."""
    return f"{100 * interval.level:.0f} % interval {span(interval, turned=mean < 0)}"


def _value(value: float, interval: Interval, unit: str) -> str:
    return f"{value:.{of_interval(interval)}f} {unit}".strip()


def _number(value: float | None, unit: str) -> str:
    return f"{value:.3g} {unit}".strip() if value is not None else "0"
