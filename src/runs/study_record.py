"""The record of a study: the content of ``study.json`` and ``planned.json``, defined once for readers and writers.

Schema 2. Schema 1 did not separate the draws of a data set by arm; such files are read as if every arm had drawn them.
Both files are sealed (:func:`src.runs.typed_json.sealed`), and ``study.copy.json`` is a copy of ``study.json``, so that
a damaged or edited metric, margin or date is noticed and restored.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from src.config.errors import UserError
from src.config.names import public_names
from src.config.places import is_name
from src.config.schema.entries import Count, From0, Whole
from src.files import write_atomically
from src.runs.result import Phase
from src.runs.typed_json import CONFIG, Damaged, from_plain, read_json, sealed, unsealed
from src.tasks.metrics import Direction

SCHEMA = 2
STUDY, COPY, PLANNED = "study.json", "study.copy.json", "planned.json"

Settings = dict[str, Any]  # dotted keys of conf/train.yaml, or config groups, and their values
Number = int | float  # kept as written: the hash of a plan distinguishes 1 and 1.0
Side = Literal["low", "high"]
NEIGHBOURS = 2.001  # largest distance of neighbours in strata, with room for the rounding of draws


@dataclass(frozen=True)
class Repeat:
    """The ``best`` best trials of a model are repeated with ``seeds`` further seeds before one is chosen."""

    best: Count = 3
    seeds: Whole = 3


@dataclass(frozen=True)
class LogUniform:
    """A range for stratified draws: one value in each of ``number`` equal parts on the log scale."""

    low: Number
    high: Number
    number: int

    @property
    def stratum(self) -> float:
        """Width of a part, as a difference of natural logarithms."""
        return math.log(self.high / self.low) / self.number

    def gap(self, values: Sequence[float], chosen: float) -> tuple[float, float] | None:
        """Return the widest step from a choice to a neighbouring tried value; None if it is at most two parts.

        >>> LogUniform(0.001, 0.1, 6).gap([0.001, 0.002, 0.1], 0.002)
        (0.002, 0.1)
        """
        below = max((v for v in values if v < chosen), default=chosen)
        above = min((v for v in values if v > chosen), default=chosen)
        low, high = max((below, chosen), (chosen, above), key=lambda ends: ends[1] / ends[0])
        return (low, high) if math.log(high / low) > NEIGHBOURS * self.stratum else None


@dataclass(frozen=True)
class TuningRecord:
    """The values to try, shared by all models.

    Ranges of several keys are drawn together; lists are combined with everything else.
    """

    draws: dict[str, list[Any] | LogUniform] = field(default_factory=dict)  # by dotted key, values or a range
    repeat: Repeat = field(default_factory=Repeat)  # how the choice is confirmed
    seed: Whole | None = None  # of the draws (stream tuning); by default derived from the plan's name
    first_seed: Whole = 1000  # of the trials; repeats use the following ones; final runs must not use them
    # Largest number of extensions because a choice is in the outer tenth of a range, or in a gap.
    extensions: Whole = 2


@dataclass(frozen=True)
class PrimaryRecord:
    """The main comparison of a study; metric and margin may differ by data set, with ``default`` for the others."""

    models: tuple[str, str]  # the first is compared with the second
    metric: str | dict[str, str]  # test metric, e.g. test/nll
    # The smallest difference that matters, in its unit; None: computed from validation before the first final run
    # (:class:`MarginRecord`).
    margin: Number | dict[str, Number | None] | None = None

    def metric_of(self, data: str) -> str | None:
        """Return the metric on a data set."""
        return self.metric if isinstance(self.metric, str) else self.metric.get(data, self.metric.get("default"))

    def margin_of(self, data: str) -> float | None:
        """Return the margin on a data set, in the metric's unit; None if the plan leaves it to validation."""
        return self.margin.get(data, self.margin.get("default")) if isinstance(self.margin, dict) else self.margin


@dataclass(frozen=True)
class PlanRecord:
    """The plan of a study as fixed by its author."""

    name: str  # name of the study, its file and its folder under paths.runs_dir
    question: str = ""  # the question, in one sentence
    models: dict[str, Settings | None] = field(default_factory=dict)  # names in conf/model, settings of their jobs
    data: dict[str, Settings | None] = field(default_factory=dict)  # names in conf/data, likewise
    primary: PrimaryRecord | None = None  # the comparison fixed in advance
    # Variants in which everything is repeated, e.g. another optimizer, each with its settings.
    arms: dict[str, Settings | None] = field(default_factory=lambda: {"main": {}})
    settings: Settings = field(default_factory=dict)  # of every job
    tuning: TuningRecord | None = None  # the values to try; None: no tuning
    pairs: int | dict[str, int] = 10  # final seeds, 0 to pairs - 1; or by data set, with default for the others
    # Numbers of pairs at which the study may be looked at, up to all of them; or by data set, with default for the
    # others. None: one look, at all pairs.
    looks: list[int] | dict[str, list[int]] | None = None
    # Number of random splits of each data set for final runs, ``data.split_seed`` from 0, each with all pairs: verdicts
    # are then about other splits of these files. None: one split.
    resplits: int | None = None
    # Whether pairs may be added in sittings without limit, with a look at ``pairs`` in the first sitting and at twice
    # as many in each further one (:mod:`src.statistics.sittings`); ``looks`` are then unused. None: no.
    sittings: bool | None = None
    tolerance: From0 = 0.02  # largest relative difference between budgets
    overrides: Settings = field(default_factory=dict)  # settings from the command line for all jobs

    @property
    def tuned(self) -> dict[str, list[Any] | LogUniform]:
        """The tuned values by dotted key; empty without tuning."""
        return self.tuning.draws if self.tuning else {}

    def pairs_of(self, data: str) -> int:
        """Return the number of final seeds for a data set."""
        return self.pairs.get(data, self.pairs.get("default", 10)) if isinstance(self.pairs, dict) else self.pairs

    def looks_of(self, data: str) -> list[int]:
        """Return the numbers of pairs at which a data set may be looked at."""
        looks = self.looks.get(data, self.looks.get("default")) if isinstance(self.looks, dict) else self.looks
        return looks or [self.pairs_of(data)]


@dataclass(frozen=True)
class Change:
    """A change of the plan after the study started: the time, the hashes before and after, and the dotted keys."""

    time: float
    before: str
    after: str
    keys: list[str]


@dataclass(frozen=True)
class Candidate:
    """Values that were repeated: their mean validation value (None: diverged) and their runs."""

    values: Settings
    value: float | None
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """The values chosen for a model in one condition, the metric, and the candidates."""

    values: Settings
    value: float
    monitor: str
    mode: Direction
    candidates: list[Candidate] = field(default_factory=list)


@dataclass(frozen=True)
class Because:
    """The choice, at an edge or in a gap, that caused an extension."""

    model: str
    value: Any
    arm: str | None = None


@dataclass(frozen=True)
class Extension:
    """Further values in one condition: their key, the side, and the limits of the range before and after.

    Filling a gap leaves the limits unchanged.
    """

    time: float
    data: str
    arm: str
    key: str
    side: Side | Literal["gap"]
    before: list[Number]
    after: list[Number]
    draws: list[Any]
    trials: list[Settings]
    because: Because


@dataclass(frozen=True)
class LeftOut:
    """A model skipped on a data set (or in one arm of it), and the reason."""

    model: str
    data: str
    reason: str
    arm: str | None = None


@dataclass(frozen=True)
class LookTaken:
    """A look at one data set in one arm: its pairs were complete, so that the result could be seen."""

    data: str
    arm: str
    pairs: int
    time: float


@dataclass(frozen=True)
class MarginRecord:
    """A margin computed from validation (:mod:`src.statistics.margin`), or the reason why there is none."""

    metric: str  # validation metric
    margin: float | None  # in the metric's unit, like the following values; None if there is none
    gap: float | None = None  # from the baseline to the better model, positive if the model is better
    baseline: float | None = None  # value of the best trivial predictor
    reached: float | None = None  # mean over repeats of the better of the two models
    distance: float | None = None  # from the better model to the optimum; None if unknown
    reason: str | None = None  # why there is no margin


@dataclass
class StudyRecord:
    """The content of ``study.json``; times are Unix times.

    >>> StudyRecord(name="smoke", plan=PlanRecord("smoke"), plan_hash="02d59bc6a11ceb66").registered is None
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    name: str
    plan: PlanRecord  # the current plan
    plan_hash: str  # its hash, 16 hexadecimal digits
    registered: float | None = None  # when the plan was fixed, before the first final run; None before that
    registered_hash: str | None = None  # the plan's hash then
    changes: list[Change] = field(default_factory=list)  # of the plan
    draws: dict[str, dict[str, dict[str, list[Any]]]] = field(default_factory=dict)  # tried, by data set, arm and key
    chosen: dict[str, dict[str, dict[str, Choice]]] = field(default_factory=dict)  # by data set, arm and model
    extensions: list[Extension] = field(default_factory=list)  # of ranges, in the order they were made
    left_out: list[LeftOut] = field(default_factory=list)
    looks: list[LookTaken] = field(default_factory=list)  # in the order in which they were taken
    margins: dict[str, MarginRecord] = field(default_factory=dict)  # by data set, if the plan has none
    file: str | None = None  # the study's file in experiments/
    file_hash: str | None = None  # its SHA-256
    updated: float | None = None  # the last change
    schema: int = SCHEMA


@dataclass(frozen=True)
class PlannedJob:
    """One entry of ``planned.json``: a run that a study needs, with seed, tuned values and the plan's hash."""

    phase: Phase
    model: str
    data: str
    arm: str
    seed: int
    values: Settings
    plan_hash: str


@dataclass
class PlannedJobs:
    """The jobs planned by a study so far, by id, in order."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    jobs: dict[str, PlannedJob]
    schema: int = SCHEMA


def parse_study(content: Any, path: Path) -> StudyRecord:
    """Parse the content of a ``study.json`` of any known schema.

    Raises:
        Damaged: the content is invalid, or not what was written.
        UserError: the schema is unknown to this version.
    """
    if isinstance(content, dict):
        content = unsealed(public_names(content), path)
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise Damaged(f"{path} is damaged: it must be the record of a study.")
    if content["schema"] > SCHEMA:
        raise UserError(f"{path} must be a study.json of schema {SCHEMA} or older; a later GateBench wrote it.")
    record = from_plain(StudyRecord, _from_schema_1(content) if content["schema"] < 2 else content, path)
    tried = (c for arms in record.chosen.values() for models in arms.values() for c in models.values())
    _check_names(
        [record.name, record.plan.name, *(run for c in tried for one in c.candidates for run in one.runs)], path
    )
    return record


def no_study(directory: Path) -> UserError:
    """Return the error about a folder that should be a study's."""
    return UserError(
        f"{directory} has no study.json: study must name a study's folder, e.g. study=smoke; other runs, such as those "
        f"of a multirun, are read by compare folders={directory}."
    )


def read_study(directory: Path) -> StudyRecord | None:
    """Read a study's ``study.json``; None if there is no study.

    Raises:
        Damaged: the file is damaged; the message explains how to restore it.
        UserError: this version cannot read the file.
    """
    try:
        if (record := read_one(directory / STUDY)) is not None:
            return record
        if not (directory / PLANNED).is_file():  # killed between the first writing of the copy and that of the record
            return read_one(directory / COPY)
        raise Damaged(f"{directory / STUDY} is missing.")
    except Damaged as error:
        whole = f"its copy is intact: cp {shlex.quote(str(directory / COPY))} {shlex.quote(str(directory / STUDY))}"
        advice = whole if _whole(directory / COPY) else written_anew(directory)
        raise Damaged(f"{str(error).rstrip('.')}; {advice}") from None


def read_one(path: Path) -> StudyRecord | None:
    """Read a ``study.json`` or its copy; None if the file does not exist.

    Raises:
        Damaged: the file is not what was written.
        UserError: this version cannot read the file.
    """
    content = read_json(path, "the study.json of a study")
    return None if content is None else parse_study(content, path)


def write_study(directory: Path, record: StudyRecord) -> None:
    """Write ``study.json`` and its copy, each atomically."""
    content = sealed(record)
    for name in (COPY, STUDY):
        write_atomically(directory / name, lambda out: out.write(content))


def read_planned(directory: Path) -> dict[str, PlannedJob]:
    """Read every job in a study's ``planned.json``, including those of earlier plans; empty if there is none.

    Raises:
        Damaged: the file is damaged; the message explains how to restore it.
    """
    path = directory / PLANNED
    try:
        content = read_json(path, "the planned.json of a study")
        if content is None:
            return {}
        if isinstance(content, dict):
            content = public_names(content)
            content = unsealed(content, path) if "schema" in content else {"jobs": content}
        jobs = from_plain(PlannedJobs, content, path).jobs
        _check_names(jobs, path)
    except Damaged as error:
        raise Damaged(f"{str(error).rstrip('.')}; {written_anew(directory)}") from None
    return jobs


def write_planned(directory: Path, jobs: dict[str, PlannedJob]) -> None:
    """Write ``planned.json`` atomically."""
    content = sealed(PlannedJobs(jobs))
    write_atomically(directory / PLANNED, lambda out: out.write(content))


def _check_names(names: Iterable[str], path: Path) -> None:
    if strange := next((name for name in names if not is_name(name)), None):
        raise Damaged(f"{path} is damaged: {strange!r} is not a valid folder name.")


def _whole(path: Path) -> StudyRecord | None:
    try:
        return read_one(path)
    except UserError:
        return None


def written_anew(directory: Path) -> str:
    """Return a clause with the command that rewrites a study's damaged file, including the plan's overrides."""
    record = _whole(directory / COPY) or _whole(directory / STUDY)
    said = {} if record is None else record.plan.overrides
    given = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in said.items()]
    command = shlex.join(["python", "-m", "src.train", "-m", f"experiments={directory.resolve().name}", *given])
    return f"to write it again, run the command that started the study: {command}"


def _from_schema_1(old: dict[str, Any]) -> dict[str, Any]:
    def renamed(entry: dict[str, Any]) -> dict[str, Any]:
        return {{"from": "before", "to": "after"}.get(key, key): value for key, value in entry.items()}

    new = {key: value for key, value in old.items() if value is not None and key != "schema"}
    for name in ("changes", "extensions"):
        new[name] = [renamed(entry) for entry in new.get(name, [])]
    arms = list((new.get("plan") or {}).get("arms") or ["main"])
    chosen = new.get("chosen", {})
    drawn = new.get("draws", {})
    new["draws"] = {data: dict.fromkeys(chosen.get(data) or arms, draws) for data, draws in drawn.items()}
    return new
