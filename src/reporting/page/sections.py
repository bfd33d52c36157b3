"""What stands below the figures: tables, the plan, commands, what would change the conclusion."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.analysis.across import Across
from src.analysis.plan import Plan
from src.analysis.summary import Summary, as_plain
from src.reporting.page import study_tables, task_tables
from src.reporting.page.cells import Table
from src.reporting.page.words import NOTHING, moment, number, place

BESIDE = "Beside this page lie the figures as SVG and PNG (figures/), and summary.json, runs.csv and pairs.csv."


@dataclass(frozen=True)
class Section:
    """A part of the page below the figures."""

    id: str  # its anchor
    heading: str  # its heading
    paragraphs: list[str] = field(default_factory=list)  # text
    tables: list[Table] = field(default_factory=list)  # those that have rows
    details: list[tuple[str, str]] = field(default_factory=list)  # (summary, text) that opens when asked
    lists: list[tuple[str, list[str]]] = field(default_factory=list)  # (heading, sentences)
    commands: list[dict[str, str]] = field(default_factory=list)  # ``command`` and what it ``does``

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.paragraphs or self.tables or self.details or self.lists or self.commands)


def sections(summary: Summary) -> list[Section]:
    """Everything below the figures that there is something of, in order."""
    tasks = summary.tasks
    distrust = [study_tables.flag_table(summary), study_tables.problem_table(summary)]
    statistics = [t for task in tasks for t in (task_tables.model_table(task), task_tables.comparison_table(task))]
    changes = [
        (f"{place(task)}: {c.a} against {c.b}", c.sensitivity)
        for task in tasks
        for c in task.comparisons
        if c.sensitivity
    ]
    every = [
        Section("statistics", "Statistics in full", _ranks(summary.across), _filled(*statistics)),
        Section("costs", "Cost", tables=_filled(*map(task_tables.cost_table, tasks))),
        Section("flags", "Flags", tables=_filled(*distrust)),
        Section("choice", "How settings were chosen", tables=_filled(study_tables.tuning_table(summary))),
        _plan(summary),
        Section("runs", "All runs", tables=_filled(study_tables.run_table(summary))),
        Section("reproduce", "Make it again", [BESIDE], commands=summary.commands),
        Section("changes", "What would change the conclusion", lists=changes),
    ]
    return [section for section in every if not section.empty]


def _filled(*tables: Table) -> list[Table]:
    return [table for table in tables if table.rows]


def _ranks(across: Across | None) -> list[str]:
    """What goes over all data sets, where there are enough."""
    words = []
    if across and across.ranks:
        ranks = ", ".join(f"{model} {number(rank, 3)}" for model, rank in across.ranks.items())
        words.append(f"Mean ranks over the data sets (1 is best): {ranks}.")
    if across and across.critical_difference is not None:
        words.append(f"Ranks differ at 5 % from {number(across.critical_difference, 3)} on (Nemenyi).")
    if across and across.friedman:
        words.append("Friedman: " + ", ".join(f"{k} {number(v, 3)}" for k, v in across.friedman.items()) + ".")
    return words


def _plan(summary: Summary) -> Section:
    import yaml

    if (plan := summary.plan) is None:
        return Section("plan", "The plan")
    sheets = _filled(study_tables.change_table(summary), study_tables.left_out_table(summary))
    text = yaml.safe_dump(as_plain(plan.plan), sort_keys=False, allow_unicode=True) if plan.plan else None
    return Section("plan", "The plan", _plan_words(plan), sheets, [("The plan, resolved", text)] if text else [])


def _plan_words(plan: Plan) -> list[str]:
    when = f"before the first final run, on {moment(plan.registered)}" if plan.registered else "never"
    changes = "one change is" if len(plan.changes) == 1 else f"{len(plan.changes) or 'no'} changes are"
    words = [f"Registered {when}; {changes} on record."]
    if plan.file:
        words.append(f"File {plan.file}, SHA-256 {plan.file_hash or NOTHING}; plan {plan.plan_hash or NOTHING}.")
    if plan.pairs:
        words.append("Planned pairs: " + ", ".join(f"{data} {n}" for data, n in plan.pairs.items()) + ".")
    return words
