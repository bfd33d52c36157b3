"""A clock for tests: time passes only when something works."""

import math
import random
import time
from collections.abc import Callable

import pytest


class FakeClock:
    """Time that passes only when a contender works: its own seconds, times the machine's slowness at the moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.draw = 0.0, random.Random(0)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def work(self, seconds: float, noise: float = 0.0) -> Callable[[], None]:
        """A step of so many seconds on a quiet machine."""

        def step() -> None:
            slow_minutes = 1 + 0.5 * (math.sin(self.now) > 0 and self.now > 1)
            self.now += seconds * slow_minutes * self.draw.lognormvariate(0, noise)

        return step
