"""The time budget of an answer: running time, summed over interruptions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from src.config.background import beside
from src.runs.typed_json import CONFIG, from_plain, read_json, write_json

FILE = "clock.json"
TICK = 2.0  # seconds between two records of the time spent; a kill loses at most this much
FOR_REPORT = 0.1  # share of the minutes for export and report
LEAST, MOST = 8.0, 60.0  # bounds in seconds on that time, which is also at most a third of the minutes


@dataclass
class Granted:
    """Minutes granted by one command."""

    minutes: float
    spent: float = 0.0  # seconds
    sitting: int = 0  # the sitting they are for, from 1; 0: not known yet
    over: bool = False  # whether they ended in a report; otherwise the same command continues with the rest


@dataclass
class Grants:
    """The content of ``clock.json``: all minutes granted, in order."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    granted: list[Granted] = field(default_factory=list)


class Clock:
    """The remaining part of the minutes granted.

    Minutes that did not end in a report are continued, possibly with another total; otherwise these are new ones.

    Args:
        directory: of the answer.
        minutes: the minutes granted now.
        began: when this process started working on the answer, by ``time.monotonic()``.
    """

    def __init__(self, directory: Path, minutes: float, began: float) -> None:
        self.path = directory / FILE
        content = read_json(self.path, "the clock.json of an answer")
        self.grants = from_plain(Grants, content, self.path) if content else Grants()
        if not self.grants.granted or self.grants.granted[-1].over:
            self.grants.granted.append(Granted(minutes))
        self.now = self.grants.granted[-1]
        self.now.minutes = minutes
        self._before, self._began = self.now.spent, began

    @property
    def seconds(self) -> float:
        """The seconds granted."""
        return 60 * self.now.minutes

    @property
    def spent(self) -> float:
        """The seconds spent."""
        return self._before + time.monotonic() - self._began

    @property
    def for_report(self) -> float:
        """The seconds reserved for export and report."""
        return min(max(LEAST, min(MOST, FOR_REPORT * self.seconds)), self.seconds / 3)

    @property
    def left(self) -> float:
        """The seconds left for runs."""
        return self.seconds - self.for_report - self.spent

    def write(self) -> None:
        """Record the time spent."""
        self.now.spent = self.spent
        write_json(self.path, self.grants)

    def end(self) -> None:
        """Record that the report is written, so that minutes given later are new ones."""
        self.now.over = True
        self.write()

    @contextmanager
    def ticking(self, tell: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Record the time spent at intervals while the block runs, calling ``tell`` each time, and at its end."""

        def tick(over: threading.Event) -> None:
            while not over.wait(TICK):
                self.write()
                tell()

        try:
            with beside(tick):
                yield
        finally:
            self.write()
