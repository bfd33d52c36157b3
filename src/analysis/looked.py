"""Looks outside a plan: at how many pairs a comparison was decided so far, kept beside its report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from src.analysis.flags import Flag, serious_first
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.runs.typed_json import from_plain, read_json, write_json

FILE = "looks.json"


@dataclass(frozen=True)
class Seen:
    """A number of complete pairs at which a verdict was printed, and when it was for the first time (Unix time)."""

    pairs: int
    time: float


@dataclass
class Looked:
    """One comparison of one metric, with the numbers of pairs that it was looked at with, in their order."""

    data: str
    arm: str
    models: list[str]  # in alphabetical order
    metric: str
    looks: list[Seen] = field(default_factory=list)


@dataclass
class Looks:
    """The file ``looks.json``."""

    comparisons: list[Looked] = field(default_factory=list)


def looked(summary: Summary, planned: Sequence[str], directory: Path) -> Summary:
    """The summary with a serious flag on every comparison that is looked at again, and the looks kept in a directory.

    Args:
        summary: whose verdicts are printed next.
        planned: data sets whose looks a plan fixed: nothing is kept of them.
        directory: of the report.

    Raises:
        UserError: the ``looks.json`` there is damaged.
    """
    path = directory / FILE
    content = read_json(path, "the looks of a comparison")
    looks = Looks() if content is None else from_plain(Looks, content, path)
    tasks = [task if task.data in planned else _looked(task, looks) for task in summary.tasks]
    if looks.comparisons:
        write_json(path, looks)
    return replace(summary, tasks=tasks)


def _looked(task: Task, looks: Looks) -> Task:
    flags = [flag for c in task.comparisons if (flag := _look(task, c, looks)) is not None]
    return replace(task, flags=serious_first([*task.flags, *flags]))


def _look(task: Task, c: Comparison, looks: Looks) -> Flag | None:
    """Note a verdict, and the flag on it from the second number of pairs on; without a verdict there is no look."""
    if c.verdict is None or c.verdict.outcome == "no verdict":
        return None
    asked = Looked(task.data, task.arm, sorted((c.a, c.b)), task.metric)
    known = next((one for one in looks.comparisons if replace(one, looks=[]) == asked), None)
    if known is None:
        looks.comparisons.append(known := asked)
    if c.n not in (seen.pairs for seen in known.looks):
        known.looks.append(Seen(c.n, time.time()))
    before = [str(seen.pairs) for seen in known.looks if seen.pairs != c.n]
    if not before:
        return None
    words = (
        f"This is look {len(before) + 1} at {c.a} against {c.b} (at {', '.join(before)} and now {c.n} pairs) outside a "
        f"plan: its 5 % no longer holds; fix study.looks beforehand, or the number of pairs, and compare once."
    )
    return Flag("look", "serious", words, task.data, task.arm, [c.a, c.b])
