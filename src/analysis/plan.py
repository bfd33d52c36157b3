"""The plan of a study as a summary shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.runs.study_record import LeftOut, PlanRecord, StudyRecord


@dataclass(frozen=True)
class PlanChange:
    """A change of the plan.

    Args:
        time: Unix time.
        before, now: hashes of the plan.
        keys: dotted, that changed.
        late: whether it came after the registration.
    """

    time: float
    before: str
    now: str
    keys: list[str]
    late: bool


@dataclass(frozen=True)
class Plan:
    """What was fixed beforehand, and what changed since.

    >>> Plan(question="GRU or LSTM?").changes
    []

    Args:
        question: in the study's words.
        file, file_hash: that holds the plan, and its SHA-256.
        plan, plan_hash: as it stands on record, and its hash.
        registered: Unix time before the first final run; None: never.
        changes: of the plan.
        left_out: models that some task does without.
        pairs: planned pairs by data set.
    """

    question: str | None = None
    file: str | None = None
    file_hash: str | None = None
    plan: PlanRecord | None = None
    plan_hash: str | None = None
    registered: float | None = None
    changes: list[PlanChange] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    pairs: dict[str, int] = field(default_factory=dict)


def plan_of(study: StudyRecord | None) -> Plan | None:
    """The plan as the report shows it; None outside a study."""
    if study is None:
        return None
    registered = study.registered
    return Plan(
        question=study.plan.question,
        file=study.file,
        file_hash=study.file_hash,
        plan=study.plan,
        plan_hash=study.plan_hash,
        registered=registered,
        changes=[
            PlanChange(c.time, c.before, c.after, c.keys, late=registered is not None and c.time > registered)
            for c in study.changes
        ],
        left_out=study.left_out,
        pairs={name: study.plan.pairs_of(name) for name in study.plan.data},
    )
