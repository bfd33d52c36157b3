"""Entries of the schema: the type and bounds of a key, one line of help, and what its value affects.

>>> key = Key(Rate, "probability that a unit keeps its old state in a step of training")
>>> holds(key.kind, 0.1), holds(key.kind, 1.0), words(key.kind)
(True, False, 'a number of at least 0 and below 1')
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt


@dataclass(frozen=True)
class That:
    """A condition on a value with its wording; for text, the wording describes the whole type."""

    holds: Callable[[Any], bool]
    words: str


Whole = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1)]
From0 = Annotated[float, Ge(0)]
Above0 = Annotated[float, Gt(0)]
Rate = Annotated[float, Ge(0), Lt(1)]
Fraction = Annotated[float, Gt(0), Lt(1)]
Share = Annotated[float, Gt(0), Le(1)]
Coverage = Annotated[
    list[Fraction], That(lambda given: 0 < len(given) == len({*given}), "with at least one item and no repeats")
]
Text = Annotated[str, That(lambda text: str(text).strip() != "", "non-empty text")]
Monitor = Annotated[
    str, That(lambda name: re.fullmatch(r"(train|val|inside)/\w+", str(name)) is not None, "a metric such as val/loss")
]
Duration = (
    dict[str, Whole]
    | Annotated[
        str, That(lambda text: str(text).count(":") == 3, "days, hours, minutes and seconds, as in 00:12:00:00")
    ]
)
Names = str | Annotated[list[str], That(lambda names: len({*names}) == len(names), "without repeats")]
BOUNDS = {
    Ge: (operator.ge, "of at least"), Gt: (operator.gt, "above"),
    Le: (operator.le, "at most"), Lt: (operator.lt, "below"),
}  # fmt: skip
# The largest integer that JSON represents exactly, and the largest finite float32.
LARGEST = {bool: 1, int: 2**53, float: 3.4e38}
LONGEST = 200  # characters of a value shown in a message
PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Any: "anything"}


class Effect(Enum):
    """What the value of a key affects."""

    RESULT = "the result of a run"
    READING = "how training reads the data, but not the data themselves"
    NOTHING = "no number"
    PLACE = "no number: a path on one machine"
    FILE = "no number: the file's content counts, not its path"

    @property
    def counts(self) -> bool:
        """Whether keys with this effect are part of a run's identity."""
        return self in (Effect.RESULT, Effect.READING)


RESULT, READING, NOTHING, PLACE, FILE = Effect


@dataclass(frozen=True)
class Key:
    """The schema of one key."""

    kind: Any  # the type of its value; a dict of keys for a group, which may also be null
    help: str  # one line
    effect: Effect = RESULT
    added: bool = False  # in no shipped file: set with a plus sign, +KEY=VALUE
    always: bool = False  # also checked for a class of the user's own


def flatten(group: Mapping[str, Key], prefix: str = "", outer: Effect = RESULT) -> Iterator[tuple[str, Key]]:
    """Iterate over the keys of a group, nested ones included, by dotted name; an effect applies to everything below."""
    for name, key in group.items():
        effect = outer if key.effect is RESULT else key.effect
        yield f"{prefix}{name}", replace(key, effect=effect)
        if isinstance(key.kind, Mapping):
            yield from flatten(key.kind, f"{prefix}{name}.", effect)


def holds(kind: Any, value: Any) -> bool:
    """Return whether a plain value has a type and lies within its bounds."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return holds(arguments[0], value) and all(
            bound.holds(value) if isinstance(bound, That) else BOUNDS[type(bound)][0](value, *astuple(bound))
            for bound in arguments[1:]
        )
    if origin in (Union, UnionType):
        return any(holds(option, value) for option in arguments)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin is list:
        return isinstance(value, list) and all(holds(arguments[0], item) for item in value)
    if isinstance(kind, Mapping):
        return value is None or isinstance(value, dict)
    if origin is dict:
        return isinstance(value, dict) and all(holds(arguments[1], inner) for inner in value.values())
    if kind in (int, float, str) and isinstance(value, bool):
        return False
    if isinstance(value, int | float) and not abs(value) <= LARGEST[type(value)]:
        return kind is Any
    # YAML parses a name made of digits as a number, and an integer is a valid float.
    return kind is Any or isinstance(value, {str: str | int | float, float: int | float}.get(kind, kind))


def words(kind: Any) -> str:
    """Describe a type in words.

    >>> words(Count | list[Count] | None), words(Rate)
    ('a whole number of at least 1, or a list of these, or null', 'a number of at least 0 and below 1')
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        if arguments[0] is str:
            return str(arguments[1].words)
        bounds = [
            bound.words if isinstance(bound, That) else f"{BOUNDS[type(bound)][1]} {astuple(bound)[0]:g}"
            for bound in arguments[1:]
        ]
        return f"{words(arguments[0])}{', ' if get_origin(arguments[0]) is list else ' '}{' and '.join(bounds)}"
    if origin in (Union, UnionType):
        options = [words(option) for option in arguments if option is not NoneType]
        options = [option.replace(f"a list, each {options[0]}", "a list of these") for option in options]
        return ", or ".join([*options, *(["null"] if NoneType in arguments else [])])
    if origin is Literal:
        choices = [shown(choice) for choice in arguments]
        return " or ".join(choices) if len(choices) < 3 else f"one of {', '.join(choices)}"
    if origin is list:
        return f"a list, each {words(arguments[0])}"
    return PLAIN[kind] if isinstance(kind, type) and kind in PLAIN else "a mapping"


def shown(value: Any) -> str:
    """Format a value as in a YAML file."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def wrong(name: str, kind: Any, value: Any) -> str:
    """Return the message for a value that does not have the type of its key.

    >>> wrong("seed", Whole, -1), wrong("data.length", Count, 10**18)[-22:]
    ('seed must be a whole number of at least 0, got -1.', '0..., which is too large.')
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    much = number and abs(value) > LARGEST[type(value)] and not math.isinf(value)
    said = text if len(text := shown(value)) <= LONGEST else f"{text[:LONGEST]}..."
    return f"{name} must be {words(kind)}, got {said}{', which is too large' if much else ''}."
