"""One job of a study: its overrides, and the identity that names its directory and its wandb run."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
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
from src.tasks.metrics import Metric, on_validation

log = logging.getLogger(__name__)

Compose = Callable[[list[str]], DictConfig]
_ABSENT = object()


@dataclass(frozen=True)
class Job(PlannedJob):
    """A run that a study needs, before it has a directory: its entry in ``planned.json``, and how to start it."""

    id: str  # its planned identity
    overrides: tuple[str, ...]  # overrides for Hydra's launcher


@dataclass(frozen=True)
class _Base:
    """What the jobs of a model on a data set in an arm have in common."""

    config: DictConfig
    settings: Settings  # that the plan implies
    files: str  # digest of the user's data files
    sources: dict[str, str]  # of the user's own classes


class Jobs:
    """Builds the jobs of a plan: one config is composed per model, data set and arm, and then varied.

    The study's directory is absolute; ``further`` overrides of every job do not affect results.
    """

    def __init__(self, plan: Plan, compose: Compose, directory: Path, further: Settings | None = None) -> None:
        self.plan, self.compose, self.directory, self.further = plan, compose, directory, further or {}
        self._composed: dict[tuple[str, str, str], _Base] = {}
        self._metrics: dict[str, dict[str, Metric] | None] = {}  # by the nodes of task and data
        self._told: set[str] = set()  # data sets
        self._made: dict[str, Job] = {}
        self._of: dict[str, tuple[str, str, str]] = {}  # by identity: the model, data set and arm

    def check(self) -> None:
        """Make a job of every model on every data set in every arm, to find mistakes before anything is written.

        Raises:
            UserError: as :meth:`job`, or a data set's task does not have the primary metric.
        """
        tuning = self.plan.tuning
        first = next(iter(combinations(tuning, values_of(tuning))), {}) if tuning else {}
        for (data, arm), model in itertools.product(self.plan.conditions(), self.plan.models):
            self.job("final", model, data, arm, 0, first)
            self._check_metric(model, data, arm)

    def _check_metric(self, model: str, data: str, arm: str) -> None:
        if self.plan.primary is None:
            return
        base = self._base(model, data, arm)
        asked = self.plan.primary.metric_of(data) or ""
        metrics, choosing = self._declarable(base.config), on_validation(asked)
        if metrics is not None and asked.rpartition("/")[2] not in metrics:
            some = ", ".join(f"test/{other}" for other in metrics)
            raise UserError(f"study.primary.metric must be one of {some} for {data}, got {asked}.")
        if metrics is None and "task.monitor" not in base.settings and data not in self._told:
            self._told.add(data)
            log.info(
                "%s does not declare its metrics in metrics_declared, so settings on %s are chosen by %s: to choose by "
                "%s, add task.monitor: %s and its direction, task.mode: min or max, to study.settings.",
                *(base.config.task._target_, data, base.config.task.monitor, choosing, choosing),
            )

    def _declarable(self, cfg: DictConfig) -> dict[str, Metric] | None:
        """Return the metrics that the task of a config may have; None if it does not declare them."""
        from src.tasks.build import declarable

        node = json.dumps([plain(cfg.task), plain(cfg.data)], sort_keys=True)
        if node not in self._metrics:
            self._metrics[node] = declarable(cfg)
        return self._metrics[node]

    def config(self, model: str, data: str, arm: str) -> DictConfig:
        """Return the config of a model on a data set in an arm, before seed and tuned values.

        Unless the plan sets ``task.monitor``, it is the primary metric on validation, if the task declares it.

        Raises:
            UserError: it cannot be composed, or violates a rule.
        """
        return self._base(model, data, arm).config

    def job(self, phase: Phase, model: str, data: str, arm: str, seed: int, values: Settings) -> Job:
        """Return the job of one run.

        Raises:
            UserError: the config cannot be composed or violates a rule, a tuned key is not in it, or two models, data
                sets or arms have the same settings.
        """
        asked = json.dumps([phase, model, data, arm, seed, values], sort_keys=True)
        if asked in self._made:
            return self._made[asked]
        base = self._base(model, data, arm)
        cfg = base.config.copy()
        varied = {**values, "seed": seed, "test": phase == "final"}
        for key, value in varied.items():
            if OmegaConf.select(cfg, key, default=_ABSENT) is _ABSENT:
                raise UserError(f"The study tunes {key}, but the config of model={model} data={data} has no such key.")
            OmegaConf.update(cfg, key, value)
        config = plain(cfg)
        check_values(config)
        name = planned_identity(config, base.files, base.sources)
        if (first := self._of.setdefault(name, (model, data, arm))) != (model, data, arm):
            one, other = next((a, b) for a, b in zip(first, (model, data, arm), strict=True) if a != b)
            raise UserError(
                f"{one} and {other} of the study have the same settings: drop one, or change a setting of it."
            )
        study_job = asdict(StudyJob(self.plan.name, phase, model, data, arm, name))
        settings = base.settings | self.further | varied
        settings |= {"study_job": study_job, "ckpt": "auto", "trainer.enable_progress_bar": False}
        settings |= {"hydra.sweep.dir": str(self.directory), "hydra.sweep.subdir": name}
        overrides = tuple(override(key, value) for key, value in settings.items())
        job = Job(phase, model, data, arm, seed, values, self.plan.hash, name, overrides)
        return self._made.setdefault(asked, job)

    def _base(self, model: str, data: str, arm: str) -> _Base:
        if (model, data, arm) not in self._composed:
            settings = self.plan.settings_of(model, data, arm)
            cfg = self._compose(settings)
            sources = sources_of(plain(cfg))  # before the classes are imported
            asked = (self.plan.primary.metric_of(data) if self.plan.primary else None) or ""
            if "task.monitor" not in settings and not str(cfg.task._target_).startswith("src."):
                metric = (self._declarable(cfg) or {}).get(asked.rpartition("/")[2])
                if metric is not None:
                    settings |= {"task.monitor": on_validation(asked), "task.mode": metric.direction}
                    cfg = self._compose(settings)
            self._composed[model, data, arm] = _Base(cfg, settings, files_digest(cfg), sources)
        return self._composed[model, data, arm]

    def _compose(self, settings: Settings) -> DictConfig:
        settings = settings | self.further | {"study_job": {}, "trainer.enable_progress_bar": False}
        cfg = self.compose([override(key, value) for key, value in settings.items()]).copy()
        OmegaConf.set_struct(cfg, False)
        cfg.pop("hydra", None)
        check(cfg)
        return cfg


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
