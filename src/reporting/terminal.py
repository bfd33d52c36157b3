"""A comparison in the terminal: verdicts first, then a table, then reasons for caution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.analysis.flags import serious_by_kind
from src.analysis.summary import Summary
from src.analysis.task import Task
from src.config.digits import three
from src.config.errors import counted
from src.config.screen import screen
from src.files import from_here
from src.statistics.intervals import Interval
from src.statistics.rounding import decimals, of_interval, span

MANY = 6  # largest number of files per folder to list by name
FLAGS = 8  # lines; the report has all of them


def show(summary: Summary, files: Sequence[Path], console: Any = None) -> None:
    """Print verdicts, table, flags and file locations on Rich's console or the terminal."""
    console = console or screen()
    for sentence in summary.answers():
        console.print(sentence, style="bold", markup=False, highlight=False)
    margins = [" ".join(task.about_margin) for task, c in summary.headline() if c.primary and task.about_margin]
    for sentence in [*margins, *summary.beside_the_verdicts(), *summary.other_verdicts()]:
        console.print(sentence, markup=False, highlight=False)
    console.print()
    console.print(_models(summary))
    console.print()
    console.print(_comparisons(summary))
    for line in [*summary.small_print[:1], *_remarks(summary)]:
        console.print(line, markup=False, highlight=False)
    for line in _places(files):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _models(summary: Summary) -> Any:
    table = _table("data", "model", right=("runs", "mean", "SD", "median", "parameters", "s to best"))
    table.title = _metrics(summary)
    for task in summary.tasks:
        digits = decimals(max((model.sd or 0.0 for model in task.models), default=0.0))
        for place, model in enumerate(task.models):
            seconds = model.cost.get("seconds_to_best")
            table.add_row(
                "" if place else _place(summary, task),
                model.model,
                str(model.n),
                *("" if v is None else f"{v:.{digits}f}" for v in (model.mean, model.sd, model.median)),
                f"{model.parameters['effective']:,}" if "effective" in model.parameters else "",
                three(seconds),
            )
    return table


def _comparisons(summary: Summary) -> Any:
    table = _table("data", "A : B", right=("pairs", "A ahead", "95 % interval", "P(A>B)", "p Holm"))
    table.title = f"{_metrics(summary)}; positive where A is better"
    for task in summary.tasks:
        for place, c in enumerate(task.comparisons):
            table.add_row(
                "" if place else _place(summary, task),
                f"{c.a} : {c.b}",
                str(c.n),
                "" if c.mean is None else f"{c.mean:.{of_interval(c.interval or c.t)}f}",
                span(c.interval) + _level(c.interval),
                "" if c.probability is None else f"{c.probability.estimate:.2f}",
                "" if c.wilcoxon is None or c.provisional else f"{c.wilcoxon.p_holm:.2g}",
                style=None if c.primary else "dim",
            )
    return table


def _level(interval: Interval | None) -> str:
    """Return the level of an interval in brackets, unless it is the 95 % of the column's heading."""
    return "" if interval is None or round(interval.level, 4) == 0.95 else f" ({100 * interval.level:.4g} %)"


def _metrics(summary: Summary) -> str:
    """Of all tables: metric and unit, by data set where they differ."""
    said = {task.label: f"{task.metric} ({task.unit})" if task.unit else task.metric for task in summary.tasks}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{label}: {metric}" for label, metric in said.items())


def _table(*left: str, right: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", title_justify="left", title_style="")
    for name in left:
        table.add_column(name, overflow="fold")  # in a narrow terminal names wrap, and numbers are never cut
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _place(summary: Summary, task: Task) -> str:
    return task.data if len({t.arm for t in summary.tasks}) == 1 else f"{task.data} {task.arm}"


def _places(files: Sequence[Path]) -> list[str]:
    """List the files written by folder, giving only their number for folders with many."""
    folders = dict[Path, list[str]]()
    for file in files:
        path = file.resolve()
        folders.setdefault(from_here(path.parent), []).append(file.name)
    named = {folder: ", ".join(names) for folder, names in folders.items() if len(names) <= MANY}
    return [f"{folder}: {named.get(folder, counted(len(names), 'file'))}" for folder, names in folders.items()]


def _remarks(summary: Summary) -> list[str]:
    flags = summary.all_flags()
    serious = serious_by_kind(flags)
    lines = [f"! {place + ': ' if place else ''}{sentence}" for place, sentence in serious[:FLAGS]]
    broken = [problem for problem in summary.problems if problem.kind not in ("stale", "duplicate")]
    lines += [f"! {problem.place}: {problem.sentence}" for problem in broken[:FLAGS]]
    further = [
        (len(serious) - FLAGS, "more serious flags"),
        (sum(flag.weight != "serious" for flag in flags), "lesser flags"),
        (len(summary.problems), "records that were not used"),
    ]
    said = ", ".join(f"{number} {words}" for number, words in further if number > 0)
    return [*lines, *([f"Also {said}: see the report."] if said else [])]
