"""A study's record as it is kept: what is fixed, drawn and chosen, how the plan changed, and which runs are planned."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from src.config.errors import UserError
from src.runs.record import read_record
from src.runs.result import Status
from src.runs.study_record import (
    Change,
    LeftOut,
    LookTaken,
    PlannedJob,
    PlannedJobs,
    StudyRecord,
    read_planned,
    read_study,
)
from src.runs.typed_json import write_json
from src.studies.jobs import Job
from src.studies.plan import Plan

JobStatus = Status | Literal["planned"]


class StudyState:
    """The record of a study, what ``study.json`` holds, written after every change.

    A plan that differs from the one on record is noted with the keys that changed, and its file by its hash.
    """

    def __init__(self, directory: Path, plan: Plan, file: Path | None = None) -> None:
        self.directory = directory
        now = plan.fixed
        self.record = record = read_study(directory) or StudyRecord(plan.name, now, plan.hash)
        if keys := differing(asdict(record.plan), asdict(now)):
            record.changes.append(Change(time.time(), record.plan_hash, plan.hash, keys))
        record.name, record.plan, record.plan_hash = plan.name, now, plan.hash
        record.left_out = []
        if file is not None and file.is_file():
            record.file = f"experiments/{file.name}"
            record.file_hash = hashlib.sha256(file.read_bytes()).hexdigest()
        self.write()

    def register(self) -> None:
        """Fix the plan: noted once, before the first final run."""
        if self.record.registered is None:
            self.record.registered, self.record.registered_hash = time.time(), self.record.plan_hash
            self.write()

    def note_look(self, data: str, arm: str, pairs: int) -> None:
        """Note, once, that the pairs of a look are complete."""
        if (data, arm, pairs) not in {(look.data, look.arm, look.pairs) for look in self.record.looks}:
            self.record.looks.append(LookTaken(data, arm, pairs, time.time()))
            self.write()

    def leave_out(self, model: str, data: str, reason: str, arm: str | None = None) -> None:
        """Note that a data set, or one arm of it, does without a model."""
        if (left_out := LeftOut(model, data, reason, arm)) not in self.record.left_out:
            self.record.left_out.append(left_out)
            self.write()

    def write(self) -> None:
        """Write ``study.json``, whole or not at all."""
        self.record.updated = time.time()
        write_json(self.directory / "study.json", self.record)

    def planned(self, jobs: Iterable[Job]) -> None:
        """Put jobs into ``planned.json``: what is still to come, and what counts."""
        everything: dict[str, PlannedJob] = read_planned(self.directory) | {job.id: job for job in jobs}
        write_json(self.directory / "planned.json", PlannedJobs(everything))


def current_jobs(directory: Path) -> dict[str, PlannedJob]:
    """The jobs that a study has planned so far, by their ids, in their order; not those of an earlier plan."""
    study = read_study(directory)
    return {name: job for name, job in read_planned(directory).items() if study and job.plan_hash == study.plan_hash}


def status_of(directory: Path, job_id: str) -> JobStatus:
    """What the run's record says, ``failed`` where it cannot be read; ``planned`` where there is none."""
    try:
        record = read_record(directory / job_id)
    except UserError:
        return "failed"
    return "planned" if record is None else record.status


def differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """The dotted keys in which two nested dicts differ.

    >>> differing({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
    ['b.c', 'd']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [d for k in keys for d in differing(before.get(k), now.get(k), f"{prefix}{k}.")]
    return [] if before == now else [prefix.removesuffix(".")]
