"""Looks outside a plan: the numbers of pairs at which a comparison was shown, recorded next to its runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from src.analysis.flags import Flag, serious_first
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.runs.typed_json import from_plain, read_json, write_json

FILE = "looks.json"


@dataclass(frozen=True)
class Seen:
    """A number of complete pairs at which a comparison was shown, and the first time that happened (Unix time)."""

    pairs: int
    time: float


@dataclass
class Looked:
    """One comparison, with the numbers of pairs at which it was shown, in order of time."""

    data: str
    arm: str
    models: list[str]  # in alphabetical order
    metrics: list[str] = field(
        default_factory=list
    )  # shown so far; a look counts whatever the metric, because the runs are the same
    looks: list[Seen] = field(default_factory=list)


@dataclass
class Looks:
    """The file ``looks.json``."""

    comparisons: list[Looked] = field(default_factory=list)


def looked(summary: Summary, planned: Sequence[str], places: Sequence[Path], directory: Path) -> Summary:
    """Flag every comparison that is looked at again as serious, and record the looks next to the runs.

    Args:
        summary: the summary to be shown.
        planned: data sets whose looks a plan fixed, of which nothing is recorded.
        places: folders that were read or to which the records are written; each keeps all looks.
        directory: the report's folder, which keeps the looks if a place is not writable.

    Raises:
        UserError: a ``looks.json`` is damaged.
    """
    if summary.kind in ("study", "runs"):
        # Also in the runs' own folder, in case a different parent folder is given next time.
        places = [*places, *(Path(run.directory).parent for run in summary.runs if run.directory)]
    homes = dict.fromkeys(place.resolve() if _writable(place) else directory.resolve() for place in places)
    looks = _known(dict.fromkeys([*(place.resolve() for place in places), *homes]))
    tasks = [task if task.data in planned else _looked(task, looks) for task in summary.tasks]
    if looks.comparisons:
        for home in homes:
            write_json(home / FILE, looks)
    return replace(summary, tasks=tasks)


def _writable(place: Path) -> bool:
    there = place if place.exists() else place.parent
    return there.is_dir() and os.access(there, os.W_OK)


def _known(places: Iterable[Path]) -> Looks:
    """Merge the files of all places."""
    looks = Looks()
    for place in places:
        content = read_json(place / FILE, "the looks of a comparison")
        for one in from_plain(Looks, content, place / FILE).comparisons if content is not None else []:
            for seen in one.looks:
                _note(looks, replace(one, looks=[]), seen)
    return looks


def _note(looks: Looks, asked: Looked, seen: Seen) -> Looked:
    """Record a look, unless that number of pairs is already recorded, and return the comparison's record so far."""
    key = (asked.data, asked.arm, asked.models)
    known = next((one for one in looks.comparisons if (one.data, one.arm, one.models) == key), None)
    if known is None:
        looks.comparisons.append(known := asked)
    known.metrics = sorted({*known.metrics, *asked.metrics})
    if seen.pairs not in (other.pairs for other in known.looks):
        known.looks = sorted([*known.looks, seen], key=lambda look: look.time)
    return known


def _looked(task: Task, looks: Looks) -> Task:
    flags = [flag for c in task.comparisons if (flag := _look(task, c, looks)) is not None]
    return replace(task, flags=serious_first([*task.flags, *flags]))


def _look(task: Task, c: Comparison, looks: Looks) -> Flag | None:
    """Record what is shown, with or without a verdict, and flag it from the second number of pairs onwards."""
    if not c.n:
        return None
    asked = Looked(task.data, task.arm, sorted((c.a, c.b)), [task.metric])
    known = _note(looks, asked, Seen(c.n, time.time()))
    before = [str(seen.pairs) for seen in known.looks if seen.pairs != c.n]
    if not before:
        return None
    words = (
        f"This is look {len(before) + 1} at {c.a} against {c.b} (at {', '.join(before)} and now {c.n} pairs) outside a "
        f"plan, so the 5 % error rate no longer holds: fix study.looks or the number of pairs in advance."
    )
    return Flag("look", "serious", words, task.data, task.arm, [c.a, c.b])
