"""The tables of a whole summary: flags, problems, tuning, the plan, all runs. A table without rows is not shown."""

from __future__ import annotations

from pathlib import PurePath

from src.analysis.flags import serious_first
from src.analysis.run import Run
from src.analysis.summary import Summary
from src.analysis.tuning import Tuning
from src.reporting.page.cells import Cell, Table, number_cell, row
from src.reporting.page.words import NOTHING, duration, moment, number, setting, values_in_words
from src.runs.study_record import Extension

LONG = 12  # rows, from which the page offers to filter and sort them


def flag_table(summary: Summary) -> Table:
    """Every reason to distrust a comparison, the serious ones first."""
    rows = [
        [Cell(f.weight), Cell(f.kind), Cell(f.sentence), Cell(_where(f.data or "all", f.arm)), _first(f.runs)]
        for f in serious_first(summary.all_flags())
    ]
    return Table("Reasons to read the answer with care.", ["weight", "kind", "what", "data", "runs"], rows)


def problem_table(summary: Summary) -> Table:
    """What could not be counted, or not in full."""
    rows = [[Cell(p.kind), Cell(p.place, code=True), Cell(p.sentence)] for p in summary.problems]
    caption = "Found, and not counted (incomplete: counted without what is named)."
    return Table(caption, ["kind", "where", "what"], rows)


def tuning_table(summary: Summary) -> Table:
    """What was chosen for every model, from how many trials."""
    rows = [_tuning_row(tuning, model) for tuning in summary.tuning for model in tuning.counts]
    columns = ["data", "model", "trials", "chosen", "repeated candidates (mean on validation)", "range", "extended"]
    metric = next((f" on {t.metric}" for t in summary.tuning if t.metric), "")
    return Table(f"Trials, candidates and choices{metric}; the test data had no part in it.", columns, rows)


def _tuning_row(t: Tuning, model: str) -> list[Cell]:
    candidates = [
        f"{values_in_words(c.values)}: {number(c.value)} (n = {len(c.runs)})" for c in t.candidates.get(model, [])
    ]
    ranges = [f"{setting(key)} {number(low)} to {number(high)}" for key, (low, high) in t.ranges.items()]
    return row(
        _where(t.data, t.arm),
        model,
        t.counts[model],
        values_in_words(t.chosen.get(model, {})),
        "; ".join(candidates) or NOTHING,
        "; ".join(ranges) or NOTHING,
        "; ".join(map(_extension, t.extensions)) or "no",
    )


def _extension(e: Extension) -> str:
    return f"{setting(e.key)} at the {e.side} end, where {e.because.model} had its optimum"


def change_table(summary: Summary) -> Table:
    """How the plan changed."""
    rows = [
        row(
            moment(change.time),
            ", ".join(change.keys) or NOTHING,
            "after the registration" if change.late else "before it",
            f"{change.before} to {change.now}",
        )
        for change in (summary.plan.changes if summary.plan else [])
    ]
    return Table("Changes of the plan.", ["when", "keys", "registered", "hash"], rows)


def left_out_table(summary: Summary) -> Table:
    """Which models were left out where, and why."""
    left_out = summary.plan.left_out if summary.plan else []
    rows = [row(left.model, left.data, left.reason) for left in left_out]
    return Table("Left out.", ["model", "data", "reason"], rows)


def run_table(summary: Summary) -> Table:
    """Every run, with its directory, wandb id and command."""
    metrics = [task.metric for task in summary.tasks] + [run.best.monitor for run in summary.runs if run.best]
    shown = list(dict.fromkeys(metrics))
    columns = ["run", "model", "data", "phase", "seed", "status", *shown, "tuned", "best epoch", "time", "commit"]
    rows = [_run_row(run, shown) for run in summary.runs]
    wandb = "" if summary.kind == "table" else " The id is the run's name on wandb too."
    return Table(
        f"All {len(summary.runs)} runs.{wandb}", [*columns, "directory", "command"], rows, long=len(rows) > LONG
    )


def _run_row(run: Run, metrics: list[str]) -> list[Cell]:
    link = run.url if run.url and run.url.startswith(("https://", "http://")) else None
    shared = ", shared machine" if run.timing.shared else ""
    seconds = run.timed.seconds if run.timed else None
    return [
        Cell(run.id, link=link, anchor=f"run-{run.id}", code=True),
        Cell(run.model),
        Cell(_where(run.data_name, run.arm)),
        Cell(run.phase or NOTHING),
        Cell(str(run.seed), sort=run.seed),
        Cell((f"{run.status}: {run.error}" if run.error else run.status) + shared),
        *(number_cell(run.metrics.get(name)) for name in metrics),
        Cell(values_in_words(run.values)),
        number_cell(run.best.epoch if run.best else None),
        Cell(duration(seconds), sort=seconds),
        Cell((run.git.commit or NOTHING)[:8] + (", changed" if run.git.clean is False else ""), code=True),
        Cell(PurePath(run.directory).as_posix() if run.directory else NOTHING, code=True),
        Cell(run.command_line or NOTHING, code=True),
    ]


def _where(data: str, arm: str | None) -> str:
    return data if arm in ("main", None) else f"{data}, {arm}"


def _first(runs: list[str], most: int = 6) -> Cell:
    more = f" and {len(runs) - most} more" if len(runs) > most else ""
    return Cell(", ".join(runs[:most]) + more or NOTHING, code=True)
