"""A study's record as it is kept: what is fixed, drawn and chosen, how the plan changed, and which runs are planned."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from src.config.errors import UserError
from src.files import refuse_link, refuse_links
from src.runs.record import is_held, read_record
from src.runs.result import ENDED, Status
from src.runs.study_record import (
    COPY,
    PLANNED,
    STUDY,
    Change,
    LeftOut,
    LookTaken,
    PlannedJob,
    StudyRecord,
    read_one,
    read_planned,
    read_study,
    write_planned,
    write_study,
)
from src.runs.typed_json import Damaged
from src.studies.jobs import Job
from src.studies.plan import Plan

log = logging.getLogger(__name__)

JobStatus = Status | Literal["planned", "damaged"]


class StudyState:
    """The record of a study, what ``study.json`` holds, written after every change.

    A plan that differs from the one on record is noted with the keys that changed, and its file by its hash. What is
    damaged is set aside, as ``NAME.damaged``, and restored: the record from its copy, the jobs by being planned again.
    """

    def __init__(self, directory: Path, plan: Plan, file: Path | None = None) -> None:
        self.directory = directory
        now = plan.fixed
        self.record = record = _restored(directory) or StudyRecord(plan.name, now, plan.hash)
        if record.registered is None and (begun := first_final(directory)) is not None:
            # A record that was lost after final runs had begun: nobody knows any more what had been registered.
            record.registered, record.registered_hash = begun, None
            record.changes.append(Change(time.time(), "", plan.hash, [STUDY]))
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
        write_study(self.directory, self.record)

    def planned(self, jobs: Iterable[Job]) -> None:
        """Put jobs into ``planned.json``: what is still to come, and what counts."""
        write_planned(self.directory, read_planned(self.directory) | {job.id: job for job in jobs})


def _restored(directory: Path) -> StudyRecord | None:
    """The record of a study that is begun or taken up, what is damaged restored; None where there is none."""
    try:
        read_planned(directory)
    except Damaged as error:
        _set_aside(directory / PLANNED, f"{error}. It is written anew from the plan")
    try:
        return read_study(directory)
    except Damaged as error:
        try:
            record = read_one(directory / COPY)
        except Damaged:
            record = None
            _set_aside(directory / COPY, f"{directory / COPY} is damaged too")
        found = "begun anew from the plan, as its copy is not there" if record is None else f"restored from {COPY}"
        _set_aside(directory / STUDY, f"{error}. It is {found}")
        return record


def _set_aside(path: Path, words: str) -> None:
    aside = path.with_name(f"{path.name}.damaged")
    try:
        os.replace(path, aside)
    except FileNotFoundError:
        log.warning("%s.", words)
    else:
        log.warning("%s; what was there is in %s.", words, aside.name)


def first_final(directory: Path) -> float | None:
    """When the first final run in a study's directory was begun, Unix time; None where none was."""
    begun = []
    for path in directory.glob("*/result.json"):
        with suppress(UserError):
            record = read_record(path.parent)
            if record and record.study_job and record.study_job.phase == "final" and record.started:
                begun.append(record.started)
    return min(begun, default=None)


def current_jobs(directory: Path) -> dict[str, PlannedJob]:
    """The jobs that a study has planned so far, by their ids, in their order; not those of an earlier plan."""
    study = read_study(directory)
    return {name: job for name, job in read_planned(directory).items() if study and job.plan_hash == study.plan_hash}


def status_of(directory: Path, job_id: str) -> JobStatus:
    """What the run's record says; ``planned`` where there is none, ``running`` while a process holds its directory.

    ``damaged`` where it cannot be read, or says that a run which tunes is finished and not which epoch was best.
    """
    try:
        record = read_record(directory / job_id)
    except UserError:
        return "damaged"
    tunes = record is not None and record.study_job is not None and record.study_job.phase != "final"
    if record is not None and tunes and record.status == "finished" and record.best is None:
        return "damaged"
    if record is None or record.status not in ENDED:  # another process may hold it and not have written there yet
        return "running" if is_held(directory / job_id) else "planned" if record is None else record.status
    return record.status


def why_unusable(run: Path) -> str | None:
    """Why nothing can be written into a run's directory, in a sentence: a link, or a file in its place."""
    try:
        refuse_link(run)
        refuse_links(run)
    except UserError as error:
        return str(error)
    if run.exists() and not run.is_dir():
        return f"{run} is a file, and the run's folder belongs there: move it away."
    return None


def begin_anew(run: Path) -> None:
    """Set a run's damaged record aside, so that the run begins anew."""
    _set_aside(run / "result.json", f"{run / 'result.json'} is damaged: the run begins anew")


def differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """The dotted keys in which two nested dicts differ.

    >>> differing({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
    ['b.c', 'd']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [d for k in keys for d in differing(before.get(k), now.get(k), f"{prefix}{k}.")]
    return [] if before == now else [prefix.removesuffix(".")]
