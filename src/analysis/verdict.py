"""The verdict on one comparison, and the sentence that states it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.analysis.failures import Failures
from src.analysis.pairs import Pair, differences_of, lost_of
from src.analysis.sequences import OverSequences
from src.config.errors import agreeing, counted
from src.statistics.decision import (
    ERROR_RATE,
    LEAST,
    METHOD,
    METHOD_AGAINST_0,
    Outcome,
    decide,
    decide_by,
    in_words,
    p_values,
    pairs_to_decide,
)
from src.statistics.intervals import Interval, t_interval
from src.statistics.looks import Look
from src.statistics.power import BOUND, SAME
from src.statistics.resplits import LEAST as LEAST_SPLITS
from src.statistics.rounding import of_interval, span

BOTH_METHOD = "interval over seeds and test sequences (Satterthwaite)"
SPLITS_METHOD = "interval over splits corrected for shared sequences (Nadeau and Bengio)"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one comparison."""

    outcome: Outcome  # see :mod:`src.statistics.decision`
    winner: str | None  # the model that is better by more than the margin; None otherwise
    sentence: str  # the statement of the verdict
    margin: float | None  # of practical equivalence; None if none was fixed, which rules out "practically the same"
    method: str  # name of the method
    error_rate: float = ERROR_RATE  # the probability of a wrong verdict is at most this, if differences are normal
    pairs: int = 0  # number of complete pairs it is based on
    look: Look | None = None  # the look it is based on, with its levels; None before the first
    next_look: int | None = None  # number of pairs at the plan's next look, if any
    # of the mean difference, at the levels of the look: within the margins means "practically the same"
    interval_same: Interval | None = None
    interval_better: Interval | None = None  # beyond the margin means "better"
    # of the one-sided test that the leading model is better by more than the margin (compare with ``look.better``)
    p_better: float | None = None
    # of the two one-sided tests, or of failures of one model being rare enough if that is larger (compare with
    # ``look.same``)
    p_same: float | None = None
    # how far failures of one model that are too rare to be excluded could move the mean, at the level of ``look.same``;
    # None if runs do not either solve the task or learn nothing
    failures: float | None = None
    floor: float | None = None  # half-width that ``interval_better`` keeps with any number of pairs
    # number of pairs of a new study that would decide with probability 0.8, estimated from the observed mean and
    # spread; None if already decided, not estimable, or beyond the bound
    new_study: int | None = None
    different: bool | None = None  # whether ``interval_better`` excludes 0
    # outcome at a joint error rate of 5 % over all primary verdicts; None if not requested
    familywise: Outcome | None = None

    @property
    def words(self) -> str:
        """The outcome in a few words, e.g. ``gru better``, ``practically the same``, ``undecided``, ``no verdict``."""
        return in_words(self.outcome, self.winner)

    @property
    def more_sequences(self) -> bool:
        """Whether deciding takes more sequences, because the interval would be too wide with any number of pairs."""
        if self.outcome != "undecided" or self.floor is None or self.interval_better is None:
            return False
        mean = (self.interval_better.low + self.interval_better.high) / 2
        return self.floor > abs(abs(mean) - (self.margin or 0.0))


@dataclass(frozen=True)
class About:
    """The subject of a verdict, for its sentence.

    Args:
        names: of A and B.
        data: the data set.
        unit: of the metric; may be empty.
        floor: half-width that the interval over seeds and test sequences keeps with any number of pairs, if known.
        seconds: durations of the pairs, run one after the other.
        splits: whether it covers several splits of one file, so that each difference is the mean of one split.
        barred: why these pairs allow no conclusion, if they do not.
        over: what the intervals cover, if not seeds alone.
        failures: of runs that learned nothing, on a task where a run may.
    """

    names: tuple[str, str]
    data: str
    unit: str = ""
    floor: float | None = None
    seconds: Sequence[float] = ()
    splits: bool = False
    barred: str | None = None
    over: str | None = None
    failures: Failures | None = None

    def reach(self, seen: Sequence[Pair], look: Look) -> float | None:
        """Return how far failures could move the mean, at the level of a look; None where runs do not fail."""
        return self.failures.reach(seen, look.same) if self.failures else None


def unless_failures(
    said: tuple[Outcome, str | None], reach: float | None, margin: float | None
) -> tuple[Outcome, str | None]:
    """Return an outcome; undecided in place of "same" if failures could move the mean as far as the margin."""
    return ("undecided", None) if said[0] == "same" and (reach or 0.0) >= (margin or 0.0) else said


def verdict(pairs: Sequence[Pair], margin: float | None, about: About, looks: Sequence[Look] | None = None) -> Verdict:
    """Return the verdict with its sentence, intervals, p-values and, if undecided, what would decide it.

    Args:
        pairs: in the order of their seeds.
        margin: of practical equivalence, in the metric's unit; None if none was fixed.
        about: names, unit and costs, for the sentence.
        looks: looks fixed by a plan, each at its first so many seeds (0, 1, ...); the first that decides counts, and
            no other number of pairs is tested. None: one look, at all complete pairs.
    """

    def decided(seen: Sequence[Pair], look: Look) -> tuple[Outcome, str | None]:
        said = decide(differences_of(seen), margin, about.names, lost_of(seen), look)
        return unless_failures(said, about.reach(seen, look), margin)

    def decides(seen: Sequence[Pair], look: Look) -> bool:
        return decided(seen, look)[0] in ("better", "same")

    seen, look, next_look = (pairs, None, None) if about.barred else taken(pairs, looks, decides)
    x, lost = differences_of(seen), lost_of(seen)
    outcome, winner = decided(seen, look) if look else ("no verdict", None)
    levels = look or Look(len(x))
    wide, narrow = t_interval(x, 1 - 2 * levels.better), t_interval(x, 1 - 2 * levels.same)
    p_better, p_same = p_values(x, margin)
    if p_same is not None and margin and about.failures:
        p_same = max(p_same, about.failures.p_same(seen, margin))
    if outcome == "no verdict":
        look = None
    new_study = pairs_to_decide(x, margin) if outcome == "undecided" and not any(lost) else None
    if new_study and margin and about.failures and abs(float(x.mean())) < margin:
        new_study = max(new_study, about.failures.needed(margin, levels.same))
    silent = replace(
        _silent(outcome, winner, margin, METHOD if margin else METHOD_AGAINST_0, wide, narrow, len(x)),
        look=look,
        next_look=next_look,
        p_better=p_better,
        p_same=p_same,
        new_study=new_study,
        failures=about.reach(seen, levels),
    )
    return replace(silent, sentence=sentence(silent, about, x, lost))


def verdict_over_both(
    pairs: Sequence[Pair],
    margin: float | None,
    about: About,
    looks: Sequence[Look] | None,
    intervals: Callable[[Sequence[Pair], Look], OverSequences],
) -> Verdict:
    """Return the verdict for other seeds and other test sequences, at the first look whose intervals decide.

    Args:
        pairs: in the order of their seeds.
        margin: of practical equivalence, in the metric's unit; None if none was fixed.
        about: names and unit, for the sentence.
        looks: looks fixed by a plan; None: one look, at all complete pairs.
        intervals: computes intervals over seeds and test sequences for some pairs at the levels of a look.
    """

    known: dict[Look, OverSequences] = {}

    def at(seen: Sequence[Pair], look: Look) -> OverSequences:
        if look not in known:
            known[look] = intervals(seen, look)
        return known[look]

    def decided(seen: Sequence[Pair], look: Look) -> tuple[Outcome, str | None]:
        made = at(seen, look)
        if made.better is None or made.same is None or len(differences_of(seen)) < LEAST:
            return "no verdict", None
        said = decide_by(made.better, made.same, margin, about.names, lost_of(seen))
        return unless_failures(said, about.reach(seen, look), margin)

    def decides(seen: Sequence[Pair], look: Look) -> bool:
        return decided(seen, look)[0] in ("better", "same")

    seen, look, next_look = (pairs, None, None) if about.barred else taken(pairs, looks, decides)
    x, made = differences_of(seen), at(seen, look or Look(len(differences_of(seen))))
    outcome, winner = decided(seen, look) if look else ("no verdict", None)
    if look and len(x) >= LEAST and made.better is None:
        about, next_look = replace(about, barred=f"{made.note[:1].lower()}{made.note.rstrip('.')[1:]}"), None
    about = replace(about, floor=made.floor, over=made.note if made.better else None)
    silent = replace(
        _silent(outcome, winner, margin, _against(BOTH_METHOD, margin), made.better, made.same, len(x)),
        look=look if outcome != "no verdict" else None,
        next_look=next_look,
        floor=made.floor,
        failures=about.reach(seen, look or Look(len(x))),
    )
    return replace(silent, sentence=sentence(silent, about, x, lost_of(seen)))


def verdict_over_splits(
    means: np.ndarray,
    wide: Interval | None,
    narrow: Interval | None,
    margin: float | None,
    about: About,
    lost: tuple[int, int],
) -> Verdict:
    """Return the verdict from 95 % and 90 % intervals over splits, which are None below :data:`LEAST_SPLITS` splits.

    ``means`` are the mean differences of the splits, (k,).
    """
    outcome, winner = (
        decide_by(wide, narrow, margin, about.names, lost)
        if wide and narrow and not about.barred
        else ("no verdict", None)
    )
    silent = _silent(outcome, winner, margin, _against(SPLITS_METHOD, margin), wide, narrow, len(means))
    return replace(silent, sentence=sentence(silent, about, means, lost))


def _against(method: str, margin: float | None) -> str:
    return f"{method}, against {'the margin' if margin else '0'}"


def _silent(
    outcome: Outcome,
    winner: str | None,
    margin: float | None,
    method: str,
    wide: Interval | None,
    narrow: Interval | None,
    pairs: int,
) -> Verdict:
    """Return the parts that every verdict has, without its sentence."""
    different = None if wide is None else not wide.low <= 0 <= wide.high
    return Verdict(
        outcome,
        winner,
        "",
        margin,
        method,
        pairs=pairs,
        interval_same=narrow,
        interval_better=wide,
        different=different,
    )


def taken(
    pairs: Sequence[Pair], looks: Sequence[Look] | None, decides: Callable[[Sequence[Pair], Look], bool]
) -> tuple[Sequence[Pair], Look | None, int | None]:
    """Select the pairs that count and their look, and return the number of pairs at the plan's next look.

    The look is the first one that decides, else the last one reached; None before the first.

    Args:
        pairs: in the order of their seeds.
        looks: looks fixed by a plan, each at its first so many seeds; None: one look, at all complete pairs.
        decides: whether some pairs decide at the levels of a look.
    """
    if looks is None:
        return pairs, Look(len(differences_of(pairs))), None
    last: tuple[Sequence[Pair], Look] | None = None
    for look in looks:
        seen = [pair for pair in pairs if pair.seed < look.pairs]
        if sum(pair.state != "missing" for pair in seen) < look.pairs:
            return (*last, look.pairs) if last else (pairs, None, look.pairs)
        last = seen, look
        if decides(seen, look):
            break
    assert last is not None
    return (*last, None)


# ------------------------------------------------------------------------------------------------------- the sentence


def sentence(verdict: Verdict, about: About, x: np.ndarray, lost: tuple[int, int]) -> str:
    """State the finding, its interval and its margin, and for an open question what would settle it.

    Args:
        verdict: the verdict, still without its sentence.
        about: its subject.
        x: the differences it is based on.
        lost: numbers of diverged runs of A and of B in pairs that have no difference for that reason.
    """
    wide, narrow, names, unit = verdict.interval_better, verdict.interval_same, about.names, about.unit
    mean, edge = float(x.mean()) if len(x) else 0.0, f"the margin of {_number(verdict.margin, unit)}"
    number = about.over or f"{len(x)} {'splits of this file' if about.splits else 'pairs'}"
    if verdict.outcome == "no verdict" or wide is None or narrow is None:
        said = _no_verdict(verdict, about, x)
    elif verdict.outcome == "better":
        loser = names[1] if verdict.winner == names[0] else names[0]
        beyond = edge if verdict.margin else "0, and no margin was fixed"
        by = f"by {_value(abs(mean), wide, unit)} on average ({_span(wide, mean)}, {number})"
        said = f"{verdict.winner} better than {loser}, {by}: beyond {beyond}"
    elif verdict.outcome == "same":
        lead = f"{_lead(names, mean, wide, unit)} ({_span(wide, mean)}, {number})"
        small = "; the difference is not zero, but too small to matter" if verdict.different else ""
        # Two tests at 5 % each take the interval at 90 %: where the one that is shown reaches further, that is said.
        inside = max(wide.high, -wide.low) < (verdict.margin or 0.0)
        by = "" if inside else f" by two one-sided tests at {100 * (1 - narrow.level) / 2:.3g} %"
        said = f"{names[0]} and {names[1]} practically the same; {lead}: within {edge}{by}{small}"
    else:
        lead = f"{_lead(names, mean, wide, unit)} ({_span(wide, mean)}, {number})"
        said = f"undecided; {lead}{_why_open(verdict, wide, unit)}; {_needed(verdict, about, mean, lost)}"
    if any(lost):
        counts = " and ".join(f"{number} of {name}" for number, name in zip(lost, names, strict=True) if number)
        said += f"; diverged and therefore excluded from the mean: {counts}"
    if about.splits:
        said += "; the verdict is about other splits of this file"
    return f"{about.data}: {said}."


def _no_verdict(verdict: Verdict, about: About, x: np.ndarray) -> str:
    if about.barred:
        return f"no verdict; {about.barred}"
    if about.splits:
        have = f"{counted(len(x), 'split')} {agreeing('have', len(x))}"
        return f"no verdict; {have} a complete pair, and {LEAST_SPLITS} are needed"
    least = verdict.next_look or LEAST
    counts = f"{len(x)} pairs are complete" if len(x) > 1 else f"{'one pair is' if len(x) else 'no pair is'} complete"
    if verdict.next_look:
        reason = f"the plan looks at the first {least} seeds, some of which are missing or diverged"
        reason = reason if len(x) >= least else f"the plan looks at {least}"
    else:
        reason = f"{LEAST} are needed"
    said = f"no verdict; {counts}, and {reason}"
    if len(x):
        ahead = about.names[0] if (x > 0).sum() >= (x < 0).sum() else about.names[1]
        wins = int(max((x > 0).sum(), (x < 0).sum()))
        mean = float(x.mean())
        by = f"{_lead(about.names, mean, t_interval(x), about.unit)}" if len(x) > 1 else ""
        better = f"{ahead} was better in {wins} of {len(x)}" if wins else "they were level"
        said += f"; {better}{', and ' + by if by and wins else ''}"
    more = least - len(x)
    takes = minutes(more, about.seconds) if more > 0 else None
    return said + (f"; {more} more take about {takes}" if takes else "")


def minutes(pairs: int, seconds: Sequence[float]) -> str | None:
    """Estimate how long a number of pairs takes, run one after the other, from the middle 80 % of earlier durations.

    >>> minutes(10, [60.0, 70.0, 80.0]), minutes(3, [])
    ('10 to 13 minutes', None)
    """
    if not len(seconds) or pairs < 1:
        return None
    low, high = np.quantile(np.asarray(seconds, dtype=float), [0.1, 0.9]) * pairs / 60
    unit = "minutes"
    if high < 1:
        low, high, unit = 60 * low, 60 * high, "seconds"
    elif high >= 120:
        low, high, unit = low / 60, high / 60, "hours"
    first, last = (f"{value:.1f}" if high < 10 else f"{value:.0f}" for value in (low, high))
    return f"{last} {unit}" if first == last else f"{first} to {last} {unit}"


def _why_open(verdict: Verdict, wide: Interval, unit: str) -> str:
    if wide.low == wide.high:
        return ", with identical differences in all pairs"
    if wide.low > (verdict.margin or 0.0) or wide.high < -(verdict.margin or 0.0):
        return ", beyond the margin"  # but the leading model diverged more often
    if not verdict.margin:
        return ", which does not exclude 0; no margin was fixed" if not verdict.different else ""
    edge = f"the margin of {_number(verdict.margin, unit)}"
    if _unseen(verdict):
        by = _number(verdict.failures, unit)
        return f", within {edge}, but failed runs too rare to appear in {verdict.pairs} pairs could change it by {by}"
    if verdict.different and max(wide.high, -wide.low) > verdict.margin:
        return f": not zero, but possibly below {edge}"
    return f", which extends beyond {edge}" if max(wide.high, -wide.low) > verdict.margin else ""


def _needed(verdict: Verdict, about: About, mean: float, lost: tuple[int, int]) -> str:
    wide = verdict.interval_better
    if about.failures and verdict.margin and _unseen(verdict):
        least = about.failures.needed(verdict.margin, verdict.look.same if verdict.look else SAME)
        return f"to call them the same, {least} pairs without a failed run are needed"
    if any(lost):
        return "if runs diverged, models are never called the same, and the one that diverged more often never better"
    if about.splits:
        return "deciding would take more sequences"
    if verdict.more_sequences:
        return "deciding would take more sequences, not more pairs"
    if verdict.next_look is not None:
        return f"the plan looks again at {verdict.next_look} pairs"
    if wide is not None and wide.low == wide.high:
        return "more pairs like these would not decide"
    if about.over:
        return "more pairs or more sequences would narrow it"
    if about.floor is not None and about.floor > abs(abs(mean) - (verdict.margin or 0.0)):
        return "deciding for other test sequences as well would take more sequences, not more pairs"
    if verdict.new_study is None:
        return f"deciding would take more than {BOUND} pairs at this mean and spread"
    takes = minutes(verdict.new_study, about.seconds)
    cost = f", taking about {takes}," if takes else ""
    return (
        f"a new study of about {verdict.new_study} pairs{cost} would decide in about 4 of 5 cases at this mean and "
        "spread; adding pairs to this one until it decides would exceed the 5 % error rate"
    )


def _unseen(verdict: Verdict) -> bool:
    """Return whether only failures that were not seen stand between a verdict and "the same"."""
    narrow, edge = verdict.interval_same, verdict.margin or 0.0
    inside = narrow is not None and -edge < narrow.low and narrow.high < edge
    return verdict.outcome == "undecided" and inside and (verdict.failures or 0.0) >= edge


def _lead(names: tuple[str, str], mean: float, interval: Interval | None, unit: str) -> str:
    if not float(f"{mean:.{of_interval(interval)}f}"):
        return f"{names[0]} and {names[1]} are level on average"
    ahead, behind = names if mean > 0 else names[::-1]
    return f"{ahead} is ahead of {behind} by {_value(abs(mean), interval, unit)} on average"


def _span(interval: Interval, mean: float) -> str:
    """Format the interval of the leading model's advantage."""
    percent = f"{100 * interval.level:.5f}".rstrip("0").rstrip(".")
    return f"{percent if len(percent) < 6 else f'{100 * interval.level:.1f}'} % interval {span(interval, mean < 0)}"


def _value(value: float, interval: Interval | None, unit: str) -> str:
    return f"{value:.{of_interval(interval)}f} {unit}".strip()


def _number(value: float | None, unit: str) -> str:
    return f"{value:.3g} {unit}".strip() if value is not None else "0"
