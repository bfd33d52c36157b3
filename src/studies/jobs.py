"""One job of a study: its overrides, and the identity that names its directory and its wandb run."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.instantiate import plain
from src.config.overrides import override
from src.config.rules import check, check_values
from src.runs.identity import planned_identity, sources_of
from src.runs.result import Phase, StudyJob
from src.runs.study_record import PlannedJob, Settings
from src.studies.plan import Plan, combinations, values_of
from src.tasks.metrics import declared_by_shipped_tasks

Compose = Callable[[list[str]], DictConfig]
_ABSENT = object()


@dataclass(frozen=True)
class Job(PlannedJob):
    """A run that a study needs, before it has a directory: its entry in ``planned.json``, and how to start it."""

    id: str  # its planned identity
    overrides: tuple[str, ...]  # overrides for Hydra's launcher


class Jobs:
    """Builds the jobs of a plan: one config is composed per model, data set and arm, and then varied.

    The study's directory is absolute; ``further`` overrides of every job do not affect results.
    """

    def __init__(self, plan: Plan, compose: Compose, directory: Path, further: Settings | None = None) -> None:
        self.plan, self.compose, self.directory, self.further = plan, compose, directory, further or {}
        self._composed: dict[tuple[str, str, str], tuple[DictConfig, str, dict[str, str]]] = {}
        self._made: dict[str, Job] = {}
        self._of: dict[str, tuple[str, str, str]] = {}  # by identity: the model, data set and arm

    def check(self) -> None:
        """Make a job of every model on every data set in every arm, to find mistakes before anything is written.

        Raises:
            UserError: as :meth:`job`.
        """
        tuning = self.plan.tuning
        first = next(iter(combinations(tuning, values_of(tuning))), {}) if tuning else {}
        for (data, arm), model in itertools.product(self.plan.conditions(), self.plan.models):
            self.job("final", model, data, arm, 0, first)

    def config(self, model: str, data: str, arm: str) -> DictConfig:
        """Return the config of a model on a data set in an arm, before seed and tuned values.

        Raises:
            UserError: it cannot be composed, or violates a rule.
        """
        return self._base(model, data, arm)[0]

    def job(self, phase: Phase, model: str, data: str, arm: str, seed: int, values: Settings) -> Job:
        """Return the job of one run.

        Raises:
            UserError: the config cannot be composed or violates a rule, a tuned key is not in it, or two models, data
                sets or arms have the same settings.
        """
        asked = json.dumps([phase, model, data, arm, seed, values], sort_keys=True)
        if asked in self._made:
            return self._made[asked]
        cfg, files, sources = self._base(model, data, arm)
        cfg = cfg.copy()
        varied = {**values, "seed": seed, "test": phase == "final"}
        for key, value in varied.items():
            if OmegaConf.select(cfg, key, default=_ABSENT) is _ABSENT:
                raise UserError(f"The study tunes {key}, but the config of model={model} data={data} has no such key.")
            OmegaConf.update(cfg, key, value)
        config = plain(cfg)
        check_values(config)
        name = planned_identity(config, files, sources)
        if (first := self._of.setdefault(name, (model, data, arm))) != (model, data, arm):
            one, other = next((a, b) for a, b in zip(first, (model, data, arm), strict=True) if a != b)
            raise UserError(
                f"{one} and {other} of the study have the same settings: drop one, or change a setting of it."
            )
        study_job = asdict(StudyJob(self.plan.name, phase, model, data, arm, name))
        settings = self.plan.settings_of(model, data, arm) | self.further | varied
        settings |= {"study_job": study_job, "ckpt": "auto", "trainer.enable_progress_bar": False}
        settings |= {"hydra.sweep.dir": str(self.directory), "hydra.sweep.subdir": name}
        overrides = tuple(override(key, value) for key, value in settings.items())
        job = Job(phase, model, data, arm, seed, values, self.plan.hash, name, overrides)
        return self._made.setdefault(asked, job)

    def _base(self, model: str, data: str, arm: str) -> tuple[DictConfig, str, dict[str, str]]:
        if (model, data, arm) not in self._composed:
            settings = self.plan.settings_of(model, data, arm) | self.further
            settings |= {"study_job": {}, "trainer.enable_progress_bar": False}
            cfg = self.compose([override(key, value) for key, value in settings.items()]).copy()
            OmegaConf.set_struct(cfg, False)
            cfg.pop("hydra", None)
            check(cfg)
            if self.plan.declared(data) is None and self.plan.primary and str(cfg.task._target_).startswith("src."):
                metrics = ", ".join(f"test/{name}" for name in declared_by_shipped_tasks())
                asked = self.plan.primary.metric_of(data)
                raise UserError(f"study.primary.metric must be one of {metrics} for {data}, got {asked}.")
            self._composed[model, data, arm] = cfg, files_digest(cfg), sources_of(plain(cfg))
        return self._composed[model, data, arm]


def files_digest(cfg: DictConfig) -> str:
    """Return the SHA-256 of the user's own files (``data.path``, ``data.splits``); empty for a built-in data set."""
    path, splits = (OmegaConf.select(cfg, f"data.{key}", default=None) for key in ("path", "splits"))
    if path is None or not (root := Path(str(path)).expanduser()).exists():
        return ""
    named = [splits] if isinstance(splits, str) else splits or ()
    roots = [root, *(file for name in named if (file := Path(str(name)).expanduser()).is_file())]
    digest = hashlib.sha256()
    for root in roots:
        for file in sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]:
            digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
            with open(file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
