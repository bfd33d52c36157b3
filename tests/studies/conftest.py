"""Studies without training: a launcher that writes the records which runs would leave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from src.runs.record import RunRecord
from src.studies.jobs import Jobs
from src.studies.plan import Plan, read_plan
from src.studies.run import Study
from src.studies.state import StudyState

PLAN: dict[str, Any] = {
    "name": "tiny",
    "question": "Which?",
    "models": {"gru": {}, "lstm": {"model.hidden_size": 16}},
    "data": {"ucr": {}},
    "settings": {"trainer.max_epochs": 2, "logger": "csv"},
    "tuning": {"draws": {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "number": 6}}, "repeat": {"best": 2, "seeds": 2}},
    "pairs": 3,
    "primary": {"models": ["gru", "lstm"], "metric": "test/nll", "margin": 0.02},
}


def parsed(overrides: Sequence[str]) -> dict[str, Any]:
    return {o.get_key_element(): o.value() for o in OverridesParser.create().parse_overrides(list(overrides))}


class FakeLauncher:
    """Ends every job at once with the validation value that ``curve(settings)`` gives; keeps what it launched.

    An infinite value is a run that diverged, None one that fails, and ``KeyboardInterrupt`` stops the sweep there.
    ``facts(settings)`` are further fields of the record of a finished run.
    """

    def __init__(
        self,
        curve: Callable[[dict[str, Any]], float | type[BaseException] | None],
        monitor: str = "val/loss",
        facts: Callable[[dict[str, Any]], dict[str, Any]] = lambda settings: {},
    ) -> None:
        self.curve, self.monitor, self.facts = curve, monitor, facts
        self.launched: list[dict[str, Any]] = []

    def __call__(self, batch: Sequence[Sequence[str]]) -> list[str | None]:
        return [self.run(parsed(overrides)) for overrides in batch]

    def run(self, settings: dict[str, Any]) -> str | None:
        self.launched.append(settings)
        value = self.curve(settings)
        if isinstance(value, type):
            raise value
        record = RunRecord(Path(settings["hydra.sweep.dir"]) / settings["hydra.sweep.subdir"])
        job, mode = settings["study_job"], settings.get("task.mode", "min")
        config = {"study_job": job, "task": {"monitor": self.monitor, "mode": mode}}
        record.begin(config, once=True, study_job=job, seed=settings["seed"])
        if value is None:
            record.end("failed", "it broke")
            return "it broke"
        if not math.isfinite(value):
            record.end("diverged", "the loss is nan")
            return None
        record.note(
            best={"epoch": 1, "value": value, "monitor": self.monitor, "is_last": False}, **self.facts(settings)
        )
        record.end("finished")
        return None

    def phases(self) -> list[str]:
        return [settings["study_job"]["phase"] for settings in self.launched]


@pytest.fixture
def make_study(compose: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., Study]:
    """``make_study(launcher, **changes of the plan)``: a study in one folder, however often it is made."""

    def made(launcher: FakeLauncher, **changes: Any) -> Study:
        plan: Plan = read_plan({**PLAN, **changes})
        directory = tmp_path / "runs" / plan.name
        jobs = Jobs(plan, lambda overrides: compose(*overrides), directory)
        return Study(plan, jobs, StudyState(directory, plan), launcher, poll=0.05)

    return made
