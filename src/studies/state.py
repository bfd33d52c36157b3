"""``study.json``: what a study has fixed, drawn and chosen, and how its plan changed; and which runs it has planned."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src.config.errors import UserError
from src.config.names import public_names
from src.files import write_atomically
from src.runs.record import read_record
from src.studies.jobs import Job
from src.studies.plan import Plan

SCHEMA = 1


class StudyState:
    """The record of a study, written after every change.

    >>> # state = StudyState(Path("runs/smoke"), plan, Path("experiments/smoke.yaml")); state.register()

    Args:
        directory: the study's.
        plan: as it is now; a plan that differs from the one on record is noted with the keys that changed.
        file: the study's file, whose hash goes on record; None where there is none.

    Attributes:
        content: the content of ``study.json``.
    """

    def __init__(self, directory: Path, plan: Plan, file: Path | None = None) -> None:
        self.directory = directory
        self.content: dict[str, Any] = {
            "registered": None,
            "changes": [],
            "draws": {},
            "chosen": {},
            "extensions": [],
            "left_out": [],
            **(read_study(directory) or {}),
        }
        before, now = self.content.get("plan"), plan.fixed
        if before is not None and self.content["plan_hash"] != plan.hash:
            change = {"time": time.time(), "from": self.content["plan_hash"], "to": plan.hash}
            self.content["changes"].append({**change, "keys": differing(before, now)})
        self.content |= {"schema": SCHEMA, "name": plan.name, "plan": now, "plan_hash": plan.hash, "left_out": []}
        if file is not None and file.is_file():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            self.content |= {"file": f"experiments/{file.name}", "file_hash": digest}
        self.write()

    def register(self) -> None:
        """Fix the plan: noted once, before the first final run."""
        if self.content["registered"] is None:
            self.content |= {"registered": time.time(), "registered_hash": self.content["plan_hash"]}
            self.write()

    def write(self) -> None:
        """Write ``study.json``, whole or not at all."""
        self.content["updated"] = time.time()
        _write_json(self.directory / "study.json", self.content)

    def planned(self, jobs: Iterable[Job]) -> None:
        """Put jobs into ``planned.json``, with the plan they belong to: what is still to come, and what counts."""
        here = _planned(self.directory)
        for job in jobs:
            facts = {key: getattr(job, key) for key in ("phase", "model", "data", "arm", "seed", "values")}
            here[job.id] = {**facts, "plan_hash": self.content["plan_hash"]}
        _write_json(self.directory / "planned.json", here)


def read_study(directory: Path) -> dict[str, Any] | None:
    """The content of a study's ``study.json``; None where there is none.

    Raises:
        UserError: when the file is not one that this version can read.
    """
    path = directory / "study.json"
    try:
        content = public_names(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): it must be the study.json of a study.") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int) or content["schema"] > SCHEMA:
        raise UserError(f"{path} is not a study.json of schema {SCHEMA} or older.")
    return content


def read_planned(directory: Path) -> dict[str, dict[str, Any]]:
    """The jobs that a study has planned so far, by their ids, in their order; not those of an earlier plan."""
    now = (read_study(directory) or {}).get("plan_hash")
    return {name: job for name, job in _planned(directory).items() if job.get("plan_hash") == now}


def _planned(directory: Path) -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = public_names(json.loads((directory / "planned.json").read_text()))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def status_of(directory: Path, job_id: str) -> str:
    """``planned``, or what the run's record says: running, finished, diverged, failed or interrupted."""
    try:
        record = read_record(directory / job_id)
    except UserError:
        return "failed"
    return "planned" if record is None else str(record["status"])


def differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """The dotted keys in which two nested dicts differ.

    >>> differing({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
    ['b.c', 'd']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [d for k in keys for d in differing(before.get(k), now.get(k), f"{prefix}{k}.")]
    return [] if before == now else [prefix.removesuffix(".")]


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, allow_nan=False)
    write_atomically(path, lambda out: out.write(text.encode()))
