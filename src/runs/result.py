"""The record of a run: what ``result.json`` holds, in one place for whoever writes or reads it.

Schema 2. Files of schema 1 (the study's job under ``part``, facts about the data among the notes, no declared metrics)
are read as if they were of schema 2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Strict

from src.config.errors import UserError
from src.config.names import OWN_FORMS
from src.runs.typed_json import CONFIG, digest_of, from_plain, read_json, replaced, to_json
from src.tasks.metrics import Metric

SCHEMA = 2

Status = Literal["running", "finished", "diverged", "failed", "interrupted"]
Phase = Literal["trial", "repeat", "final"]
StopReason = Literal["patience", "max_steps", "max_epochs", "max_time"]

ENDED: tuple[Status, ...] = ("finished", "diverged")  # nothing is left to do: a run that diverged is a result

SOLVED_BELOW = 0.1  # of the best trivial baseline's test loss: below it a run has solved its task
LOSSES = ("nll", "mse")


@dataclass(frozen=True)
class StudyJob:
    """Which job of a study a run is."""

    study: str
    phase: Phase  # trial and repeat choose values on validation, final measures on the test set
    model: str  # this and the next two: names in the plan
    data: str
    arm: str = "main"
    id: str = ""  # planned identity, which names the run's directory too


@dataclass(frozen=True)
class Best:
    """The epoch that was chosen on validation."""

    epoch: int  # counted from 0
    value: float
    monitor: str = "val/loss"  # the metric it was chosen by
    is_last: bool = False  # so that training on might have improved it


@dataclass(frozen=True)
class Divergence:
    """Where a run was seen to have diverged."""

    step: int  # updates until then
    tensor: str  # a weight by its name in the task, train/loss or val/loss
    value: float


@dataclass(frozen=True)
class Timing:
    """How long a training took; its rates and seconds per epoch do not count validation."""

    epochs: int = 0
    updates: int = 0
    seconds: float = 0.0  # from the first step to the last, without what a stop cost
    seconds_per_epoch: float | None = None
    steps_per_second: float | None = None
    sequences_per_second: float | None = None
    seconds_to_best: float | None = None  # until the best epoch had ended
    others_busy_cores: float | None = None  # that other processes kept busy meanwhile, on average
    shared: bool | None = None  # whether that was more than a tenth of a core; None where it cannot be told


@dataclass(frozen=True)
class Parameters:
    """How many parameters there are; see :meth:`src.tasks.base.Task.count_parameters`."""

    recurrent: int
    effective: int
    total: int


@dataclass(frozen=True)
class Budget:
    """A budget that the width was solved for; see :class:`src.tasks.budget.Budget`."""

    of: str
    wanted: int
    actual: int
    error: float
    hidden_size: int | list[int] | None = None
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Backend:
    """What ran the recurrence: its name, Lightning's precision, and why it was not the first choice."""

    name: str
    precision: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class DataFacts:
    """The data as they were read."""

    # of the data after reading, and of which items make each split: a moved file is the same, an altered one is not
    checksum: str | None = None
    sequences: dict[str, int] = field(default_factory=dict)  # how many each split has
    name: str | None = None  # what the data set calls itself; None where the config's name says it
    split_seed: int | None = None  # data.split_seed, which splits by chance follow; None: they followed the seed
    notes: dict[str, Any] = field(default_factory=dict)  # what the data module found, e.g. train/padding, leaked


@dataclass(frozen=True)
class WandbRun:
    """The run's mirror at Weights & Biases."""

    id: str
    mode: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Memory:
    """Largest size of the process, and largest allocation on the GPU, in MB (10^6 bytes)."""

    peak_rss_mb: float | None = None
    peak_gpu_mb: float | None = None


@dataclass(frozen=True)
class Git:
    """The commit of the code, and whether the tree had no changes; empty outside a git checkout."""

    commit: str | None = None
    clean: bool | None = None


@dataclass
class RunResult:
    """Everything that a run's ``result.json`` says; times are Unix times.

    >>> RunResult(id="3435e0996364", seed=0).status
    'running'
    """

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    id: str  # its wandb id too
    seed: Annotated[int, Strict()]  # JSON's true is no seed
    status: Status = "running"  # a running run whose process died is read as interrupted
    name: str | None = None  # shown in wandb and in tables
    identity: str | None = None  # two runs with the same one must give the same result
    study_job: StudyJob | None = None  # None: of no study
    choices: dict[str, str] = field(default_factory=dict)  # model and data by their names in conf/
    metrics: dict[str, float] = field(default_factory=dict)  # split/name, of the best epoch
    declared: dict[str, Metric] = field(default_factory=dict)  # what its task says of each, by name without the split
    baselines: dict[str, float] = field(default_factory=dict)  # of the trivial predictors on test, e.g. unigram/nll
    val_baselines: dict[str, float] = field(default_factory=dict)  # the same on validation
    best: Best | None = None  # None before there is one
    stop_reason: StopReason | None = None  # None where that is not known
    parameters: Parameters | None = None
    budget: Budget | None = None
    backend: Backend | None = None
    data: DataFacts = field(default_factory=DataFacts)
    timing: Timing = field(default_factory=Timing)
    memory: Memory = field(default_factory=Memory)
    wandb: WandbRun | None = None
    loggers: dict[str, str] = field(default_factory=dict)  # the run's id in each further one that gives it one
    hardware: dict[str, Any] = field(default_factory=dict)  # cpu, cores, threads, where there is one gpu
    git: Git = field(default_factory=Git)
    versions: dict[str, str] = field(default_factory=dict)  # of Python and of the packages that results depend on
    results_version: int | None = None  # of the code, raised when the same config gives other numbers
    command: list[str] = field(default_factory=list)  # the command line that starts this run alone
    digests: dict[str, str] = field(default_factory=dict)  # SHA-256 of the files beside it, by path in the directory
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None  # the last sign of life
    attempts: int = 0  # how many processes have worked on it
    error: str | None = None  # how it failed, in one sentence
    divergence: Divergence | None = None  # None unless it diverged
    schema: int = SCHEMA

    @property
    def ended_for_good(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in ENDED

    @property
    def model(self) -> str | None:
        """The name of the model's config; None for a model that was given without one."""
        return self.study_job.model if self.study_job else self.choices.get("model")

    @property
    def data_name(self) -> str | None:
        """The name of the data set's config; of the user's own files that of the file."""
        if self.study_job:
            return self.study_job.data
        choice = self.choices.get("data")
        return self.data.name if choice in OWN_FORMS and self.data.name else choice

    def solved(self, below: float = SOLVED_BELOW) -> bool | None:
        """Whether the test loss is below a share of the best trivial baseline's; a run that diverged has not solved it.

        None where the data have no such baseline, or the run has not come to its end.
        """
        if not self.ended_for_good or (threshold := threshold_of(self.baselines, below)) is None:
            return None
        loss, limit = threshold
        return self.status == "finished" and self.metrics.get(f"test/{loss}", math.inf) < limit


def threshold_of(baselines: Mapping[str, float], below: float = SOLVED_BELOW) -> tuple[str, float] | None:
    """The loss by its own name, and the value below which a task is solved; None without a trivial baseline of a loss.

    >>> threshold_of({"mean/mse": 0.5, "last/mse": 0.4, "mean/mae": 0.1}, below=0.5)
    ('mse', 0.2)
    """
    for loss in LOSSES:
        if trivial := [value for name, value in baselines.items() if name.rpartition("/")[2] == loss]:
            return loss, below * min(trivial)
    return None


def read_result(path: Path) -> RunResult | None:
    """What a ``result.json`` of whatever schema says, as it was written; None where there is no such file.

    Raises:
        UserError: when the file is not JSON, of a schema that this version does not know, or damaged.
    """
    content = read_json(path, "the result.json of a run")
    if content is None:
        return None
    if not isinstance(content, dict) or type(content.get("schema")) is not int or content["schema"] > SCHEMA:
        raise UserError(f"{path} is not a run's result.json of schema {SCHEMA} or older.")
    digests = content.get("digests")
    seal = digests.pop("result.json", None) if isinstance(digests, dict) else None
    if seal is not None and seal != digest_of(content):
        raise UserError(
            f"{path} is not what it was when the run ended (its own digest differs): it was damaged or changed; put a "
            "whole copy there, or train the run again."
        )
    if content["schema"] < 2:
        content = _from_schema_1(content, path.parent.name)
    return from_plain(RunResult, content, path)


def sealed(record: RunResult) -> RunResult:
    """The record with a digest of itself among its digests, which :func:`read_result` holds it against."""
    return replaced(record, digests={**record.digests, "result.json": digest_of(json.loads(to_json(record)))})


def _from_schema_1(old: dict[str, Any], directory: str) -> dict[str, Any]:
    new = {key: value for key, value in old.items() if key not in ("part", "data", "schema")}
    new.setdefault("id", directory)
    new["study_job"] = old.get("part") or None
    if isinstance(data := old.get("data"), dict):
        known = ("checksum", "sequences")
        facts = {key: data[key] for key in known if key in data}
        new["data"] = facts | {"notes": {key: value for key, value in data.items() if key not in known}}
    new["parameters"], new["backend"] = old.get("parameters") or None, old.get("backend") or None
    return {key: value for key, value in new.items() if value is not None}
