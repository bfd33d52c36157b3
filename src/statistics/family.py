"""Many verdicts together: which of them still stand where the whole family may err in 5 % only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.statistics.looks import Look, planned_looks


@dataclass(frozen=True)
class Finding:
    """The test behind one verdict, at the look that the verdict is of.

    Args:
        better: whether it says "better"; False: "the same".
        p: of its test: one-sided against the margin, or of the two one-sided tests.
        look: place of its look among those that were planned.
        looks: numbers of pairs of all of them.
    """

    better: bool
    p: float
    look: int
    looks: tuple[int, ...]

    def holds(self, share: int) -> bool:
        """Whether the verdict stands where it may be wrong with a probability of 5 % / ``share`` only."""
        level: Look = planned_looks(self.looks, share)[self.look]
        return self.p < (level.better if self.better else level.same)


def holm_verdicts(tests: Sequence[Finding | None]) -> list[bool]:
    """Which verdicts stand so that any of the whole family is wrong with probability 5 % at most.

    Holm's steps ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979)
    over whole three-sided tests: the clearest of m verdicts must stand at 5 % / m, the next at 5 % / (m - 1), and so
    on, until one does not. Of each three-sided test one verdict is true, so that the step-down is one with directional
    errors; it controls them for independent tests (Shaffer, "Control of directional errors with stagewise multiple test
    procedures", Annals of Statistics 8, 1980), here by simulation too (``python -m benchmarks.rates``).

    >>> holm_verdicts([Finding(True, 0.001, 0, (10,)), Finding(False, 0.03, 0, (10,)), None])
    [True, False, False]

    Args:
        tests: of every verdict of the family; None where neither "better" nor "the same" is said.
    """
    size = len(tests)
    strictest = [0 if test is None else _strictest(test, size) for test in tests]
    stands = [False] * size
    for step, place in enumerate(sorted(range(size), key=lambda i: -strictest[i])):
        if strictest[place] < size - step:
            break
        stands[place] = True
    return stands


def _strictest(test: Finding, size: int) -> int:
    """The largest share, up to ``size``, at which it holds; 0 where it does at none."""
    return next((share for share in range(size, 0, -1) if test.holds(share)), 0)
