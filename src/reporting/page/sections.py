"""What stands below the figures: tables, the plan, commands, what would change the conclusion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from src.analysis.summary import Across, Plan, Summary
from src.reporting.page import statistics, tables
from src.reporting.page.words import NOTHING, moment, number, place

BESIDE = "Beside this page lie the figures as SVG and PNG (figures/), and summary.json, runs.csv and pairs.csv."


@dataclass(frozen=True)
class Section:
    """A part of the page below the figures.

    >>> Section("cost", "Cost").tables
    []

    Args:
        id: its anchor.
        heading: its heading.
        paragraphs: text.
        tables: tables.
        details: (summary, text) that opens when asked.
        lists: (heading, sentences).
        commands: ``command`` and what it ``does``.
    """

    id: str
    heading: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[tables.Table] = field(default_factory=list)
    details: list[tuple[str, str]] = field(default_factory=list)
    lists: list[tuple[str, list[str]]] = field(default_factory=list)
    commands: list[dict[str, str]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.paragraphs or self.tables or self.details or self.lists or self.commands)


def sections(summary: Summary) -> list[Section]:
    """Everything below the figures that there is something of, in order."""
    sheets = [
        t for task in summary.tasks for t in (statistics.model_table(task), statistics.comparison_table(task)) if t
    ]
    costs = [t for task in summary.tasks if (t := tables.cost_table(task))]
    flags = [t for t in (tables.flag_table(summary), tables.problem_table(summary)) if t]
    changes = [
        (f"{place(task)}: {c.a} against {c.b}", c.sensitivity)
        for task in summary.tasks
        for c in task.comparisons
        if c.sensitivity
    ]
    every = [
        Section("statistics", "Statistics in full", _ranks(summary.across), sheets),
        Section("costs", "Cost", tables=costs),
        Section("flags", "Flags", tables=flags),
        Section("choice", "How settings were chosen", tables=[t] if (t := tables.tuning_table(summary)) else []),
        _plan(summary),
        Section("runs", "All runs", tables=[tables.run_table(summary)] if summary.runs else []),
        Section("reproduce", "Make it again", [BESIDE], commands=summary.commands),
        Section("changes", "What would change the conclusion", lists=changes),
    ]
    return [section for section in every if not section.empty]


def _ranks(across: Across | None) -> list[str]:
    """What goes over all data sets, where there are enough."""
    if across is None:
        return []
    found = []
    if across.ranks:
        ranks = ", ".join(f"{model} {number(rank, 3)}" for model, rank in across.ranks.items())
        found.append(f"Mean ranks over the data sets (1 is best): {ranks}.")
    if across.critical_difference is not None:
        found.append(f"Ranks differ at 5 % from {number(across.critical_difference, 3)} on (Nemenyi).")
    if across.friedman:
        found.append("Friedman: " + ", ".join(f"{k} {number(v, 3)}" for k, v in across.friedman.items()) + ".")
    return found


def _plan(summary: Summary) -> Section:
    plan = summary.plan
    if plan is None:
        return Section("plan", "The plan")
    sheets = [t for t in (tables.change_table(summary), tables.left_out_table(summary)) if t]
    return Section(
        "plan", "The plan", _plan_words(plan), sheets, [("The plan, resolved", _yaml(plan.plan))] if plan.plan else []
    )


def _plan_words(plan: Plan) -> list[str]:
    when = f"before the first final run, on {moment(plan.registered)}" if plan.registered else "never"
    found = [f"Registered {when}; {_changes(len(plan.changes))} on record."]
    if plan.file:
        found.append(f"File {plan.file}, SHA-256 {plan.file_hash or NOTHING}; plan {plan.plan_hash or NOTHING}.")
    if plan.pairs:
        found.append("Planned pairs: " + ", ".join(f"{data} {n}" for data, n in plan.pairs.items()) + ".")
    return found


def _changes(n: int) -> str:
    return "one change is" if n == 1 else f"{n or 'no'} changes are"


def _yaml(plan: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True))
