"""Simulate error rates and power of verdicts in sittings, without training: ``python -m benchmarks.answers``.

A session is a question continued with more minutes: four sittings with a look in each, at 6,
12, 24 and 48 pairs or in the same way from 10 on. Differences by seed and sequence have known variances and a known
mean; intervals are those of reports (:func:`~src.statistics.crossed.two_way`), levels those of
:func:`~src.statistics.sittings.look_of`. ``docs/error_rates.md`` holds what this prints
(``table=docs/error_rates.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from omegaconf import DictConfig

from benchmarks import CONF
from benchmarks.rates import MARGIN, Simulated, simulated
from benchmarks.settings import RATES
from src.config.shell import command
from src.statistics.crossed import TwoWay, two_way
from src.statistics.looks import Look
from src.statistics.sittings import look_of

MARKS = ("<!-- answers: begin -->", "<!-- answers: end -->")
SITTINGS = 4
FIRST, SEQUENCES = (6, 10), (9, 20, 60, 200)
RATIOS = (0.1, 1.0, 10.0)  # variance over sequences to that over seeds, of one difference
SPREADS = (0.25, 1.0)  # SD over seeds of a pair's difference, in margins
TRUTHS = (0.0, 0.5, 1.0, 1.5, 2.0)  # true difference in margins, beside equal models without a margin
CASES = [(0.0, 0.0), *((truth, MARGIN) for truth in TRUTHS)]  # true difference, margin; 0: there is none
CELLS = 500_000  # in memory at a time
UNDECIDED, A, B, SAME = range(4)

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Draw from a normal distribution with mean 0 and variance 1."""
    return rng.standard_normal(size)


def skewed(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Draw from an exponential distribution with an upper tail, shifted to mean 0 and variance 1."""
    return rng.standard_exponential(size) - 1


@dataclass(frozen=True)
class Half:
    """One look: mean differences of sessions, and the half-widths for "better" and "same"."""

    mean: np.ndarray
    better: np.ndarray
    same: np.ndarray


@dataclass(frozen=True)
class Sessions:
    """Looks of many sessions whose true difference is 0 and whose SD over seeds is 1."""

    looks: list[Half]  # as they are taken
    full: list[Half]  # were each look taken at the whole level
    alone: list[Half]  # over seeds alone, at the levels of the sittings


def sessions(rng: np.random.Generator, draw: Draw, first: int, sequences: int, ratio: float, number: int) -> Sessions:
    """Simulate sessions: the difference of seed i on sequence j is a_i + b_j + e_ij.

    The mean of a seed's differences has variance 1 over seeds, half of it from a and half from e; over sequences it has
    ``ratio`` times the variance of a.
    """
    pairs = look_of(SITTINGS, first).pairs
    ways = list[list[TwoWay]]()
    at_once = max(1, CELLS // (pairs * sequences))
    for begin in range(0, number, at_once):
        some = min(at_once, number - begin)
        of_seed = draw(rng, (some, pairs, 1)) / np.sqrt(2)
        of_sequence = draw(rng, (some, 1, sequences)) * np.sqrt(ratio * sequences / 2)
        top = draw(rng, (some, pairs, sequences)) * np.sqrt(sequences / 2) + of_seed + of_sequence
        made = [two_way(top[:, : look_of(s, first).pairs], np.ones(sequences)) for s in range(1, SITTINGS + 1)]
        ways.append([way for way in made if way is not None])
    at_look = [_together(parts) for parts in zip(*ways, strict=True)]
    looks = [look_of(s, first) for s in range(1, SITTINGS + 1)]
    return Sessions(
        [_half(way, look) for way, look in zip(at_look, looks, strict=True)],
        [_half(way, Look(look.pairs)) for way, look in zip(at_look, looks, strict=True)],
        [_half(_alone(way), look) for way, look in zip(at_look, looks, strict=True)],
    )


def _together(parts: tuple[TwoWay, ...]) -> TwoWay:
    names = ("mean", "variance", "freedom", "of_seeds", "of_sequences")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)


def _alone(way: TwoWay) -> TwoWay:
    """Return the looks over seeds alone."""
    return replace(way, variance=way.of_seeds, freedom=np.full(len(way.mean), way.seeds - 1))


def _half(way: TwoWay, look: Look) -> Half:
    return Half(way.mean, way.half_width(1 - 2 * look.better), way.half_width(1 - 2 * look.same))


def said(look: Half, truth: float, spread: float, margin: float) -> np.ndarray:
    """Return the verdict on each session (:func:`~src.statistics.decision.decide_by` for many at once).

    Args:
        look: of sessions with true difference 0.
        truth: the true difference.
        spread: SD over seeds.
        margin: 0: there is none.
    """
    mean = truth + spread * look.mean
    decided = np.where(np.abs(mean) + spread * look.same < margin, SAME, UNDECIDED)
    beyond = np.abs(mean) - spread * look.better > margin
    return np.where(beyond, np.where(mean > 0, A, B), decided)


def in_turn(looks: list[Half], truth: float, spread: float, margin: float) -> np.ndarray:
    """Return the verdicts at each look, (looks, sessions)."""
    return np.array([said(look, truth, spread, margin) for look in looks])


def first_said(turns: np.ndarray) -> np.ndarray:
    """Return the first decision of each session, at which one would stop: (looks, sessions) to (sessions,)."""
    decided = turns != UNDECIDED
    return np.where(decided.any(0), turns[decided.argmax(0), np.arange(turns.shape[1])], UNDECIDED)


def wrong(turns: np.ndarray, truth: float, margin: float) -> float:
    """Return how often any verdict of a session is wrong, from (looks, sessions).

    On the margin two of the three statements are as good as true; the wrong one is then whichever is said more often.
    """
    better, same = [A, B], [SAME, B]  # that are wrong below the margin, and above
    statements = [better] * (truth <= margin) + [same] * (truth >= margin > 0)
    return max(float(np.isin(turns, statement).any(0).mean()) for statement in statements)


def grid() -> Iterator[tuple[int, int]]:
    """Iterate over the simulated pairs at the first look and test sequences."""
    yield from product(FIRST[:1], SEQUENCES)
    yield from product(FIRST[1:], SEQUENCES[::2])


def error_rates(rng: np.random.Generator, number: int) -> Simulated:
    """Simulate wrong verdicts by true difference, at the worst of all variance ratios and spreads."""
    rows = []
    for (first, sequences), (name, draw) in product(grid(), (("normal", normal), ("skewed", skewed))):
        worst = np.zeros((len(CASES), 3))  # by case, for the looks as they are, at the whole level, over seeds alone
        for ratio in RATIOS:
            made = sessions(rng, draw, first, sequences, ratio, number)
            for spread, sign in product(SPREADS, (1, -1) if draw is skewed else (1,)):
                for case, (truth, margin) in enumerate(CASES):
                    for kind, looks in enumerate((made.looks, made.full, made.alone)):
                        rate = wrong(in_turn(_turned(looks, sign), truth, spread, margin), truth, margin)
                        worst[case, kind] = max(worst[case, kind], rate)
        rates = [*worst[:, 0], worst[:, 1].max(), worst[:, 2].max()]
        rows.append([f"{first}, {sequences}, {name}", *(f"{rate:.3f}" for rate in rates)])
    header = [
        *("pairs at the first look, sequences, differences", "equal, no margin", "equal"),
        *(f"{truth:g} margins" for truth in TRUTHS[1:]),
        *("largest if each look were at 5 %", "largest over seeds alone"),
    ]
    title = (
        f"Share of sessions of {SITTINGS} sittings in which any verdict for other seeds and sequences is wrong "
        "(claimed: at most 0.05), by true difference: the largest share over variance ratios of sequences to seeds of "
        "0.1, 1 and 10, and SDs over seeds of a quarter of the margin and the whole margin"
    )
    return Simulated(title, header, rows)


def _turned(looks: list[Half], sign: int) -> list[Half]:
    """Return the looks with the long tail on the other side."""
    return [Half(sign * look.mean, look.better, look.same) for look in looks]


def power_rates(rng: np.random.Generator, number: int) -> Simulated:
    """Simulate how often the right verdict is reached by the first, second and last look."""
    rows = []
    for (first, sequences), ratio in product(((6, 20), (6, 200), (10, 60)), RATIOS):
        made = sessions(rng, normal, first, sequences, ratio, number)
        for spread in SPREADS:
            cells = []
            for truth in (0.0, 0.5, 1.5, 2.0, 3.0):
                turns = in_turn(made.looks, truth, spread, MARGIN)
                right = SAME if truth < MARGIN else A
                found = [float((first_said(turns[:looks]) == right).mean()) for looks in (1, 2, SITTINGS)]
                cells.append(" / ".join(f"{share:.2f}" for share in found))
            rows.append([f"{first}, {sequences}", f"{ratio:g}", f"{spread:g}", *cells])
    header = [
        *("pairs at the first look, sequences", "variance ratio", "SD over seeds, in margins"),
        *("equal: same", "0.5 margins: same", "1.5 margins: better", "2 margins: better", "3 margins: better"),
    ]
    return Simulated(f"Right verdicts after 1 / 2 / {SITTINGS} sittings, normal differences", header, rows)


TABLES = (error_rates, power_rates)


def answers(cfg: DictConfig) -> list[Simulated]:
    """Simulate both tables, print them, and put them into a page where ``table`` names one.

    Raises:
        UserError: in one sentence, when the page has no place for them.
    """
    return simulated(cfg, TABLES, MARKS)


if __name__ == "__main__":
    command("answers", answers, CONF, RATES)
