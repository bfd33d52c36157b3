"""The plan of a study: the ``study`` node of a file in ``experiments/``, checked before anything runs."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePath
from typing import Any, ClassVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, TypeAdapter, ValidationError

from src.config.errors import UserError, nearest
from src.config.names import hashed_names, public_names
from src.config.places import is_name
from src.config.schema.entries import shown
from src.rng import derive
from src.runs.study_record import LogUniform, PlanRecord, PrimaryRecord, Repeat, Settings, TuningRecord
from src.statistics.decision import LEAST
from src.statistics.resplits import LEAST as LEAST_SPLITS
from src.tasks.metrics import Metric, declared_by_shipped_tasks

Condition = tuple[str, str]  # a data set in an arm, tuned and extended separately
OUTER = 0.25  # the draw in an outermost stratum lies in this outer fraction of it
DIGITS = 4  # significant digits of a drawn value: distinct, yet short enough to type
OF_A_JOB = ("seed", "study_job", "ckpt", "test", "name", "paths.run_dir")  # what a study sets for each run
DRAWS = "study.tuning.draws.{key} must be a list of values or low, high (0 < low < high) and number (1 or more)."
MODELS = "study.primary.models must be two of {known}, got {models}."


@dataclass(frozen=True)
class Only:
    """The part of a study for one start or one machine: ``'study.only.data=[jsb_chorales]'``; empty: everything."""

    data: list[str] = field(default_factory=list)
    arms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan(PlanRecord):
    """A plan, and the part of it to run now, which is not part of what is fixed.

    >>> plan = Plan("smoke", models={"gru": {}, "lstm": {}}, data={"ucr": {}}, only=Only(arms=["main"]))
    >>> list(plan.conditions()), len(plan.hash)
    ([('ucr', 'main')], 16)
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    only: Only = field(default_factory=Only)
    keep_weights: bool = False  # of trials and repeats after the choice; not part of what is fixed either

    @property
    def fixed(self) -> PlanRecord:
        """The plan without ``only`` and ``keep_weights``."""
        return PlanRecord(**{entry.name: getattr(self, entry.name) for entry in fields(PlanRecord)})

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over everything that is fixed; null keys are omitted, so that keys can be added."""
        said = {key: value for key, value in asdict(self.fixed).items() if value is not None}
        return hashlib.sha256(json.dumps(hashed_names(said), sort_keys=True).encode()).hexdigest()[:16]

    def conditions(self) -> Iterator[Condition]:
        """Iterate over every data set in every arm of this start."""
        yield from itertools.product(self.only.data or self.data, self.only.arms or self.arms)

    def settings_of(self, model: str, data: str, arm: str) -> Settings:
        """Return the settings of a job: the command line overrides arms, arms override models, models override data."""
        settings: Settings = {"model": model, "data": data}
        for node in (self.settings, self.data[data], self.models[model], self.arms[arm], self.overrides):
            settings |= node or {}
        if "task.monitor" not in settings and (metric := self.declared(data)) is not None:
            settings |= {"task.monitor": f"val/{metric.name}", "task.mode": metric.direction}
        return settings

    def declared(self, data: str) -> Metric | None:
        """Return the declaration of a data set's primary metric by the shipped tasks; jobs choose by it on validation.

        None for a metric of the user's own task (:meth:`src.studies.jobs.Jobs.config`).
        """
        metric = self.primary.metric_of(data) if self.primary else None
        return declared_by_shipped_tasks().get((metric or "").rpartition("/")[2])


_READER = TypeAdapter(Plan)
_KEYS = [entry.name for kind in (Plan, PrimaryRecord, TuningRecord, Repeat, Only) for entry in fields(kind)]


def read_plan(node: DictConfig | Mapping[str, Any], overrides: Settings | None = None) -> Plan:
    """Read the plan in a ``study`` node, and the command line's settings for all jobs.

    Raises:
        UserError: a key is unknown or missing, a value has the wrong type, or values contradict each other.
    """
    try:
        as_given = node if isinstance(node, DictConfig) else OmegaConf.create(dict(node))
        content: Any = public_names(OmegaConf.to_container(as_given, resolve=True, throw_on_missing=True))
        plan = _READER.validate_python({**content, "overrides": public_names(overrides or {})})
    except OmegaConfBaseException as error:
        raise UserError(f"The study cannot be read: {str(error).splitlines()[0]}.") from error
    except ValidationError as error:
        raise UserError(_sentence(content, error)) from None
    _check(plan)
    if plan.tuning and plan.tuning.seed is None:
        seed = zlib.crc32(plan.name.encode())
        plan = replace(plan, tuning=replace(plan.tuning, seed=seed))
    return plan


def _sentence(content: Any, error: ValidationError) -> str:
    """Return what is wrong with a ``study`` node, and what would be right."""
    # An unknown key is more informative than the missing one in whose place it stands.
    first = min(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
    path, value = ["study"], content
    for place in first["loc"]:
        if isinstance(value, dict) and place in value:
            path.append(str(place))
            value = value[place]
    key = ".".join(path)
    if path[:3] == ["study", "tuning", "draws"] and len(path) > 3:
        return DRAWS.format(key=path[3])
    if path[:3] == ["study", "primary", "models"]:
        return MODELS.format(models=value, known=", ".join(content["models"]))
    if first["type"] == "unexpected_keyword_argument":
        return f"{key} is not a key of a study{'' if path[-1] in _KEYS else nearest(path[-1], _KEYS)}."
    if first["type"] == "missing" and isinstance(value, dict):
        return f"{key}.{first['loc'][-1]} is missing: add it to the study."
    wanted = first["msg"].removeprefix("Input should be ").partition(",")[0]
    return f"{key} must be {wanted}, got {shown(value)}."


def _check(plan: Plan) -> None:
    _check_names(plan)
    for key in ("question", "models", "data", "primary"):
        if not getattr(plan, key):
            raise UserError(f"study.{key} is missing: add it to the study.")
    assert plan.primary is not None
    if not set(plan.primary.models) <= set(plan.models):
        raise UserError(MODELS.format(models=list(plan.primary.models), known=", ".join(plan.models)))
    _refuse_unknown("only", plan.only.data, plan.data)
    _refuse_unknown("only", plan.only.arms, plan.arms)
    if plan.resplits is not None and (plan.resplits < LEAST_SPLITS or plan.looks):
        raise UserError(
            f"study.resplits must be null or at least {LEAST_SPLITS}, with study.looks=null, got {plan.resplits}."
        )
    if plan.sittings and (plan.looks or plan.resplits):
        raise UserError("study.sittings sets its own looks, so study.looks and study.resplits must be null.")
    for data in plan.data:
        pairs = plan.pairs_of(data)
        if pairs < 1:
            raise UserError(f"study.pairs must be at least 1 for {data}, got {pairs}.")
        _check_looks(data, plan.looks_of(data), pairs)
        margin = plan.primary.margin_of(data)
        metric = plan.primary.metric_of(data) or ""
        if not re.fullmatch(r"test/\w+", metric) or not (margin is None or margin > 0):
            raise UserError(
                f"study.primary must have a metric for {data}, such as test/nll, and a margin above 0 or null."
            )
        if margin is None and plan.tuning is None:
            raise UserError(
                f"study.primary.margin is missing for {data}: only a study with tuning can compute it from validation."
            )
        if plan.tuning and pairs > plan.tuning.first_seed:
            raise UserError(
                f"study.tuning.first_seed={plan.tuning.first_seed} would let final runs reuse seeds of trials: set it "
                f"to at least {pairs}."
            )
    by_data: dict[str, Any] = {"pairs": plan.pairs, "looks": plan.looks}
    by_data |= {"primary.metric": plan.primary.metric, "primary.margin": plan.primary.margin}
    for key, values in by_data.items():
        _refuse_unknown(key, values if isinstance(values, dict) else (), plan.data, "default")
    for key, draw in plan.tuned.items():
        if isinstance(draw, LogUniform) and not (0 < draw.low < draw.high and draw.number >= 1):
            raise UserError(DRAWS.format(key=key))
    for key in _set_in(plan):
        if (bare := key.lstrip("+")) in plan.tuned:
            raise UserError(f"{bare} is set in a study that tunes it, which would replace the value: drop one of them.")


def _refuse_unknown(key: str, names: Iterable[str], there: Collection[str], further: str | None = None) -> None:
    """Refuse a name that is neither ``there`` nor ``further``."""
    choices = ", ".join(there) + (f" and {further}" if further else "")
    for name in names:
        if name not in there and name != further:
            raise UserError(f"study.{key} names {name}, which the study does not have: choose from {choices}.")


def _check_names(plan: Plan) -> None:
    """Refuse names and settings that would put runs outside ``paths.runs_dir``."""
    if not is_name(plan.name):
        raise UserError(
            f"study.name={plan.name} must be a folder name: letters, digits and, after the first character, "
            "also _ . + -."
        )
    for key in ("models", "data", "arms"):
        for name in getattr(plan, key):
            if PurePath(name).is_absolute() or ".." in PurePath(name).parts or not name.isprintable():
                raise UserError(
                    f"study.{key} has {name!r}, which is not a valid name because it leads to another folder."
                )
    for key in (*_set_in(plan), *plan.tuned):
        if (bare := key.lstrip("+~")) in OF_A_JOB or bare.partition(".")[0] == "hydra":
            raise UserError(f"{key} cannot be set in a study, which sets it for each run.")


def _set_in(plan: Plan) -> list[str]:
    """Return the keys that the plan or the command line sets, as written."""
    nodes = [plan.settings, plan.overrides, *plan.data.values(), *plan.models.values(), *plan.arms.values()]
    return [key for node in nodes for key in node or {}]


def _check_looks(data: str, looks: Sequence[int], pairs: int) -> None:
    growing = all(first < second for first, second in itertools.pairwise(looks))
    if not growing or looks[-1] != pairs or looks[0] < min(LEAST, pairs):
        raise UserError(
            f"study.looks must be increasing numbers of pairs for {data}, from at least {min(LEAST, pairs)} to "
            f"{pairs}, got {list(looks)}."
        )


def values_of(tuning: TuningRecord, extension: int = 0) -> dict[str, list[Any]]:
    """Return the values of each tuned key: listed, or stratified draws (a Latin hypercube over several ranges).

    Each key and each extension has its own random substream, so that their draws are independent.

    >>> values_of(TuningRecord({"optimizer.lr": LogUniform(0.001, 0.1, 2), "model.dropout": [0.0, 0.3]}, seed=0))
    {'optimizer.lr': [0.001474, 0.08626], 'model.dropout': [0.0, 0.3]}
    """
    values: dict[str, list[Any]] = {}
    for place, (key, draw) in enumerate(tuning.draws.items()):
        if isinstance(draw, LogUniform):
            assert tuning.seed is not None
            generator = random.Random(derive(tuning.seed, "tuning", 100 * extension + place))
            values[key] = _stratified(draw, generator)
        else:
            values[key] = list(draw)
    return values


def _stratified(draw: LogUniform, generator: random.Random) -> list[float]:
    """Draw one value in each of the equal parts of a range on the log scale, in random order; outer ones near the ends.

    Neighbours are at most two parts apart (jittered strata: McKay et al., Technometrics 21, 1979).
    """
    places = [(part + generator.random()) / draw.number for part in range(draw.number)]
    if draw.number > 1:
        places[0] *= OUTER
        places[-1] = 1 - OUTER * (1 - places[-1])
    generator.shuffle(places)
    ratio = draw.high / draw.low
    return [float(f"{draw.low * ratio**place:.{DIGITS}g}") for place in places]


def combinations(tuning: TuningRecord, values: Mapping[str, list[Any]]) -> list[Settings]:
    """Return the trials: ranges are combined draw by draw, and each draw with every combination of the lists.

    >>> combinations(TuningRecord({"a": LogUniform(1, 2, 2), "b": [0, 1]}), {"a": [1.1, 1.2], "b": [0, 1]})
    [{'a': 1.1, 'b': 0}, {'a': 1.1, 'b': 1}, {'a': 1.2, 'b': 0}, {'a': 1.2, 'b': 1}]
    """
    drawn = [key for key in values if isinstance(tuning.draws[key], LogUniform)]
    listed = [key for key in values if key not in drawn]
    together = [dict(zip(drawn, draw, strict=True)) for draw in zip(*(values[k] for k in drawn), strict=True)] or [{}]
    grids = [dict(zip(listed, choice, strict=True)) for choice in itertools.product(*(values[k] for k in listed))]
    return [draw | grid for draw in together for grid in grids]
