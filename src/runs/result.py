"""The record of a run: the content of ``result.json``, defined once for readers and writers.

Schema 2. Files of schema 1 (with the study's job as ``part``, facts about the data among the notes, no declared
metrics) are converted on reading.
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

ENDED: tuple[Status, ...] = ("finished", "diverged")  # divergence is a result, too

SOLVED_BELOW = 0.1  # share of the best trivial baseline's test loss below which a run has solved its task
LOSSES = ("nll", "mse")


@dataclass(frozen=True)
class StudyJob:
    """The job of a study that a run is."""

    study: str
    phase: Phase  # trial and repeat choose values on validation, final is evaluated on the test set
    model: str  # this and the next two: names in the plan
    data: str
    arm: str = "main"
    id: str = ""  # planned identity, which also names the run's directory


@dataclass(frozen=True)
class Best:
    """The epoch chosen on validation."""

    epoch: int  # counted from 0
    value: float
    monitor: str = "val/loss"  # the metric by which it was chosen
    is_last: bool = False  # so that further training might have improved it


@dataclass(frozen=True)
class Divergence:
    """Where divergence was detected."""

    step: int  # updates until then
    tensor: str  # a weight by its name in the task, train/loss or val/loss
    value: float


@dataclass(frozen=True)
class Timing:
    """Training time; rates and seconds per epoch exclude validation."""

    epochs: int = 0
    updates: int = 0
    seconds: float = 0.0  # from the first to the last step, without interruptions
    seconds_per_epoch: float | None = None
    steps_per_second: float | None = None
    sequences_per_second: float | None = None
    seconds_to_best: float | None = None  # until the end of the best epoch
    others_busy_cores: float | None = None  # kept busy by other processes meanwhile, on average
    shared: bool | None = None  # whether that was more than a tenth of a core; None if unknown


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters; see :meth:`src.tasks.base.Task.count_parameters`."""

    recurrent: int
    effective: int
    total: int


@dataclass(frozen=True)
class Budget:
    """The budget for which the width was solved; see :class:`src.tasks.budget.Budget`."""

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
    """The data as read."""

    # of the data as read and the items of each split: a moved file is the same, an altered one is not
    checksum: str | None = None
    sequences: dict[str, int] = field(default_factory=dict)  # number in each split
    name: str | None = None  # the data set's own name; None if it is the config's name
    split_seed: int | None = None  # data.split_seed, seed of random splits; None: they followed the run's seed
    notes: dict[str, Any] = field(default_factory=dict)  # findings of the data module, e.g. train/padding, leaked


@dataclass(frozen=True)
class WandbRun:
    """The run's mirror at Weights & Biases."""

    id: str
    mode: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Memory:
    """Peak memory of the process, and peak allocation on the GPU, in MB (10^6 bytes)."""

    peak_rss_mb: float | None = None
    peak_gpu_mb: float | None = None


@dataclass(frozen=True)
class Git:
    """The commit of the code, and whether the working tree was clean; empty outside a git checkout."""

    commit: str | None = None
    clean: bool | None = None


@dataclass
class RunResult:
    """The content of a run's ``result.json``; times are Unix times.

    >>> RunResult(id="3435e0996364", seed=0).status
    'running'
    """

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    id: str  # also its wandb id
    seed: Annotated[int, Strict()]  # JSON's true is not a seed
    status: Status = "running"  # a running run whose process died is read as interrupted
    name: str | None = None  # shown in wandb and in tables
    identity: str | None = None  # equal identities mean equal results
    study_job: StudyJob | None = None  # None outside a study
    choices: dict[str, str] = field(default_factory=dict)  # model and data by their names in conf/
    metrics: dict[str, float] = field(default_factory=dict)  # split/name, of the best epoch
    declared: dict[str, Metric] = field(default_factory=dict)  # declarations by its task, by name without the split
    baselines: dict[str, float] = field(default_factory=dict)  # trivial predictors on test, e.g. unigram/nll
    val_baselines: dict[str, float] = field(default_factory=dict)  # the same on validation
    best: Best | None = None  # None before the first validation
    stop_reason: StopReason | None = None  # None if unknown
    parameters: Parameters | None = None
    budget: Budget | None = None
    backend: Backend | None = None
    data: DataFacts = field(default_factory=DataFacts)
    timing: Timing = field(default_factory=Timing)
    memory: Memory = field(default_factory=Memory)
    wandb: WandbRun | None = None
    loggers: dict[str, str] = field(default_factory=dict)  # the run's id in each further logger that has ids
    hardware: dict[str, Any] = field(default_factory=dict)  # cpu, cores, threads, and gpu if there is one
    git: Git = field(default_factory=Git)
    versions: dict[str, str] = field(default_factory=dict)  # of Python and of packages that affect results
    results_version: int | None = None  # version of the code, raised when results of the same config change
    # SHA-256 of the source of the user's own classes, by where the config names them; empty in older records
    sources: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)  # the command line that starts this run alone
    digests: dict[str, str] = field(default_factory=dict)  # SHA-256 of the run's other files, by path in the directory
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None  # time of the last heartbeat
    attempts: int = 0  # number of processes that have worked on it
    error: str | None = None  # the reason of a failure, in one sentence
    divergence: Divergence | None = None  # None unless it diverged
    schema: int = SCHEMA

    @property
    def took(self) -> float:
        """Its duration in seconds; for several processes with pauses between them, its training time only."""
        if self.attempts == 1 and self.started is not None and self.ended is not None:
            return self.ended - self.started
        return self.timing.seconds

    @property
    def ended_for_good(self) -> bool:
        """Whether the run is complete, with a result."""
        return self.status in ENDED

    @property
    def model(self) -> str | None:
        """The name of the model's config; None for a model given without one."""
        return self.study_job.model if self.study_job else self.choices.get("model")

    @property
    def data_name(self) -> str | None:
        """The name of the data set's config; for the user's own files, the file's name."""
        if self.study_job:
            return self.study_job.data
        choice = self.choices.get("data")
        return self.data.name if choice in OWN_FORMS and self.data.name else choice

    def solved(self, below: float = SOLVED_BELOW) -> bool | None:
        """Return whether the test loss is below a share of the best trivial baseline's; False for diverged runs.

        None if the data have no such baseline, or the run is incomplete.
        """
        if not self.ended_for_good or (threshold := threshold_of(self.baselines, below)) is None:
            return None
        loss, limit = threshold
        return self.status == "finished" and self.metrics.get(f"test/{loss}", math.inf) < limit


def threshold_of(baselines: Mapping[str, float], below: float = SOLVED_BELOW) -> tuple[str, float] | None:
    """Return the loss by its own name, and the threshold for a solved task; None without a trivial baseline of a loss.

    >>> threshold_of({"mean/mse": 0.5, "last/mse": 0.4, "mean/mae": 0.1}, below=0.5)
    ('mse', 0.2)
    """
    for loss in LOSSES:
        if trivial := [value for name, value in baselines.items() if name.rpartition("/")[2] == loss]:
            return loss, below * min(trivial)
    return None


def read_result(path: Path) -> RunResult | None:
    """Read a ``result.json`` of any known schema as it was written; None if the file does not exist.

    Raises:
        UserError: the file is not JSON, has an unknown schema, or is damaged.
    """
    content = read_json(path, "the result.json of a run")
    if content is None:
        return None
    if not isinstance(content, dict) or type(content.get("schema")) is not int or content["schema"] > SCHEMA:
        raise UserError(f"{path} must be a run's result.json of schema {SCHEMA} or older.")
    digests = content.get("digests")
    seal = digests.pop("result.json", None) if isinstance(digests, dict) else None
    if seal is not None and seal != digest_of(content):
        raise UserError(
            f"{path} was damaged or changed after the run ended (its own digest differs): restore an intact "
            "copy, or train the run again."
        )
    if content["schema"] < 2:
        content = _from_schema_1(content, path.parent.name)
    return from_plain(RunResult, content, path)


def sealed(record: RunResult) -> RunResult:
    """Add a digest of the record to its digests, which :func:`read_result` verifies."""
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
