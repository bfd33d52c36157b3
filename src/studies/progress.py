"""How far a study is: counted from its files alone, so that any shell can ask."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from src.config.errors import UserError
from src.runs.record import read_record
from src.studies.remarks import remarks
from src.studies.state import read_planned, read_study

REFRESH = 2.0  # seconds between two looks


@dataclass
class Row:
    """One model on one data set in one arm.

    Args:
        done, running, failed, planned: runs.
        diverged: of those done.
        best: the best validation value so far; None before the first.
        seconds: of the runs that are done.
    """

    done: int = 0
    diverged: int = 0
    running: int = 0
    failed: int = 0
    planned: int = 0
    best: float | None = None
    seconds: list[float] = field(default_factory=list)


@dataclass
class Progress:
    """A study's state at one moment.

    Args:
        name: of the study.
        rows: by data set, arm and model.
        seconds_left: of the runs that are planned so far, from those that are done; None where that cannot be told.
        failed: id and sentence of each run that failed.
    """

    name: str
    rows: dict[tuple[str, str, str], Row]
    seconds_left: float | None
    failed: dict[str, str]


class Reader:
    """Reads a study's progress again and again; a run that is done is read once.

    >>> # Reader(Path("runs/smoke")).read().rows
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._done: dict[str, dict[str, Any]] = {}

    def read(self) -> Progress:
        """The progress now.

        Raises:
            UserError: when the folder holds no study.
        """
        study = read_study(self.directory)
        if study is None:
            raise UserError(
                f"{self.directory} holds no study.json: study must name a folder of a study, e.g. study=smoke."
            )
        rows: dict[tuple[str, str, str], Row] = {}
        failed: dict[str, str] = {}
        for name, job in read_planned(self.directory).items():
            row = rows.setdefault((job["data"], job["arm"], job["model"]), Row())
            record = self._record(name)
            status = record.get("status", "planned")
            if status in ("finished", "diverged"):
                row.done += 1
                row.diverged += status == "diverged"
                row.seconds.append(record["ended"] - record["started"] if record["attempts"] == 1 else _trained(record))
                value = record.get("best", {}).get("value")
                if isinstance(value, int | float):
                    better = max if record.get("study_job", {}).get("mode") == "max" else min
                    row.best = value if row.best is None else better(row.best, value)
            elif status == "running":
                row.running += 1
            elif status == "failed":
                row.failed += 1
                failed[name] = str(record.get("error", ""))
            else:
                row.planned += 1
        return Progress(str(study["name"]), rows, _left(rows), failed)

    def _record(self, name: str) -> dict[str, Any]:
        if name in self._done:
            return self._done[name]
        try:
            record = read_record(self.directory / name) or {}
        except UserError as error:
            return {"status": "failed", "error": str(error)}
        if record.get("status") in ("finished", "diverged"):
            self._done[name] = record
        return record


def _trained(record: dict[str, Any]) -> float:
    return float(record.get("timing", {}).get("seconds", 0.0))


def _left(rows: dict[tuple[str, str, str], Row]) -> float | None:
    everything = [s for row in rows.values() for s in row.seconds]
    if not everything:
        return None
    still = sum((row.planned + row.running) * fmean(row.seconds or everything) for row in rows.values())
    return still / max(1, sum(row.running for row in rows.values()))


def table(progress: Progress) -> Any:
    """A rich table of a study's progress."""
    from rich.table import Table

    total = Row()
    for row in progress.rows.values():
        for key in ("done", "diverged", "running", "failed", "planned"):
            setattr(total, key, getattr(total, key) + getattr(row, key))
    arms = len({arm for _, arm, _ in progress.rows}) > 1
    left = progress.seconds_left
    words = "" if not left else f", {_duration(left)} left for what is planned so far"
    planned = total.done + total.running + total.failed + total.planned
    made = Table(title=f"{progress.name}: {total.done} of {planned} runs{words}", title_justify="left")
    for name in ("data", *(("arm",) if arms else ()), "model"):
        made.add_column(name)
    for name in ("done", "running", "failed", "to do", "best validation"):
        made.add_column(name, justify="right")
    for (data, arm, model), row in progress.rows.items():
        done = f"{row.done}" + (f" ({row.diverged} diverged)" if row.diverged else "")
        best = "" if row.best is None else f"{row.best:.4g}"
        made.add_row(
            data, *((arm,) if arms else ()), model, done, *map(str, (row.running, row.failed, row.planned)), best
        )
    return made


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "under a minute"
    )


@contextmanager
def showing(directory: Path) -> Iterator[None]:
    """Show the study's table while the block runs: live on a terminal, else a line now and then; whole at the end."""
    from rich.console import Console

    reader, console = Reader(directory), Console()
    over = threading.Event()
    thread = threading.Thread(
        target=_live if console.is_terminal else _lines, args=(reader, console, over), daemon=True
    )
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


def _live(reader: Reader, console: Any, over: threading.Event) -> None:
    from rich.live import Live

    with Live(console=console, transient=True, auto_refresh=False) as live:
        while not over.wait(REFRESH):
            live.update(table(reader.read()), refresh=True)


def _lines(reader: Reader, console: Any, over: threading.Event) -> None:
    told, last = -1, 0.0
    while not over.wait(REFRESH):
        progress = reader.read()
        done = sum(row.done for row in progress.rows.values())
        planned = done + sum(row.running + row.failed + row.planned for row in progress.rows.values())
        if planned and done != told and time.monotonic() - last > 30:
            told, last = done, time.monotonic()
            print(f"{progress.name}: {done} of {planned} runs", flush=True)
