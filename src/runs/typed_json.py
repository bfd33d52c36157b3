"""Dataclasses to JSON and back, every value held against its annotation (pydantic reads the annotations).

A file that decides what is asked, a plan, is sealed as well: it holds a digest of its own content, so that a value that
rotted or was edited is noticed even where it is of the right type.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from src.config.errors import UserError
from src.files import read_limited, write_atomically

# JSON has no infinity: a float that is not finite is written as a word and read back as the float.
CONFIG = ConfigDict(ser_json_inf_nan="strings")
LARGEST = 64 << 20  # bytes of a file; the largest plans and records have a few million
T = TypeVar("T")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


class Damaged(UserError):
    """A file whose values are not what they should be."""


class Unreadable(Damaged):
    """A file that is not even JSON."""


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
        Unreadable: when it cannot be read or is not JSON; ``what`` is what it must be.
    """
    try:
        content = json.loads(read_limited(path, LARGEST))
        if content is None:
            raise ValueError("null")
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} cannot be read ({error}): it must be {what}.") from error


def to_json(record: Any) -> bytes:
    """A dataclass, whose ``__pydantic_config__`` is :data:`CONFIG`, as indented JSON, its defaults too."""
    return _adapter(type(record)).dump_json(record, indent=1) + b"\n"


def sealed(record: Any) -> bytes:
    """:func:`to_json` with a digest of everything that it says, which :func:`unsealed` checks."""
    content = json.loads(to_json(record))
    return json.dumps(content | {"digest": digest_of(content)}, indent=1).encode() + b"\n"


def unsealed(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The content of a sealed file without its digest, which older files do not have.

    Raises:
        Damaged: the content is not what was written.
    """
    rest = {key: value for key, value in content.items() if key != "digest"}
    if "digest" in content and content["digest"] != digest_of(rest):
        raise Damaged(f"{path} is damaged: its content and its digest do not belong together.")
    return rest


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of a record as plain containers, which hold no digest of it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, record: Any) -> None:
    """Write a dataclass to a file, whole or not at all."""
    content = to_json(record)
    write_atomically(path, lambda out: out.write(content))
