"""A study's record on disk: what is fixed, drawn and chosen, how the plan changed, and which runs are planned."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, fields
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
    """The record of a study, the content of ``study.json``, written after every change.

    If the plan differs from the recorded one, the changed keys and the hash of its file are noted. Damaged files are
    kept as ``NAME.damaged`` and restored: the record from its copy, the jobs by planning them again.
    """

    def __init__(self, directory: Path, plan: Plan, file: Path | None = None) -> None:
        self.directory = directory
        now = plan.fixed
        self.record = record = _restored(directory) or StudyRecord(plan.name, now, plan.hash)
        if record.registered is None and (begun := first_final(directory)) is not None:
            # The record was lost after final runs had started, so what had been registered is unknown.
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
        """Register the plan, once, before the first final run."""
        if self.record.registered is None:
            self.record.registered, self.record.registered_hash = time.time(), self.record.plan_hash
            self.write()

    def note_look(self, data: str, arm: str, pairs: int) -> None:
        """Record, once, that the pairs of a look are complete."""
        if (data, arm, pairs) not in {(look.data, look.arm, look.pairs) for look in self.record.looks}:
            self.record.looks.append(LookTaken(data, arm, pairs, time.time()))
            self.write()

    def leave_out(self, model: str, data: str, reason: str, arm: str | None = None) -> None:
        """Record that a model is skipped on a data set, or in one arm of it."""
        if (left_out := LeftOut(model, data, reason, arm)) not in self.record.left_out:
            self.record.left_out.append(left_out)
            self.write()

    def write(self) -> None:
        """Write ``study.json`` atomically."""
        self.record.updated = time.time()
        write_study(self.directory, self.record)

    def planned(self, jobs: Iterable[Job]) -> None:
        """Add jobs to ``planned.json``, which lists the runs still to come and those that count.

        If a planned run has another id than before, the source of a class or the user's data file has changed: the
        runs of that model from before no longer count, and the change is recorded.
        """
        new, old = {job.id: job for job in jobs}, read_planned(self.directory)
        asked = {_asked(job): name for name, job in new.items()}
        changed = {(job.model, job.data, job.arm) for name, job in old.items() if asked.get(_asked(job), name) != name}
        if changed:
            keys = [f"source code or data file of {m} on {d} ({arm})" for m, d, arm in sorted(changed)]
            now = self.record.plan_hash
            self.record.changes.append(Change(time.time(), now, now, keys))
            self.write()
            old = {name: job for name, job in old.items() if (job.model, job.data, job.arm) not in changed}
        write_planned(self.directory, old | new)


def _asked(job: PlannedJob) -> str:
    """Return everything that the plan says about a run, as a key."""
    return json.dumps({field.name: getattr(job, field.name) for field in fields(PlannedJob)}, sort_keys=True)


def _restored(directory: Path) -> StudyRecord | None:
    """Return the record of a new or resumed study, with damaged files restored; None if there is none."""
    try:
        read_planned(directory)
    except Damaged as error:
        _set_aside(directory / PLANNED, f"{error}. It is written again from the plan")
    try:
        return read_study(directory)
    except Damaged as error:
        try:
            record = read_one(directory / COPY)
        except Damaged:
            record = None
            _set_aside(directory / COPY, f"{directory / COPY} is damaged as well")
        found = "created again from the plan, as its copy is missing" if record is None else f"restored from {COPY}"
        _set_aside(directory / STUDY, f"{error}. It is {found}")
        return record


def _set_aside(path: Path, words: str) -> None:
    aside = path.with_name(f"{path.name}.damaged")
    try:
        os.replace(path, aside)
    except FileNotFoundError:
        log.warning("%s.", words)
    else:
        log.warning("%s; the damaged file was renamed to %s.", words, aside.name)


def first_final(directory: Path) -> float | None:
    """Return the Unix time when the first final run in a study's directory started; None if none has."""
    begun = []
    for path in directory.glob("*/result.json"):
        with suppress(UserError):
            record = read_record(path.parent)
            if record and record.study_job and record.study_job.phase == "final" and record.started:
                begun.append(record.started)
    return min(begun, default=None)


def current_jobs(directory: Path) -> dict[str, PlannedJob]:
    """Return the jobs that the current plan has planned so far, by id, in order."""
    study = read_study(directory)
    return {name: job for name, job in read_planned(directory).items() if study and job.plan_hash == study.plan_hash}


def status_of(directory: Path, job_id: str) -> JobStatus:
    """Return the status in a run's record; ``planned`` without one, ``running`` while a process holds the directory.

    ``damaged`` if it is unreadable, or if a finished tuning run does not state its best epoch.
    """
    try:
        record = read_record(directory / job_id)
    except UserError:
        return "damaged"
    tunes = record is not None and record.study_job is not None and record.study_job.phase != "final"
    if record is not None and tunes and record.status == "finished" and record.best is None:
        return "damaged"
    if record is None or record.status not in ENDED:  # another process may hold it without having written yet
        return "running" if is_held(directory / job_id) else "planned" if record is None else record.status
    return record.status


def why_unusable(run: Path) -> str | None:
    """Return why a run's directory is not writable, in a sentence: a link, or a file in its place."""
    try:
        refuse_link(run)
        refuse_links(run)
    except UserError as error:
        return str(error)
    if run.exists() and not run.is_dir():
        return f"{run} is a file where the run's folder should be: move it away."
    return None


def begin_anew(run: Path) -> None:
    """Set a run's damaged record aside, so that the run starts from scratch."""
    _set_aside(run / "result.json", f"{run / 'result.json'} is damaged, so the run starts from scratch")


def differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """Return the dotted keys in which two nested dicts differ.

    >>> differing({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
    ['b.c', 'd']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [d for k in keys for d in differing(before.get(k), now.get(k), f"{prefix}{k}.")]
    return [] if before == now else [prefix.removesuffix(".")]
