"""The minutes of an answer: running time, summed over everything that was stopped and gone on with."""

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
TICK = 2.0  # seconds between two notes of what was spent; a kill loses as much at most
FOR_REPORT = 0.1  # of the minutes, for export and report
LEAST, MOST = 8.0, 60.0  # seconds for them, whatever the minutes; and never more than a third of these


@dataclass
class Granted:
    """Minutes that somebody gave."""

    minutes: float
    spent: float = 0.0  # seconds
    sitting: int = 0  # that they are for, from 1; 0: not known yet
    over: bool = False  # whether they ended in a report; otherwise the same command goes on with what is left of them


@dataclass
class Grants:
    """What ``clock.json`` holds: all minutes that were given, in their order."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    granted: list[Granted] = field(default_factory=list)


class Clock:
    """How much is left of the minutes that were given.

    Minutes that did not end in a report are gone on with, and may be more or fewer now; else these are new ones.

    Args:
        directory: of the answer.
        minutes: that are given now.
        began: when this process began to work for it, by ``time.monotonic()``.
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
        """That were given."""
        return 60 * self.now.minutes

    @property
    def spent(self) -> float:
        """Seconds of them that are gone."""
        return self._before + time.monotonic() - self._began

    @property
    def for_report(self) -> float:
        """Seconds that are kept for export and report."""
        return min(max(LEAST, min(MOST, FOR_REPORT * self.seconds)), self.seconds / 3)

    @property
    def left(self) -> float:
        """Seconds that runs may still take."""
        return self.seconds - self.for_report - self.spent

    def write(self) -> None:
        """Note what is spent."""
        self.now.spent = self.spent
        write_json(self.path, self.grants)

    def end(self) -> None:
        """Note that the report is written: whoever gives minutes again gives new ones."""
        self.now.over = True
        self.write()

    @contextmanager
    def ticking(self, tell: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Note what is spent, and tell it, every now and then while the block runs, and note it at its end."""

        def tick(over: threading.Event) -> None:
            while not over.wait(TICK):
                self.write()
                tell()

        try:
            with beside(tick):
                yield
        finally:
            self.write()
