"""A summary as tables of words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

from src.analysis.summary import Flag, Model, Run, Summary, Task
from src.reporting.page.words import (
    NOTHING,
    duration,
    moment,
    number,
    place,
    setting,
    values_in_words,
)


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    >>> Cell("8.5").link is None
    True

    Args:
        text: what stands there.
        link: where it leads.
        anchor: name by which others lead here.
        code: a command, path or id.
        sort: what its column is sorted by; None: the text.
    """

    text: str
    link: str | None = None
    anchor: str | None = None
    code: bool = False
    sort: float | None = None


@dataclass(frozen=True)
class Table:
    """A table with its caption; the first field of every row is its heading.

    >>> Table("Cost", ["model"], [[Cell("gru")]]).rows[0][0].text
    'gru'

    Args:
        caption: what it shows, and how to read it.
        columns: headings.
        rows: fields by row.
        long: so many rows that the page offers to filter and sort it.
    """

    caption: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    long: bool = False


def cost_table(task: Task) -> Table | None:
    """What every model cost on one task; None where no run says."""
    if all(value is None for m in task.models for value in (*m.cost.values(), *m.parameters.values())):
        return None
    columns = ["model", "hidden size", "effective parameters", "recurrent", "total", "per epoch", "to the best epoch"]
    columns += ["whole run", "epochs", "updates", "peak memory (MB)", "on a shared machine", "kernels"]
    return Table(
        f"{place(task)}: what a run cost, medians over the final runs. Times of runs that shared the machine are in "
        "them and say less; how fast a layer is, benchmarks.steps measures.",
        columns,
        [_cost_row(m) for m in task.models],
    )


def _cost_row(m: Model) -> list[Cell]:
    size = "×".join(map(str, m.hidden_size)) if isinstance(m.hidden_size, list) else m.hidden_size
    times = [duration(m.cost.get(key)) for key in ("seconds_per_epoch", "seconds_to_best", "seconds")]
    backends = ", ".join(f"{name} ({n})" for name, n in m.backends.items()) or NOTHING
    rest = [m.cost.get("epochs"), m.cost.get("updates"), m.cost.get("peak_rss_mb"), m.shared, backends]
    sizes = [size, *(m.parameters.get(key) for key in ("effective", "recurrent", "total"))]
    return row(m.model, *sizes, *times, *rest)


def flag_table(summary: Summary) -> Table | None:
    """Every reason to distrust a comparison, the serious ones first; None where there is none."""
    flags = sorted(all_flags(summary), key=lambda flag: flag.weight != "serious")
    if not flags:
        return None
    rows = [
        [
            Cell("serious" if f.weight == "serious" else "note"),
            Cell(f.kind),
            Cell(f.sentence),
            Cell(", ".join(filter(None, [f.data or "all", f.arm if f.arm != "main" else None]))),
            Cell(_first(f.runs), code=True),
        ]
        for f in flags
    ]
    return Table("Reasons to read the answer with care.", ["weight", "kind", "what", "data", "runs"], rows)


def all_flags(summary: Summary) -> list[Flag]:
    """Those of the study and those of its tasks."""
    return [*summary.flags, *(flag for task in summary.tasks for flag in task.flags)]


def problem_table(summary: Summary) -> Table | None:
    """What was found and could not be counted, or not in full; None where there is nothing."""
    rows = [[Cell(p.kind), Cell(p.place, code=True), Cell(p.sentence)] for p in summary.problems]
    return (
        Table("Found, and not counted (incomplete: counted without what is named).", ["kind", "where", "what"], rows)
        if rows
        else None
    )


def tuning_table(summary: Summary) -> Table | None:
    """What was chosen for every model, from how many trials; None where nothing was tuned."""
    rows = []
    for t in summary.tuning:
        ranges = "; ".join(
            f"{setting(key)} {number(ends[0])} to {number(ends[1])}" for key, ends in t.ranges.items() if len(ends) >= 2
        )
        arm = t.arm if t.arm != "main" else None
        for model, count in t.counts.items():
            candidates = "; ".join(
                f"{values_in_words(c.get('values', {}))}: {number(c.get('value'))} (n = {len(c.get('runs', []))})"
                for c in t.candidates.get(model, [])
            )
            extended = "; ".join(_extension(e) for e in t.extensions) or "no"
            chosen = values_in_words(t.chosen.get(model, {}))
            data = ", ".join(filter(None, [t.data, arm]))
            rows.append(row(data, model, count, chosen, candidates or NOTHING, ranges or NOTHING, extended))
    columns = ["data", "model", "trials", "chosen", "repeated candidates (mean on validation)", "range", "extended"]
    metric = next((f" on {t.metric}" for t in summary.tuning if t.metric), "")
    return (
        Table(f"Trials, candidates and choices{metric}; the test data had no part in it.", columns, rows)
        if rows
        else None
    )


def _extension(e: dict[str, object]) -> str:
    because = e.get("because")
    model = because.get("model") if isinstance(because, dict) else None
    words = f"{setting(str(e.get('key')))} at the {e.get('side')} end"
    return f"{words}, where {model} had its optimum" if model else words


def change_table(summary: Summary) -> Table | None:
    """How the plan changed; None where it did not."""
    if not summary.plan or not summary.plan.changes:
        return None
    rows = [
        row(
            moment(c.get("time")),
            ", ".join(map(str, c.get("keys", []))) or NOTHING,
            "after the registration" if c.get("after") else "before it",
            f"{c.get('from')} to {c.get('to')}",
        )
        for c in summary.plan.changes
    ]
    return Table("Changes of the plan.", ["when", "keys", "registered", "hash"], rows)


def left_out_table(summary: Summary) -> Table | None:
    """Which models were left out where, and why; None where none was."""
    rows = [[Cell(str(x.get(key, NOTHING))) for key in ("model", "data", "reason")] for x in _left_out(summary)]
    return Table("Left out.", ["model", "data", "reason"], rows) if rows else None


def _left_out(summary: Summary) -> list[dict[str, object]]:
    return summary.plan.left_out if summary.plan else []


def run_table(summary: Summary) -> Table:
    """Every run that was found, with its directory, wandb id and command."""
    metrics = list(dict.fromkeys(task.metric for task in summary.tasks))
    monitors = list(dict.fromkeys(str(r.best["monitor"]) for r in summary.runs if r.best.get("monitor")))
    shown = [*metrics, *(m for m in monitors if m not in metrics)]
    columns = ["run", "model", "data", "phase", "seed", "status", *shown, "tuned", "best epoch", "time", "commit"]
    rows = [_run_row(run, shown) for run in summary.runs]
    wandb = "" if summary.kind == "table" else " The id is the run's name on wandb too."
    return Table(
        f"All {len(summary.runs)} runs.{wandb}",
        [*columns, "directory", "command"],
        rows,
        long=len(rows) > 12,
    )


def _run_row(run: Run, metrics: Iterable[str]) -> list[Cell]:
    link = run.url if run.url and run.url.startswith(("https://", "http://")) else None
    data = run.data if run.arm == "main" else f"{run.data}, {run.arm}"
    status = f"{run.status}: {run.error}" if run.error else run.status
    if run.timing.get("shared"):
        status += ", shared machine"
    seconds = run.timing.get("seconds")
    commit = str(run.git.get("commit") or NOTHING)[:8] + ("" if run.git.get("clean", True) else ", changed")
    cells = [Cell(run.id, link=link, anchor=f"run-{run.id}", code=True), Cell(run.model), Cell(data)]
    cells += [Cell(run.phase or NOTHING), Cell(str(run.seed), sort=run.seed), Cell(status)]
    cells += [_number(run.metrics.get(name)) for name in metrics]
    cells += [Cell(values_in_words(run.values)), _number(run.best.get("epoch"))]
    cells += [Cell(duration(seconds), sort=seconds), Cell(commit, code=True)]
    directory = PurePath(run.directory).as_posix() if run.directory else NOTHING
    return [*cells, Cell(directory, code=True), Cell(run.command or NOTHING, code=True)]


def row(head: str, *values: object) -> list[Cell]:
    """A heading and fields: words as they are, numbers with four digits, a dash for None."""
    return [Cell(head), *(Cell(v) if isinstance(v, str) else _number(v) for v in values)]


def _number(value: object) -> Cell:
    return Cell(number(value), sort=float(value) if isinstance(value, int | float) else None)


def _first(runs: list[str], most: int = 6) -> str:
    return ", ".join(runs[:most]) + (f" and {len(runs) - most} more" if len(runs) > most else "") or NOTHING
