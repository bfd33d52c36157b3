"""Sittings: time that is added to a comparison as often as somebody likes, with one verdict look in each.

A study fixes all its looks beforehand (:mod:`src.statistics.looks`); an open-ended comparison cannot. So each sitting
has a level of its own, and the levels of all that will ever be held add up to 5 %; it has one look, at a number of
pairs that the first sitting has fixed. By the union bound the verdicts of all sittings together err in 5 % at most,
whenever somebody stops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from src.statistics.decision import LEAST
from src.statistics.intervals import Interval, alike
from src.statistics.looks import Look
from src.statistics.power import ALPHA, BETTER, SAME, detectable

PRIOR = 0.3  # c^2 of the confidence sequence: where between few and many pairs it is shortest
RUNNING = 0.8  # of the time for trials and pairs: a tenth is for the pilot, a tenth for export and reserve
TRIALS = 4  # of each model at least
LEAST_CAP = 0.25  # networks with fewer of their updates than this answer another question: who learns faster


@dataclass(frozen=True)
class Allocation:
    """What fits in a sitting's time."""

    runs: int  # of full length, capped where ``cap`` says so
    pairs: int  # at the first look, one run of each model in each
    trials: int  # of each model
    cap: float  # all models' updates are capped alike by this factor, in (0, 1]
    planned: bool  # whether there will be a verdict
    reason: str | None = None  # why not


def share(sitting: int) -> float:
    """The share of all levels that a sitting has: (2/3) (1/3)^(sitting - 1), which adds up to 1.

    >>> [round(share(sitting), 3) for sitting in (1, 2, 3)]
    [0.667, 0.222, 0.074]
    """
    return 2 / 3**sitting


def pairs_of(sitting: int, first: int) -> int:
    """Pairs at the look of a sitting, those of earlier ones among them; ``first``: of the first sitting.

    >>> [pairs_of(sitting, 6) for sitting in (1, 2, 3)]
    [6, 12, 24]
    """
    return first * 2 ** (sitting - 1)


def look_of(sitting: int, first: int) -> Look:
    """The only verdict look of a sitting, whatever its minutes: its pairs and the levels of its tests.

    >>> look_of(2, 6).pairs, round(look_of(1, 6).better, 4), round(look_of(1, 6).same, 4)
    (12, 0.0167, 0.0333)
    """
    return Look(pairs_of(sitting, first), BETTER * share(sitting), SAME * share(sitting))


def confidence_sequence(differences: np.ndarray, alpha: float = ALPHA) -> Interval | None:
    """An interval of the mean difference that may be watched: all of them hold at once with probability 1 - alpha.

    d +- s sqrt(u (n - 1) / n) with u = (A - 1) / (1 - A c / (n + c)), A = (sqrt((n + c) / c) / alpha)^(2 / n) and
    c = :data:`PRIOR`: Lai's mixture of t tests ("On confidence sequences", Annals of Statistics 4(2), 1976; Wang and
    Ramdas 2025, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"). It is too
    wide to decide by; a verdict has its look.

    Args:
        differences: of all complete pairs so far, (pairs,).
        alpha: probability that any of the intervals ever misses.

    Returns:
        None below two differences, and where it is the whole line.
    """
    n = len(differences)
    if n < 2:
        return None
    spread = (math.sqrt((n + PRIOR) / PRIOR) / alpha) ** (2 / n)
    room = 1 - spread * PRIOR / (n + PRIOR)
    if room <= 0:
        return None
    mean, sd = float(np.mean(differences)), 0.0 if alike(differences) else float(np.std(differences, ddof=1))
    half = sd * math.sqrt((spread - 1) / room * (n - 1) / n)
    return Interval(mean - half, mean + half, 1 - alpha, "confidence sequence (t mixture)")


def allocation(seconds: float, slots: int, run_seconds: float, models: int) -> Allocation:
    """How many pairs and trials a first sitting has, so that all of them fit in its time.

    Of R runs three fifths are final ones, the rest trials, equally many of each model; with two models that are 0.3 R
    pairs. There are at least :data:`~src.statistics.decision.LEAST` pairs and :data:`TRIALS` trials of each model: ten
    runs of each. Where fewer fit, the updates of all models are capped alike until they do, down to :data:`LEAST_CAP`;
    where that is not enough there will be no verdict, and trials go before pairs.

    >>> allocation(600, 2, 48, 2)
    Allocation(runs=20, pairs=6, trials=4, cap=1.0, planned=True, reason=None)
    >>> allocation(600, 2, 96, 2).cap, allocation(60, 1, 24, 2).planned
    (0.5, False)

    Args:
        seconds: of the whole sitting, pilot and reserve among them.
        slots: how many runs are made at a time.
        run_seconds: that a run of full length takes, the median of the pilot's.
        models: that are compared.
    """
    least = (LEAST + TRIALS) * models
    fitting = RUNNING * seconds * slots / run_seconds
    cap = min(1.0, max(LEAST_CAP, fitting / least))
    runs = math.floor(fitting / cap + 1e-9)
    if runs < least:
        each = runs // models
        trials = min(TRIALS, each)
        reason = (
            f"{runs} runs fit, each with {LEAST_CAP:.0%} of its updates, and it takes {least}: {LEAST} pairs and "
            f"{TRIALS} trials of each model"
        )
        return Allocation(runs, each - trials, trials, cap, planned=False, reason=reason)
    pairs = max(LEAST, 3 * runs // (5 * models))
    return Allocation(runs, pairs, (runs - pairs * models) // models, cap, planned=True)


def visible(sd: float, margin: float | None, look: Look, of_sequences: float = 0.0) -> float | None:
    """The true difference that a look calls better with probability 0.8; None where there is no spread.

    Args:
        sd: of the paired differences over seeds.
        margin: of practical equivalence.
        look: its pairs and levels.
        of_sequences: variance of the mean difference over other test sequences, which more pairs do not lessen; 0:
            over seeds alone. Taken as if it were as uncertain as the variance over seeds.

    >>> round(visible(1.0, 0.0, look_of(1, 10)), 2), round(visible(1.0, 0.0, look_of(1, 10), 0.3), 2)
    (1.08, 2.16)
    """
    return detectable(math.sqrt(sd**2 + look.pairs * of_sequences), margin or 0.0, look.pairs, look.better)
