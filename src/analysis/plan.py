"""The plan of a study, as shown in a summary."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.runs.study_record import LeftOut, LookTaken, MarginRecord, PlanRecord, StudyRecord


@dataclass(frozen=True)
class PlanChange:
    """One change of the plan."""

    time: float  # Unix time
    before: str  # before, now: hashes of the plan
    now: str
    keys: list[str]  # dotted keys that changed
    late: bool  # whether it came after the registration
    look: LookTaken | None = None  # the last look before it, if any


@dataclass(frozen=True)
class Plan:
    """What was fixed in advance, and what has changed since."""

    question: str | None = None  # in the study's words
    file: str | None = None  # file, file_hash: the file with the plan, and its SHA-256
    file_hash: str | None = None
    plan: PlanRecord | None = None  # plan, plan_hash: as recorded, and its hash
    plan_hash: str | None = None
    registered: float | None = None  # Unix time of registration, before the first final run; None if never
    changes: list[PlanChange] = field(default_factory=list)  # of the plan
    left_out: list[LeftOut] = field(default_factory=list)  # models skipped on some task
    pairs: dict[str, int] = field(default_factory=dict)  # planned pairs by data set
    looks: list[LookTaken] = field(default_factory=list)  # looks taken so far
    margins: dict[str, MarginRecord] = field(
        default_factory=dict
    )  # by data set: margins from validation, if the plan fixes none


def plan_of(study: StudyRecord | None) -> Plan | None:
    """Return the plan as the report shows it; None outside a study."""
    if study is None:
        return None
    registered, primary = study.registered, study.plan.primary
    return Plan(
        question=study.plan.question,
        file=study.file,
        file_hash=study.file_hash,
        plan=study.plan,
        plan_hash=study.plan_hash,
        registered=registered,
        changes=[
            PlanChange(
                *(c.time, c.before, c.after, c.keys),
                late=registered is not None and c.time > registered,
                look=max((k for k in study.looks if k.time < c.time), key=lambda k: k.time, default=None),
            )
            for c in study.changes
        ],
        left_out=study.left_out,
        looks=study.looks,
        margins={name: made for name, made in study.margins.items() if primary and primary.margin_of(name) is None},
        pairs={name: study.plan.pairs_of(name) for name in study.plan.data},
    )
