"""Many verdicts as one family: which of them hold at a joint error rate of 5 %."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.statistics.looks import Look, planned_looks


@dataclass(frozen=True)
class Finding:
    """The test behind one verdict, at the verdict's look.

    Args:
        better: whether the verdict is "better"; False: "the same".
        p: p-value of its test: one-sided against the margin, or of the two one-sided tests.
        look: index of its look among the planned ones.
        looks: numbers of pairs at all of them.
    """

    better: bool
    p: float
    look: int
    looks: tuple[int, ...]

    def holds(self, share: int) -> bool:
        """Return whether the verdict holds at an error rate of 5 % / ``share``."""
        level: Look = planned_looks(self.looks, share)[self.look]
        return self.p < (level.better if self.better else level.same)


def holm_verdicts(tests: Sequence[Finding | None]) -> list[bool]:
    """Return which verdicts hold if any in the family may be wrong with a probability of at most 5 %.

    Holm's procedure ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979) over whole three-sided tests: the clearest of m verdicts must hold at 5 % / m, the next at 5 % / (m - 1), and
    so on, until one does not. One verdict of each three-sided test is true, so this is a step-down procedure with
    directional errors, which controls them for independent tests (Shaffer, "Control of directional errors with
    stagewise multiple test procedures", Annals of Statistics 8, 1980); simulated in ``python -m benchmarks.rates``.

    >>> holm_verdicts([Finding(True, 0.001, 0, (10,)), Finding(False, 0.03, 0, (10,)), None])
    [True, False, False]

    Args:
        tests: the test of every verdict in the family; None if neither "better" nor "the same" is claimed.
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
    """Return the largest share, up to ``size``, at which the verdict holds; 0 if it holds at none."""
    return next((share for share in range(size, 0, -1) if test.holds(share)), 0)
