"""Convert dataclasses to JSON and back, checking every value against its annotation with pydantic.

Files that define a question, such as plans, are also sealed: they contain a digest of their content, so that a damaged
or edited value is noticed even if it has the right type.
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

# JSON has no infinity: floats that are not finite are written as words.
CONFIG = ConfigDict(ser_json_inf_nan="strings")
LARGEST = 64 << 20  # bytes of a file; the largest plans and records take a few million bytes
T = TypeVar("T")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


class Damaged(UserError):
    """A file with invalid values."""


class Unreadable(Damaged):
    """A file that is not valid JSON."""


def from_plain(kind: type[T], content: Any, path: Path) -> T:
    """Build a dataclass from plain containers read from JSON, ignoring unknown keys.

    Raises:
        Damaged: a value is invalid; the message names the file and the key.
    """
    try:
        return _adapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(place) for place in first["loc"])
        raise Damaged(f"{path} is damaged: {key or 'its content'}: {first['msg']}.") from None


def replaced(record: T, **changes: Any) -> T:
    """Copy a dataclass with some fields changed and checked against their annotations; dicts become dataclasses.

    Raises:
        TypeError: a field does not exist.
        pydantic.ValidationError: a value is invalid for its field.
    """
    return _adapter(type(record)).validate_python(vars(replace(record, **changes)))  # type: ignore[type-var]


def read_json(path: Path, what: str) -> Any:
    """Return the plain content of a JSON file; None if the file does not exist.

    Raises:
        Unreadable: the file cannot be read or is not JSON; ``what`` says what it must be.
    """
    try:
        content = json.loads(read_limited(path, LARGEST))
        if content is None:
            raise ValueError("null")
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} must be {what}, but cannot be read ({error}).") from error


def to_json(record: Any) -> bytes:
    """Convert a dataclass with ``__pydantic_config__`` = :data:`CONFIG` to indented JSON, including defaults."""
    return _adapter(type(record)).dump_json(record, indent=1) + b"\n"


def sealed(record: Any) -> bytes:
    """Return :func:`to_json` with a digest of the content, which :func:`unsealed` checks."""
    content = json.loads(to_json(record))
    return json.dumps(content | {"digest": digest_of(content)}, indent=1).encode() + b"\n"


def unsealed(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the content of a sealed file without its digest, which older files lack.

    Raises:
        Damaged: the content is not what was written.
    """
    rest = {key: value for key, value in content.items() if key != "digest"}
    if "digest" in content and content["digest"] != digest_of(rest):
        raise Damaged(f"{path} is damaged: its content does not match its digest.")
    return rest


def digest_of(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a record in plain containers without a digest."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, record: Any) -> None:
    """Write a dataclass to a file atomically."""
    content = to_json(record)
    write_atomically(path, lambda out: out.write(content))
