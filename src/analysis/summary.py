"""Everything a report shows, as plain values: the content of ``summary.json`` and the basis of figures and pages.

Numbers are plain floats in the metric's own unit; None means unknown or undefined.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from src.analysis.across import Across
from src.analysis.collect import Kind, Problem
from src.analysis.curves import Curve
from src.analysis.family import family_sentence
from src.analysis.flags import Flag
from src.analysis.plan import Plan, PlanChange
from src.analysis.run import Run, flat
from src.analysis.solving import solve_sentence
from src.analysis.task import Comparison, Task
from src.analysis.tuning import Tuning
from src.runs.study_record import Extension

SCHEMA = 1
# Keys of summary.json that are not Python names, or have another meaning in Python.
JSON_KEYS: dict[type, dict[str, str]] = {
    Extension: {"before": "from", "after": "to"},
    PlanChange: {"before": "from", "now": "to", "late": "after"},
}


@dataclass(frozen=True)
class Summary:
    """A complete comparison."""

    name: str  # name of the study, or of what was compared
    kind: Kind  # kind of the input
    places: list[str]  # places that were read
    tasks: list[Task]  # one for each data set and arm; those of the plan first, in its order
    runs: list[Run]  # every run, including trials
    problems: list[Problem] = field(default_factory=list)  # what is not used
    flags: list[Flag] = field(default_factory=list)  # about the whole study (each task has its own)
    across: Across | None = None  # all data sets together; None with one data set or no primary comparison
    tuning: list[Tuning] = field(default_factory=list)  # one for each data set and arm that was tuned
    curves: dict[str, Curve] = field(default_factory=dict)  # by run id
    plan: Plan | None = None  # None outside a study
    commands: list[dict[str, str]] = field(default_factory=list)  # to reproduce the report, each with what it does
    # runs by phase and status: ``{"final": {"finished": 20}}``
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    small_print: list[str] = field(default_factory=list)  # scope and limitations of the results
    seconds: float = 0.0  # of training, all runs together
    schema: int = SCHEMA

    @property
    def title(self) -> str:
        """The title of a page: the name of a study or table, else the models and data compared, since folders of runs
        have names such as a date or ``runs``."""
        data = list(dict.fromkeys(task.data for task in self.tasks))
        if self.plan or self.kind in ("study", "table") or not data:
            return self.name
        models = ", ".join(dict.fromkeys(model.model for task in self.tasks for model in task.models))
        return f"{models} on {', '.join(data) if len(data) < 4 else f'{len(data)} data sets'}"

    def headline(self) -> list[tuple[Task, Comparison]]:
        """Return the primary comparisons, in order, or every comparison if there is no primary one."""
        every = [(task, c) for task in self.tasks for c in task.comparisons]
        return [pair for pair in every if pair[1].primary] or every

    def answers(self) -> list[str]:
        """Return the sentences of the headline's comparisons, or one that explains why there are none."""
        if self.headline():
            return [c.verdict.sentence for _, c in self.headline() if c.verdict]
        models = ", ".join(dict.fromkeys(model.model for task in self.tasks for model in task.models))
        return [f"No comparison is possible: it needs two models on the same data set, got {models}."]

    def beside_the_verdicts(self) -> list[str]:
        """Return the sentences shown with the headline: all verdicts as one family, and solve rates."""
        said = [family_sentence(self.tasks), *(solve_sentence(task, c) for task, c in self.headline())]
        if self.plan and self.plan.plan and self.plan.plan.sittings:
            both = [c.both.sentence for _, c in self.headline() if c.both is not None]
            said += [f"For other test sequences as well (this decides a study with sittings): {one}" for one in both]
        return [sentence for sentence in said if sentence is not None]

    def other_verdicts(self) -> list[str]:
        """Return the sentences of the comparisons outside the headline."""
        shown = {id(c) for _, c in self.headline()}
        return [c.verdict.sentence for t in self.tasks for c in t.comparisons if c.verdict and id(c) not in shown]

    def all_flags(self) -> list[Flag]:
        """Return the flags of the whole study and of its tasks."""
        return [*self.flags, *(flag for task in self.tasks for flag in task.flags)]

    def to_json(self) -> str:
        """Return the summary as JSON, with null for numbers that are not finite."""
        return json.dumps(as_plain(self), indent=1, allow_nan=False)


def as_plain(value: Any) -> Any:
    """Convert a value of a summary to its form in JSON."""
    if isinstance(value, Run):
        value = flat(value)
    elif dataclasses.is_dataclass(value):
        keys = JSON_KEYS.get(type(value), {})
        value = {keys.get(f.name, f.name): getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): as_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(inner) for inner in value]
    return value
