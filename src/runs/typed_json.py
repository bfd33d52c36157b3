"""Dataclasses to JSON and back, every value held against its annotation (pydantic reads the annotations)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from src.config.errors import UserError
from src.files import write_atomically

# JSON has no infinity: a float that is not finite is written as a word and read back as the float.
CONFIG = ConfigDict(ser_json_inf_nan="strings")
T = TypeVar("T")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


class Damaged(UserError):
    """A file whose values are not what they should be."""


def from_plain(kind: type[T], content: Any, path: Path) -> T:
    """The dataclass that plain containers, as read from JSON, stand for; keys that it does not have are left out.

    Raises:
        Damaged: names the file, the key and what is wrong with it.
    """
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(place) for place in first["loc"])
        raise Damaged(f"{path} is damaged: {key or 'its content'}: {first['msg']}.") from None


def replaced(record: T, **changes: Any) -> T:
    """A copy of a dataclass with some fields changed, each held against its annotation; plain dicts become dataclasses.

    Raises:
        TypeError: there is no such field.
        pydantic.ValidationError: a value is not what its field holds.
    """
    return _adapter(type(record)).validate_python(vars(replace(record, **changes)))  # type: ignore[type-var]


def read_json(path: Path, what: str) -> Any:
    """The plain content of a JSON file; None where there is none.

    Raises:
        UserError: when it cannot be read or is not JSON; ``what`` is what it must be.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): it must be {what}.") from error


def to_json(record: Any) -> bytes:
    """A dataclass, whose ``__pydantic_config__`` is :data:`CONFIG`, as indented JSON, its defaults too."""
    return _adapter(type(record)).dump_json(record, indent=1) + b"\n"


def write_json(path: Path, record: Any) -> None:
    """Write a dataclass to a file, whole or not at all."""
    content = to_json(record)
    write_atomically(path, lambda out: out.write(content))
