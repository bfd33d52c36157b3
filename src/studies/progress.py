"""How far a study is: counted from its files alone, so that any shell can ask."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from omegaconf import OmegaConf

from src.config.errors import UserError
from src.runs.record import read_record
from src.runs.result import ENDED, RunResult
from src.runs.study_record import read_study
from src.studies.remarks import remarks
from src.studies.state import JobStatus, current_jobs
from src.tasks.metrics import Direction

REFRESH = 2.0  # seconds between two looks


@dataclass
class Row:
    """One model on one data set in one arm.

    Args:
        runs: how many there are of each status, of those that were interrupted or have not begun under ``planned``.
        best: the best validation value so far; None before the first.
        seconds: of the runs that are done.
    """

    runs: Counter[JobStatus] = field(default_factory=Counter)
    best: float | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Runs that have come to their end."""
        return sum(self.runs[status] for status in ENDED)


@dataclass
class Progress:
    """A study's state at one moment.

    Args:
        name: of the study.
        rows: by data set, arm and model.
        failed: id and sentence of each run that failed.
    """

    name: str
    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> Row:
        """All rows together, without a best value."""
        rows = self.rows.values()
        return Row(sum((row.runs for row in rows), Counter()), None, [s for row in rows for s in row.seconds])

    @property
    def seconds_left(self) -> float | None:
        """Of the runs that are planned so far, from those that are done; None where that cannot be told."""
        if not (total := self.total).seconds:
            return None
        rows = self.rows.values()
        work = sum((row.runs["planned"] + row.runs["running"]) * fmean(row.seconds or total.seconds) for row in rows)
        return work / max(1, total.runs["running"])


class Reader:
    """Reads the progress of the study in a directory again and again; a run that is done is read once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._done: dict[str, RunResult] = {}
        self._modes: dict[tuple[str, str, str], Direction] = {}

    def read(self) -> Progress:
        """The progress now.

        Raises:
            UserError: when the folder holds no study, or what it holds is damaged.
        """
        study = read_study(self.directory)
        if study is None:
            raise UserError(
                f"{self.directory} holds no study.json: study must name a folder of a study, e.g. study=smoke."
            )
        progress = Progress(study.name)
        for name, job in current_jobs(self.directory).items():
            place = job.data, job.arm, job.model
            row = progress.rows.setdefault(place, Row())
            try:
                record = self._record(name)
            except UserError as error:
                row.runs["failed"] += 1
                progress.failed[name] = str(error)
                continue
            status: JobStatus = "planned" if record is None or record.status == "interrupted" else record.status
            row.runs[status] += 1
            if record is None:
                continue
            if status == "failed":
                progress.failed[name] = record.error or ""
            elif status in ENDED:
                row.seconds.append(_seconds(record))
                mode = self._mode(place, self.directory / name)
                if mode and record.best is not None and math.isfinite(record.best.value):
                    better = max if mode == "max" else min
                    row.best = record.best.value if row.best is None else better(row.best, record.best.value)
        return progress

    def _record(self, name: str) -> RunResult | None:
        if name in self._done:
            return self._done[name]
        record = read_record(self.directory / name)
        if record is not None and record.ended_for_good:
            self._done[name] = record
        return record

    def _mode(self, place: tuple[str, str, str], run: Path) -> Direction | None:
        """Which way a row's monitored metric is better, from the config of one of its runs; None where that is gone."""
        if place not in self._modes and (config := run / "config.yaml").is_file():
            self._modes[place] = OmegaConf.load(config).task.mode
        return self._modes.get(place)


def _seconds(record: RunResult) -> float:
    """How long a run took: its training alone where several processes worked on it, with pauses between them."""
    if record.attempts == 1 and record.started is not None and record.ended is not None:
        return record.ended - record.started
    return record.timing.seconds


def table(progress: Progress) -> Any:
    """A rich table of a study's progress."""
    from rich.table import Table

    total, left = progress.total, progress.seconds_left
    arms = len({arm for _, arm, _ in progress.rows}) > 1
    words = "" if not left else f", {_duration(left)} left for what is planned so far"
    title = f"{progress.name}: {total.done} of {total.runs.total()} runs{words}"
    shown = Table(title=title, title_justify="left")
    for name in ("data", *(("arm",) if arms else ()), "model"):
        shown.add_column(name)
    for name in ("done", "running", "failed", "to do", "best validation"):
        shown.add_column(name, justify="right")
    for (data, arm, model), row in progress.rows.items():
        diverged = row.runs["diverged"]
        done = f"{row.done} ({diverged} diverged)" if diverged else f"{row.done}"
        others = (str(row.runs[status]) for status in ("running", "failed", "planned"))
        best = "" if row.best is None else f"{row.best:.4g}"
        shown.add_row(data, *((arm,) if arms else ()), model, done, *others, best)
    return shown


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "under a minute"


@contextmanager
def showing(directory: Path) -> Iterator[None]:
    """Show the study's table while the block runs: live on a terminal, else a line now and then; whole at the end."""
    from rich.console import Console

    reader, console = Reader(directory), Console()
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(reader, console, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        progress = reader.read()
        console.print(table(progress))
        for sentence in remarks(directory):
            print(sentence)
        for name, sentence in progress.failed.items():
            print(f"failed: {directory / name}: {sentence}", file=sys.stderr)
        place = directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory
        print(f"{place}\ngatebench compare study={place}")


def _show(reader: Reader, console: Any, over: threading.Event) -> None:
    from rich.live import Live

    told, last = -1, 0.0
    live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext():
        while not over.wait(REFRESH):
            progress = reader.read()
            done, planned = progress.total.done, progress.total.runs.total()
            if live:
                live.update(table(progress), refresh=True)
            elif planned and done != told and time.monotonic() - last > 30:
                told, last = done, time.monotonic()
                print(f"{progress.name}: {done} of {planned} runs", flush=True)
