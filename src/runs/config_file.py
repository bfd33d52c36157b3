"""Read a run's config.yaml as plain containers, reporting damaged or malicious files in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError
from src.config.in_words import one_line
from src.files import read_limited

# OmegaConf reads a config thirty times slower, and a run's config needs no interpolation.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST = 4 << 20  # bytes; a run's config takes a few thousand
DEEPEST = 50  # levels, ten times what a run's config has; libyaml itself crashes at about 10,000


def read_text(path: Path) -> str:
    """Return the text of a loadable ``config.yaml``: a YAML mapping, not too deep, without references.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        text, depth = read_limited(path, LARGEST).decode(), 0
        for place, event in enumerate(yaml.parse(text, Loader=LOADER)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if place == 2 and not isinstance(event, yaml.MappingStartEvent):  # after the events of stream and document
                raise ValueError("it has no keys")
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):  # a few references can expand to gigabytes
                raise ValueError("it is too deeply nested or refers to itself")
        if place < 3:
            raise ValueError("it is empty")
        return text
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else one_line(str(error))
        raise UserError(f"{path} must be the config of a run, but cannot be read ({why}).") from error


def read_plain(path: Path) -> dict[str, Any]:
    """Return the content of a ``config.yaml``.

    Raises:
        UserError: the file is missing or damaged.
    """
    return checked(_loaded(path, lambda text: yaml.load(text, Loader=LOADER)), path)


def read_resolved(path: Path) -> dict[str, Any]:
    """Return the content as OmegaConf reads it, in which ``1e-3`` is a number.

    Raises:
        UserError: the file is missing or damaged.
    """
    return _loaded(path, lambda text: OmegaConf.to_container(OmegaConf.load(StringIO(text))))


def _loaded(path: Path, load: Callable[[str], Any]) -> dict[str, Any]:
    text = read_text(path)
    try:
        return {str(key): value for key, value in load(text).items()}
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError) as error:  # a strange tag, date or key
        raise UserError(f"{path} must be the config of a run, but cannot be read ({one_line(str(error))}).") from error


def checked(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Check that every node from which something is built is a mapping.

    Raises:
        UserError: a node is not a mapping.
    """
    for key in ("model", "data", "task"):
        if key in content and not isinstance(content[key], dict):
            raise UserError(f"{path} is damaged: {key} is {str(content[key])[:80]!r}, but must be a mapping.")
    return content
