"""Sittings: time added to a comparison without limit, with one look for a verdict in each.

A study fixes all its looks in advance (:mod:`src.statistics.looks`), which an open-ended comparison cannot do. So each
sitting has its own level, and the levels of all possible sittings sum to 5 %; each has one look, at a number of pairs
fixed by the first sitting. By the union bound, the verdicts of all sittings together err with a probability of at most
5 %, whenever they end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from src.statistics.decision import LEAST
from src.statistics.intervals import Interval, alike
from src.statistics.looks import Look
from src.statistics.power import ALPHA, BETTER, SAME, detectable

PRIOR = 0.3  # c^2 of the confidence sequence: sets the number of pairs at which it is narrowest
RUNNING = 0.8  # share of the time for trials and pairs; a tenth each is for the pilot, and for export and reserve
TRIALS = 4  # per model, at least
LEAST_CAP = 0.25  # with a smaller fraction of updates, networks answer another question: which one learns faster


@dataclass(frozen=True)
class Allocation:
    """What fits into the time of a sitting."""

    runs: int  # of full length, or limited by ``cap``
    pairs: int  # at the first look, one run of each model in each
    trials: int  # per model
    cap: float  # factor in (0, 1] that limits the updates of all models
    planned: bool  # whether there will be a verdict
    reason: str | None = None  # why there will be none


def share(sitting: int) -> float:
    """Return a sitting's share of the total level: (2/3) (1/3)^(sitting - 1), which sums to 1.

    >>> [round(share(sitting), 3) for sitting in (1, 2, 3)]
    [0.667, 0.222, 0.074]
    """
    return 2 / 3**sitting


def pairs_of(sitting: int, first: int) -> int:
    """Return the pairs at a sitting's look, including earlier ones; ``first``: those of the first sitting.

    >>> [pairs_of(sitting, 6) for sitting in (1, 2, 3)]
    [6, 12, 24]
    """
    return first * 2 ** (sitting - 1)


def look_of(sitting: int, first: int) -> Look:
    """Return the only look for a verdict in a sitting: its pairs and the levels of its tests, whatever its minutes.

    >>> look_of(2, 6).pairs, round(look_of(1, 6).better, 4), round(look_of(1, 6).same, 4)
    (12, 0.0167, 0.0333)
    """
    return Look(pairs_of(sitting, first), BETTER * share(sitting), SAME * share(sitting))


def confidence_sequence(differences: np.ndarray) -> Interval | None:
    """Return an interval of the mean difference that holds at all times at once with probability 0.95.

    d +- s sqrt(u (n - 1) / n) with u = (A - 1) / (1 - A c / (n + c)), A = (sqrt((n + c) / c) / 0.05)^(2 / n) and
    c = :data:`PRIOR`: Lai's mixture of t tests ("On confidence sequences", Annals of Statistics 4(2), 1976; Wang and
    Ramdas 2025, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"). It is too
    wide for decisions, which are made at looks.

    Args:
        differences: all complete pairs so far, (pairs,).

    Returns:
        None below two differences, or if the interval is unbounded.
    """
    n = len(differences)
    if n < 2:
        return None
    spread = (math.sqrt((n + PRIOR) / PRIOR) / ALPHA) ** (2 / n)
    room = 1 - spread * PRIOR / (n + PRIOR)
    if room <= 0:
        return None
    mean, sd = float(np.mean(differences)), 0.0 if alike(differences) else float(np.std(differences, ddof=1))
    half = sd * math.sqrt((spread - 1) / room * (n - 1) / n)
    return Interval(mean - half, mean + half, 1 - ALPHA, "confidence sequence (t mixture)")


def allocation(seconds: float, slots: int, run_seconds: float, models: int) -> Allocation:
    """Return how many pairs and trials fit into a first sitting.

    Of R runs three fifths are final ones and the rest trials, equally divided among models; with two models that is
    0.3 R pairs. There are at least :data:`~src.statistics.decision.LEAST` pairs and :data:`TRIALS` trials per model, so
    ten runs of each. If fewer fit, the updates of all models are limited equally, down to :data:`LEAST_CAP`; if that is
    not enough there will be no verdict, and trials take precedence over pairs.

    >>> allocation(600, 2, 48, 2)
    Allocation(runs=20, pairs=6, trials=4, cap=1.0, planned=True, reason=None)
    >>> allocation(600, 2, 96, 2).cap, allocation(60, 1, 24, 2).planned
    (0.5, False)

    Args:
        seconds: time of the whole sitting, including pilot and reserve.
        slots: number of runs at a time.
        run_seconds: duration of a full-length run, the median of the pilot's.
        models: number of models to compare.
    """
    least = (LEAST + TRIALS) * models
    fitting = RUNNING * seconds * slots / run_seconds
    cap = min(1.0, max(LEAST_CAP, fitting / least))
    runs = math.floor(fitting / cap + 1e-9)
    if runs < least:
        each = runs // models
        trials = min(TRIALS, each)
        reason = (
            f"{runs} runs fit, each with {LEAST_CAP:.0%} of its updates, but {least} are needed: {LEAST} pairs and "
            f"{TRIALS} trials per model"
        )
        return Allocation(runs, each - trials, trials, cap, planned=False, reason=reason)
    pairs = max(LEAST, 3 * runs // (5 * models))
    return Allocation(runs, pairs, (runs - pairs * models) // models, cap, planned=True)


def visible(sd: float, margin: float | None, look: Look) -> float | None:
    """Return the true difference that a look calls better with probability 0.8; None without spread.

    Args:
        sd: of the paired differences over seeds.
        margin: of practical equivalence.
        look: its pairs and levels.

    >>> round(visible(1.0, 0.0, look_of(1, 10)), 2)
    1.08
    """
    return detectable(sd, margin or 0.0, look.pairs, look.better)
