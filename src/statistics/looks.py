"""Planned looks at a running study: the level of each, so that together they err no more often than one look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from src.statistics.power import BETTER, SAME

NODES = 300  # quadrature nodes between two looks
FAR = 9.0  # standard deviations beyond which the density is neglected


@dataclass(frozen=True)
class Look:
    """One look: its number of pairs, and the one-sided level of each of its tests."""

    pairs: int
    better: float = BETTER
    same: float = SAME


def planned_looks(pairs: Sequence[int], share: int = 1) -> list[Look]:
    """Return the looks of a plan with their levels; the last one is at the study's final number of pairs.

    Together they err with a probability of at most 5 % / ``share``.

    >>> [(look.pairs, round(look.better, 4)) for look in planned_looks([5, 10])]
    [(5, 0.0015), (10, 0.0245)]
    """
    better, same = (spending_levels(tuple(pairs), alpha / share) for alpha in (BETTER, SAME))
    return [Look(*look) for look in zip(pairs, better, same, strict=True)]


@lru_cache(maxsize=512)
def spending_levels(pairs: tuple[int, ...], alpha: float) -> list[float]:
    """Return nominal one-sided levels for looks at increasing numbers of pairs, by O'Brien-Fleming spending.

    At a fraction tau of all pairs the looks so far may have spent 2 (1 - Phi(z(1 - alpha/2) / sqrt(tau))) (Lan and
    DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70(3), 1983, alpha*_1). Each level follows
    from integrating the density of paths not stopped at earlier looks (Armitage, McPherson and Rowe, "Repeated
    significance tests on accumulating data", Journal of the Royal Statistical Society A 132(2), 1969). By simulation,
    the levels hold for p-values of t tests from three pairs on (docs/error_rates.md).
    """
    from scipy import stats

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    at, mass = np.zeros(1), np.ones(1)  # positions of the paths not yet stopped, and their probabilities
    levels, spent, previous = list[float](), 0.0, 0.0
    for tau in (number / pairs[-1] for number in pairs):
        allowed = 2 * float(stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(tau)))
        sd, edge = np.sqrt(tau - previous), FAR * np.sqrt(tau)
        bound = _bound(allowed - spent, at / sd, mass, edge / sd) * sd
        levels.append(float(stats.norm.sf(bound / np.sqrt(tau))))
        half = (bound + edge) / 2
        following = half * nodes + (bound - half)
        mass = half * weights * (stats.norm.pdf((following[:, None] - at) / sd) @ mass) / sd
        at, spent, previous = following, allowed, tau
    return levels


def _bound(share: float, at: np.ndarray, mass: np.ndarray, edge: float) -> float:
    """Return the bound exceeded by a share of the paths in the next step, whose standard deviation is 1."""
    from scipy import optimize, stats

    def excess(bound: float) -> float:
        return float(stats.norm.sf(bound - at) @ mass) - share

    return edge if excess(edge) >= 0 else float(optimize.brentq(excess, -edge, edge))
