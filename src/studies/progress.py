"""Progress of a study, determined from its files alone, so that any shell can show it."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from src.config.background import beside
from src.config.digits import three
from src.config.errors import UserError
from src.config.screen import screen
from src.files import from_here
from src.runs.config_file import read_plain
from src.runs.record import read_record
from src.runs.result import RunResult
from src.runs.study_record import PLANNED, no_study, read_study, written_anew
from src.studies.remarks import remarks
from src.studies.state import JobStatus, current_jobs
from src.tasks.metrics import Direction

REFRESH = 2.0  # seconds between two looks


@dataclass
class Row:
    """One model on one data set in one arm."""

    runs: Counter[JobStatus] = field(default_factory=Counter)  # interrupted ones count as planned
    ended: list[RunResult] = field(default_factory=list)  # records of finished runs
    mode: Direction | None = None  # better direction of the monitored metric; None if no config has it

    @property
    def best(self) -> float | None:
        """The best validation value so far, if any."""
        values = [record.best.value for record in self.ended if record.best and math.isfinite(record.best.value)]
        return None if self.mode is None else (max if self.mode == "max" else min)(values, default=None)

    @property
    def monitor(self) -> str:
        """The metric of :attr:`best`, without its split; empty before the first finished run."""
        return next((record.best.monitor.removeprefix("val/") for record in self.ended if record.best), "")

    @property
    def seconds(self) -> list[float]:
        """Durations of the finished runs."""
        return [record.took for record in self.ended]


@dataclass
class Progress:
    """A study's state at one moment."""

    name: str
    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)  # by data set, arm and model
    ended: dict[str, RunResult] = field(default_factory=dict)  # by id, in planned order
    failed: dict[str, str] = field(default_factory=dict)  # id and message of each failed run

    @property
    def runs(self) -> Counter[JobStatus]:
        """Number of runs with each status."""
        return sum((row.runs for row in self.rows.values()), Counter())

    @property
    def seconds_left(self) -> float | None:
        """Estimated time for the runs planned so far, from finished ones; None if not estimable."""
        if not self.ended:
            return None
        usual = fmean(record.took for record in self.ended.values())
        rows = self.rows.values()
        work = sum((row.runs["planned"] + row.runs["running"]) * fmean(row.seconds or [usual]) for row in rows)
        return work / max(1, self.runs["running"])


class Reader:
    """Reads the progress of a study repeatedly; finished runs are read only once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ended: dict[str, RunResult] = {}
        self._modes: dict[tuple[str, str, str], Direction] = {}

    def read(self) -> Progress:
        """Return the current progress.

        Raises:
            UserError: the folder does not contain a study, or its files are damaged.
        """
        study = read_study(self.directory)
        if study is None:
            raise no_study(self.directory)
        progress = Progress(study.name)
        jobs = current_jobs(self.directory)
        if not jobs:
            self._refuse_runs_without_plan()
        for name, job in jobs.items():
            place = job.data, job.arm, job.model
            row = progress.rows.setdefault(place, Row())
            try:
                record = self._ended.get(name) or read_record(self.directory / name)
            except UserError as error:
                row.runs["failed"] += 1
                progress.failed[name] = str(error)
                continue
            status: JobStatus = "planned" if record is None or record.status == "interrupted" else record.status
            row.runs[status] += 1
            if record is not None and record.ended_for_good:
                self._ended[name] = progress.ended[name] = record
                row.ended.append(record)
                if place not in self._modes and (config := self.directory / name / "config.yaml").is_file():
                    try:
                        self._modes[place] = read_plain(config)["task"]["mode"]
                    except (UserError, KeyError) as error:
                        progress.failed[name] = str(error)
                row.mode = self._modes.get(place)
            elif record is not None and status == "failed":
                progress.failed[name] = record.error or ""
        return progress

    def _refuse_runs_without_plan(self) -> None:
        runs = sum(1 for _ in self.directory.glob("*/result.json"))
        if runs and not (self.directory / PLANNED).is_file():
            raise UserError(
                f"{self.directory / PLANNED} is missing, although runs exist ({runs}); {written_anew(self.directory)}"
            )


def table(progress: Progress) -> Any:
    """Return a Rich table of a study's progress, or a sentence before the first run is planned."""
    from rich.table import Table

    if not progress.rows:
        return f"{progress.name}: no run of the current plan has been planned yet."
    runs, left = progress.runs, progress.seconds_left
    arms = len({arm for _, arm, _ in progress.rows}) > 1
    words = "" if not left else f", {_duration(left)} left for the runs planned so far"
    title = f"{progress.name}: {len(progress.ended)} of {runs.total()} runs{words}"
    shown = Table(title=title, title_justify="left")
    for name in ("data", *(("arm",) if arms else ()), "model"):
        shown.add_column(name)
    for name in ("done", "running", "failed", "to do", "best validation"):
        shown.add_column(name, justify="right")
    for (data, arm, model), row in progress.rows.items():
        diverged = row.runs["diverged"]
        done = f"{len(row.ended)} ({diverged} diverged)" if diverged else f"{len(row.ended)}"
        others = (str(row.runs[status]) for status in ("running", "failed", "planned"))
        shown.add_row(data, *((arm,) if arms else ()), model, done, *others, f"{three(row.best)} {row.monitor}")
    return shown


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "under a minute"


@contextmanager
def showing(directory: Path) -> Iterator[None]:
    """Show the study's table while the block runs: live in a terminal, else as lines; the full table at the end."""
    reader, console = Reader(directory), screen()
    try:
        with beside(partial(_show, reader, console)):
            yield
    finally:
        with suppress(UserError):  # damaged records are reported later; the block's own exception takes precedence
            _conclude(directory, reader.read(), console)


def _conclude(directory: Path, progress: Progress, console: Any) -> None:
    console.print(table(progress))
    for sentence in remarks(directory, progress.ended):
        print(sentence)
    for name, sentence in progress.failed.items():
        print(f"failed: {directory / name}: {sentence}", file=sys.stderr)
    place = from_here(directory)
    print(f"{place}\nnext: gatebench compare study={place}")


def _show(reader: Reader, console: Any, over: threading.Event) -> None:
    from rich.live import Live

    told, last = -1, 0.0
    live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext():
        while not over.wait(REFRESH):
            try:
                progress = reader.read()
            except UserError:
                continue  # reported at the end if it persists
            done, planned = len(progress.ended), progress.runs.total()
            if live:
                live.update(table(progress), refresh=True)
            elif planned and done != told and time.monotonic() - last > 30:
                told, last = done, time.monotonic()
                print(f"{progress.name}: {done} of {planned} runs", flush=True)
