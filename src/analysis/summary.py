"""Everything a report shows, as plain values: what ``summary.json`` holds and pictures and pages are built from.

Numbers are plain floats in the metric's own unit; None stands where something is not known or cannot be said.
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
# Keys of summary.json that are no names in Python, or mean something else there.
JSON_KEYS: dict[type, dict[str, str]] = {
    Extension: {"before": "from", "after": "to"},
    PlanChange: {"before": "from", "now": "to", "late": "after"},
}


@dataclass(frozen=True)
class Summary:
    """A comparison, whole."""

    name: str  # of the study, or of what was compared
    kind: Kind  # of what was read
    places: list[str]  # that were read
    tasks: list[Task]  # one for each data set and arm; those of the plan first, in its order
    runs: list[Run]  # every run there is, trials too
    problems: list[Problem] = field(default_factory=list)  # what does not count
    flags: list[Flag] = field(default_factory=list)  # about the whole study (those of a task stand there)
    across: Across | None = None  # all data sets together; None where there is one only, or no primary comparison
    tuning: list[Tuning] = field(default_factory=list)  # one for each data set and arm that was tuned
    curves: dict[str, Curve] = field(default_factory=dict)  # by run id
    plan: Plan | None = None  # None outside a study
    commands: list[dict[str, str]] = field(default_factory=list)  # that reproduce it, each with what it does
    # runs by phase and status: ``{"final": {"finished": 20}}``
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    small_print: list[str] = field(default_factory=list)  # what all of it is about, and what it is not
    seconds: float = 0.0  # of training, all runs together
    schema: int = SCHEMA

    @property
    def title(self) -> str:
        """What a page is called: a study or table by its name, other runs by what is compared, as they lie in folders
        called by a date or ``runs``."""
        data = list(dict.fromkeys(task.data for task in self.tasks))
        if self.plan or self.kind in ("study", "table") or not data:
            return self.name
        models = ", ".join(dict.fromkeys(model.model for task in self.tasks for model in task.models))
        return f"{models} on {', '.join(data) if len(data) < 4 else f'{len(data)} data sets'}"

    def headline(self) -> list[tuple[Task, Comparison]]:
        """The primary comparisons, in order; every comparison where no primary one was named."""
        every = [(task, c) for task in self.tasks for c in task.comparisons]
        return [pair for pair in every if pair[1].primary] or every

    def answers(self) -> list[str]:
        """The sentence of each comparison in the headline; where there is none, the one that says why."""
        if self.headline():
            return [c.verdict.sentence for _, c in self.headline() if c.verdict]
        models = ", ".join(dict.fromkeys(model.model for task in self.tasks for model in task.models))
        return [f"There is no answer: a comparison takes two models on one data set, and there is {models}."]

    def beside_the_verdicts(self) -> list[str]:
        """Sentences beside those of the headline: what stands of all of them together, and solve rates."""
        said = [family_sentence(self.tasks), *(solve_sentence(task, c) for task, c in self.headline())]
        if self.plan and self.plan.plan and self.plan.plan.sittings:
            both = [c.both.sentence for _, c in self.headline() if c.both is not None]
            said += [f"Over other test sequences too, which a study in sittings is decided by: {one}" for one in both]
        return [sentence for sentence in said if sentence is not None]

    def other_verdicts(self) -> list[str]:
        """The sentences of the comparisons that are not in the headline."""
        shown = {id(c) for _, c in self.headline()}
        return [c.verdict.sentence for t in self.tasks for c in t.comparisons if c.verdict and id(c) not in shown]

    def all_flags(self) -> list[Flag]:
        """Those of the whole study and those of its tasks."""
        return [*self.flags, *(flag for task in self.tasks for flag in task.flags)]

    def plain(self) -> dict[str, Any]:
        """As plain dicts and lists; numbers that are not finite become None."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(self.plain(), indent=1, allow_nan=False)


def as_plain(value: Any) -> Any:
    """A value of a summary as JSON has it."""
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
