"""What a study is: the ``study`` node of a file in ``experiments/``, checked before anything runs."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError
from src.config.names import hashed_names, public_names
from src.rng import derive

Settings = dict[str, Any]  # dotted keys of conf/train.yaml, or config groups, and their values
DIGITS = 4  # of a value that is drawn: enough to tell it apart, short enough to be typed again


@dataclass
class Repeat:
    """The best ``best`` trials of a model are run again with ``seeds`` further seeds before one is chosen."""

    best: int = 3
    seeds: int = 3


@dataclass
class Tuning:
    """Which values are tried, e.g. ``Tuning({"optimizer.lr": {"low": 1e-4, "high": 3e-2, "number": 10}})``.

    Args:
        draws: by key, a list of values, or ``low``, ``high`` and ``number`` of log-uniform draws. Several keys with
            ranges are drawn together; lists are combined with everything else. All models share the values.
        repeat: how the choice is confirmed.
        seed: of the draws (stream ``tuning``).
        first_seed: the run seed of the trials; the repeats take the following ones. No final run may use them.
        extensions: how many times at most a range is extended because a choice lies in its outer tenth.
    """

    draws: dict[str, Any] = MISSING
    repeat: Repeat = field(default_factory=Repeat)
    seed: int = 0
    first_seed: int = 1000
    extensions: int = 2


@dataclass
class Primary:
    """The one comparison the study is for: the first model against the second.

    Args:
        models: two names out of the study's models.
        metric: of the test, e.g. ``test/nll``; or one for each data set.
        margin: the difference below which the two are practically the same, in the metric's unit; or one for each
            data set.
    """

    models: list[str] = MISSING
    metric: Any = MISSING
    margin: Any = MISSING


@dataclass
class Only:
    """A piece of a study, for one start or one machine: ``'study.only.data=[jsb_chorales]'``; empty: everything."""

    data: list[str] = field(default_factory=list)
    arms: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """A study as its author fixed it.

    >>> plan = Plan("smoke", "?", {"gru": {}, "lstm": {}}, {"ucr": {}}, Primary(["gru", "lstm"], "test/nll", 0.1))
    >>> plan.pairs_of("ucr"), len(plan.hash)
    (10, 16)

    Args:
        name: of the study, the file and its folder under ``paths.runs_dir``.
        question: what it asks, one sentence.
        models: names in ``conf/model``, each with the settings of its jobs.
        data: names in ``conf/data``, likewise.
        primary: the comparison that is fixed beforehand.
        arms: variants that everything is repeated in, e.g. another optimizer; each with its settings.
        settings: of every job.
        tuning: which values are tried; None: none.
        pairs: final seeds, 0 to pairs - 1; a number, or one for each data set beside ``default``.
        tolerance: by how much budgets may differ, as a share.
        overrides: what the command line added for all jobs (set by the sweeper).
        only: a piece of the study that this start is for, not part of what is fixed.
    """

    name: str = MISSING
    question: str = MISSING
    models: dict[str, Any] = MISSING
    data: dict[str, Any] = MISSING
    primary: Primary = MISSING
    arms: dict[str, Any] = field(default_factory=lambda: {"main": {}})
    settings: dict[str, Any] = field(default_factory=dict)
    tuning: Tuning | None = None
    pairs: Any = 10
    tolerance: float = 0.02
    overrides: dict[str, Any] = field(default_factory=dict)
    only: Only = field(default_factory=Only)

    @property
    def fixed(self) -> dict[str, Any]:
        """The plan as plain dicts, without ``only``."""
        return {key: value for key, value in asdict(self).items() if key != "only"}

    @property
    def hash(self) -> str:
        """16 hexadecimal digits of everything in the plan."""
        return hashlib.sha256(json.dumps(hashed_names(self.fixed), sort_keys=True).encode()).hexdigest()[:16]

    def pairs_of(self, data: str) -> int:
        """How many final seeds a data set has."""
        return int(_of(self.pairs, data, 10))

    def metric_of(self, data: str) -> str:
        """The metric of the primary comparison on a data set."""
        return str(_of(self.primary.metric, data, None))

    def margin_of(self, data: str) -> float:
        """The margin of practical equivalence on a data set, in the metric's unit."""
        return float(_of(self.primary.margin, data, math.nan))

    def cells(self) -> Iterator[tuple[str, str]]:
        """Every data set with every arm that this start is for."""
        yield from itertools.product(self.only.data or self.data, self.only.arms or self.arms)

    def settings_of(self, model: str, data: str, arm: str) -> Settings:
        """What a job sets: an arm wins over a model, a model over a data set, the command line over all."""
        found: Settings = {"model": model, "data": data}
        for node in (self.settings, self.data[data], self.models[model], self.arms[arm], self.overrides):
            found |= node or {}
        return found


def read_plan(node: DictConfig | Mapping[str, Any], overrides: Settings | None = None) -> Plan:
    """The plan in a ``study`` node.

    Args:
        node: as composed from ``experiments/NAME.yaml`` and the command line.
        overrides: what the command line says for all jobs.

    Raises:
        UserError: for a key that a plan does not have, one that is missing, or values that contradict each other.
    """
    try:
        given = OmegaConf.to_container(OmegaConf.merge({}, node, {"overrides": overrides or {}}))
        plan = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Plan), public_names(given)))
    except OmegaConfBaseException as error:
        raise UserError(f"The study cannot be read: {str(error).splitlines()[0]}.") from error
    assert isinstance(plan, Plan)
    _check(plan)
    return plan


def _check(plan: Plan) -> None:
    if len(plan.primary.models) != 2 or not set(plan.primary.models) <= set(plan.models):
        raise UserError(
            f"study.primary.models={plan.primary.models} is impossible: it must be two of {', '.join(plan.models)}."
        )
    for given, there in ((plan.only.data, plan.data), (plan.only.arms, plan.arms)):
        if strange := [name for name in given if name not in there]:
            raise UserError(
                f"study.only names {strange[0]}, which the study does not have: it must be of {', '.join(there)}."
            )
    for data in plan.data:
        if plan.pairs_of(data) < 1:
            raise UserError(f"study.pairs={plan.pairs_of(data)} is impossible for {data}: it must be at least 1.")
        if plan.metric_of(data) == "None" or not plan.margin_of(data) > 0:
            raise UserError(
                f"study.primary must give {data} a metric, e.g. test/nll, and a margin above 0 in its unit."
            )
        if plan.tuning and plan.pairs_of(data) > plan.tuning.first_seed:
            raise UserError(
                f"study.tuning.first_seed={plan.tuning.first_seed} would let final runs use seeds of trials: it must "
                f"be at least {plan.pairs_of(data)}."
            )
    for key, spec in (plan.tuning.draws if plan.tuning else {}).items():
        if isinstance(spec, list):
            continue
        if not isinstance(spec, dict) or set(spec) != {"low", "high", "number"} or not 0 < spec["low"] < spec["high"]:
            raise UserError(
                f"study.tuning.draws.{key} must be a list of values or low, high (0 < low < high) and number."
            )


def first_values(tuning: Tuning) -> dict[str, list[Any]]:
    """The values of each tuned key before any extension: listed, or drawn log-uniformly.

    >>> first_values(Tuning({"optimizer.lr": {"low": 0.001, "high": 0.1, "number": 2}, "model.dropout": [0.0, 0.3]}))
    {'optimizer.lr': [0.0047..., 0.01...], 'model.dropout': [0.0, 0.3]}
    """
    return {
        key: spec
        if isinstance(spec, list)
        else log_uniform(spec["low"], spec["high"], spec["number"], tuning.seed, part)
        for part, (key, spec) in enumerate(tuning.draws.items())
    }


def log_uniform(low: float, high: float, number: int, seed: int, part: int = 0) -> list[float]:
    """Draws whose logarithm is uniform between those of ``low`` and ``high``, from the stream ``tuning``.

    Args:
        low, high: the range, above 0.
        number: how many.
        seed: of the study.
        part: a number for each key and each extension, so that their draws have nothing in common.
    """
    generator = random.Random(derive(seed, "tuning", part))
    return [float(f"{math.exp(generator.uniform(math.log(low), math.log(high))):.{DIGITS}g}") for _ in range(number)]


def combinations(tuning: Tuning, values: Mapping[str, list[Any]]) -> list[Settings]:
    """The trials: keys with ranges go together, draw by draw; each is combined with every combination of the lists.

    >>> combinations(Tuning({"a": {"low": 1, "high": 2, "number": 2}, "b": [0, 1]}), {"a": [1.1, 1.2], "b": [0, 1]})
    [{'a': 1.1, 'b': 0}, {'a': 1.1, 'b': 1}, {'a': 1.2, 'b': 0}, {'a': 1.2, 'b': 1}]
    """
    drawn = [key for key in values if not isinstance(tuning.draws[key], list)]
    listed = [key for key in values if key not in drawn]
    together = [dict(zip(drawn, draw, strict=True)) for draw in zip(*(values[k] for k in drawn), strict=True)] or [{}]
    grids = [dict(zip(listed, choice, strict=True)) for choice in itertools.product(*(values[k] for k in listed))]
    return [draw | grid for draw in together for grid in grids]


def _of(value: Any, data: str, default: Any) -> Any:
    return value.get(data, value.get("default", default)) if isinstance(value, dict) else value
