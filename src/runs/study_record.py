"""The record of a study: what ``study.json`` and ``planned.json`` hold, in one place for whoever writes or reads them.

Schema 2. In schema 1 the draws of a data set were not told apart by arm; such files are read as if every arm had
drawn them. Both files are sealed (:func:`src.runs.typed_json.sealed`), and ``study.copy.json`` is ``study.json`` once
more: a metric, margin or date that was damaged or edited is noticed, and restored.
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
Number = int | float  # kept as it was written: the hash of a plan tells 1 and 1.0 apart
Side = Literal["low", "high"]
NEIGHBOURS = 2.001  # parts of a range that neighbours may lie apart, with room for the rounding of draws


@dataclass(frozen=True)
class Repeat:
    """The best ``best`` trials of a model are run again with ``seeds`` further seeds before one is chosen."""

    best: Count = 3
    seeds: Whole = 3


@dataclass(frozen=True)
class LogUniform:
    """A range that values are drawn from: one in each of ``number`` equal parts, by logarithm."""

    low: Number
    high: Number
    number: int

    @property
    def stratum(self) -> float:
        """Width of a part, as a difference of natural logarithms."""
        return math.log(self.high / self.low) / self.number

    def gap(self, values: Sequence[float], chosen: float) -> tuple[float, float] | None:
        """The widest step from a choice to a tried value beside it; None where it is at most two parts.

        >>> LogUniform(0.001, 0.1, 6).gap([0.001, 0.002, 0.1], 0.002)
        (0.002, 0.1)
        """
        below = max((v for v in values if v < chosen), default=chosen)
        above = min((v for v in values if v > chosen), default=chosen)
        low, high = max((below, chosen), (chosen, above), key=lambda ends: ends[1] / ends[0])
        return (low, high) if math.log(high / low) > NEIGHBOURS * self.stratum else None


@dataclass(frozen=True)
class TuningRecord:
    """Which values are tried; all models share them.

    Several keys with ranges are drawn together; lists are combined with everything else.
    """

    draws: dict[str, list[Any] | LogUniform] = field(default_factory=dict)  # by dotted key, values or a range
    repeat: Repeat = field(default_factory=Repeat)  # how the choice is confirmed
    seed: Whole | None = None  # of the draws (stream tuning); a plan that is read has one made of its name
    first_seed: Whole = 1000  # of the trials, the repeats take the following ones; no final run may use them
    # How often at most further values are tried because a choice lies in the outer tenth of a range, or in a gap.
    extensions: Whole = 2


@dataclass(frozen=True)
class PrimaryRecord:
    """The one comparison that a study is for; metric and margin may be one for each data set, beside ``default``."""

    models: tuple[str, str]  # the first is compared against the second
    metric: str | dict[str, str]  # of the test, e.g. test/nll
    # The difference below which the two are practically the same, in its unit; None: computed from validation before
    # the first final run (:class:`MarginRecord`).
    margin: Number | dict[str, Number | None] | None = None

    def metric_of(self, data: str) -> str | None:
        """The metric on a data set."""
        return self.metric if isinstance(self.metric, str) else self.metric.get(data, self.metric.get("default"))

    def margin_of(self, data: str) -> float | None:
        """The margin on a data set, in the metric's unit; None where the plan leaves it to validation."""
        return self.margin.get(data, self.margin.get("default")) if isinstance(self.margin, dict) else self.margin


@dataclass(frozen=True)
class PlanRecord:
    """A study as its author fixed it."""

    name: str  # of the study, the file and its folder under paths.runs_dir
    question: str = ""  # what it asks, one sentence
    models: dict[str, Settings | None] = field(default_factory=dict)  # names in conf/model, settings of their jobs
    data: dict[str, Settings | None] = field(default_factory=dict)  # names in conf/data, likewise
    primary: PrimaryRecord | None = None  # the comparison that is fixed beforehand
    # Variants that everything is repeated in, e.g. another optimizer; each with its settings.
    arms: dict[str, Settings | None] = field(default_factory=lambda: {"main": {}})
    settings: Settings = field(default_factory=dict)  # of every job
    tuning: TuningRecord | None = None  # which values are tried; None: none
    pairs: int | dict[str, int] = 10  # final seeds, 0 to pairs - 1; or one for each data set beside default
    # Numbers of pairs at which the study may be looked at, the last one all of them; or by data set beside default;
    # None: one look, at all pairs.
    looks: list[int] | dict[str, list[int]] | None = None
    # Final runs on so many random splits of each data set, ``data.split_seed`` 0 and up, each with all pairs: the
    # answer is then about other splits of these files. None: one split.
    resplits: int | None = None
    # Whether pairs may be added in sittings without limit, with a look at ``pairs`` in the first and at twice as many
    # in each further one (:mod:`src.statistics.sittings`); ``looks`` are then none of the plan's. None: no.
    sittings: bool | None = None
    tolerance: From0 = 0.02  # by how much budgets may differ, as a share
    overrides: Settings = field(default_factory=dict)  # what the command line added for all jobs

    @property
    def tuned(self) -> dict[str, list[Any] | LogUniform]:
        """What is tuned, by dotted key; empty where nothing is."""
        return self.tuning.draws if self.tuning else {}

    def pairs_of(self, data: str) -> int:
        """How many final seeds a data set has."""
        return self.pairs.get(data, self.pairs.get("default", 10)) if isinstance(self.pairs, dict) else self.pairs

    def looks_of(self, data: str) -> list[int]:
        """The numbers of pairs at which a data set may be looked at."""
        looks = self.looks.get(data, self.looks.get("default")) if isinstance(self.looks, dict) else self.looks
        return looks or [self.pairs_of(data)]


@dataclass(frozen=True)
class Change:
    """A change of the plan after the study had begun: when, from which hash to which, and the dotted keys."""

    time: float
    before: str
    after: str
    keys: list[str]


@dataclass(frozen=True)
class Candidate:
    """Values that were tried again: their mean validation value (None: diverged) and the runs it is of."""

    values: Settings
    value: float | None
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """The values that a model got in one condition, by which metric, and what they were chosen among."""

    values: Settings
    value: float
    monitor: str
    mode: Direction
    candidates: list[Candidate] = field(default_factory=list)


@dataclass(frozen=True)
class Because:
    """The choice at an edge, or in a gap, that made further values be tried."""

    model: str
    value: Any
    arm: str | None = None


@dataclass(frozen=True)
class Extension:
    """Further values in one condition: of which key, on which side, the limits of its range before and after.

    A gap that is filled leaves the limits as they were.
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
    """A model that a data set (or one arm of it) does without, and why."""

    model: str
    data: str
    reason: str
    arm: str | None = None


@dataclass(frozen=True)
class LookTaken:
    """A look at one data set in one arm: its pairs were complete, and whoever looked could see the answer."""

    data: str
    arm: str
    pairs: int
    time: float


@dataclass(frozen=True)
class MarginRecord:
    """A margin that was computed from validation (:mod:`src.statistics.margin`), or why there is none."""

    metric: str  # of validation
    margin: float | None  # in its unit, as are the others; None: there is none
    gap: float | None = None  # from the baseline to what was reached, positive where a model is better
    baseline: float | None = None  # of the best trivial predictor
    reached: float | None = None  # mean over the repeats of the better one of the two models
    distance: float | None = None  # from what was reached to the optimum; None where that is not known
    reason: str | None = None  # why there is none


@dataclass
class StudyRecord:
    """Everything that a ``study.json`` says; times are Unix times.

    >>> StudyRecord(name="smoke", plan=PlanRecord("smoke"), plan_hash="02d59bc6a11ceb66").registered is None
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    name: str
    plan: PlanRecord  # as it is now
    plan_hash: str  # 16 hexadecimal digits of it
    registered: float | None = None  # when the plan was fixed, before the first final run; None before that
    registered_hash: str | None = None  # the plan's hash then
    changes: list[Change] = field(default_factory=list)  # of the plan
    draws: dict[str, dict[str, dict[str, list[Any]]]] = field(default_factory=dict)  # tried, by data set, arm and key
    chosen: dict[str, dict[str, dict[str, Choice]]] = field(default_factory=dict)  # by data set, arm and model
    extensions: list[Extension] = field(default_factory=list)  # of ranges, in the order they were made
    left_out: list[LeftOut] = field(default_factory=list)
    looks: list[LookTaken] = field(default_factory=list)  # in the order they were taken
    margins: dict[str, MarginRecord] = field(default_factory=dict)  # by data set, where the plan has none
    file: str | None = None  # the study's file in experiments/
    file_hash: str | None = None  # its SHA-256
    updated: float | None = None  # the last change
    schema: int = SCHEMA


@dataclass(frozen=True)
class PlannedJob:
    """One entry of ``planned.json``: a run that a study needs, with its seed and tuned values, and its plan's hash."""

    phase: Phase
    model: str
    data: str
    arm: str
    seed: int
    values: Settings
    plan_hash: str


@dataclass
class PlannedJobs:
    """The jobs that a study has planned so far, by their ids, in their order."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    jobs: dict[str, PlannedJob]
    schema: int = SCHEMA


def parse_study(content: Any, path: Path) -> StudyRecord:
    """The record that the content of a ``study.json`` stands for, of whatever schema.

    Raises:
        Damaged: a value is not what was written, or not what it should be.
        UserError: when it is of a schema that this version does not know.
    """
    if isinstance(content, dict):
        content = unsealed(public_names(content), path)
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise Damaged(f"{path} is damaged: it is not the record of a study.")
    if content["schema"] > SCHEMA:
        raise UserError(f"{path} is not a study.json of schema {SCHEMA} or older: a later GateBench wrote it.")
    record = from_plain(StudyRecord, _from_schema_1(content) if content["schema"] < 2 else content, path)
    tried = (c for arms in record.chosen.values() for models in arms.values() for c in models.values())
    _check_names(
        [record.name, record.plan.name, *(run for c in tried for one in c.candidates for run in one.runs)], path
    )
    return record


def read_study(directory: Path) -> StudyRecord | None:
    """What a study's ``study.json`` says; None where there is no study.

    Raises:
        Damaged: says how the file is restored.
        UserError: when the file is not one that this version can read.
    """
    try:
        if (record := read_one(directory / STUDY)) is not None:
            return record
        if not any((directory / name).is_file() for name in (COPY, PLANNED)):
            return None
        raise Damaged(f"{directory / STUDY} is missing.")
    except Damaged as error:
        whole = f"Its copy is whole: cp {shlex.quote(str(directory / COPY))} {shlex.quote(str(directory / STUDY))}"
        raise Damaged(f"{error} {whole if _whole(directory / COPY) else written_anew(directory)}") from None


def read_one(path: Path) -> StudyRecord | None:
    """The record in a ``study.json`` or its copy; None where there is no such file.

    Raises:
        Damaged: the file is not what was written there.
        UserError: when the file is not one that this version can read.
    """
    content = read_json(path, "the study.json of a study")
    return None if content is None else parse_study(content, path)


def write_study(directory: Path, record: StudyRecord) -> None:
    """Write ``study.json`` and its copy, each whole or not at all."""
    content = sealed(record)
    for name in (COPY, STUDY):
        write_atomically(directory / name, lambda out: out.write(content))


def read_planned(directory: Path) -> dict[str, PlannedJob]:
    """Every job in a study's ``planned.json``, those of earlier plans among them; empty where there is none.

    Raises:
        Damaged: says how the file is restored.
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
        raise Damaged(f"{error} {written_anew(directory)}") from None
    return jobs


def write_planned(directory: Path, jobs: dict[str, PlannedJob]) -> None:
    """Write ``planned.json``, whole or not at all."""
    content = sealed(PlannedJobs(jobs))
    write_atomically(directory / PLANNED, lambda out: out.write(content))


def _check_names(names: Iterable[str], path: Path) -> None:
    if strange := next((name for name in names if not is_name(name)), None):
        raise Damaged(f"{path} is damaged: {strange!r} cannot be the name of a folder in it.")


def _whole(path: Path) -> StudyRecord | None:
    try:
        return read_one(path)
    except UserError:
        return None


def written_anew(directory: Path) -> str:
    """In a sentence, the command that writes a study's damaged file anew: with the overrides that the plan has."""
    record = _whole(directory / COPY) or _whole(directory / STUDY)
    said = {} if record is None else record.plan.overrides
    given = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in said.items()]
    command = shlex.join(["python", "-m", "src.train", "-m", f"experiments={directory.resolve().name}", *given])
    return f"The command that the study was started with writes it anew: {command}"


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
