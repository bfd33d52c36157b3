"""The file config.yaml of a run as plain containers, read so that a damaged or hostile one is a sentence."""

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

# OmegaConf reads a config thirty times slower, and a run's config holds nothing to interpolate.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST = 4 << 20  # bytes; a run's config has a few thousand
DEEPEST = 50  # levels, ten times what a run's config has; libyaml's own reader crashes at some 10,000


def read_text(path: Path) -> str:
    """The text of a ``config.yaml`` that can be loaded: YAML of a mapping, not too deep, without references.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        text, depth = read_limited(path, LARGEST).decode(), 0
        for place, event in enumerate(yaml.parse(text, Loader=LOADER)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if place == 2 and not isinstance(event, yaml.MappingStartEvent):  # after those of the stream and document
                raise ValueError("it holds no keys")
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):  # a few references can stand for gigabytes
                raise ValueError("it is nested or refers to itself")
        if place < 3:
            raise ValueError("it is empty")
        return text
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else one_line(str(error))
        raise UserError(f"{path} cannot be read ({why}): it must be the config of a run.") from error


def read_plain(path: Path) -> dict[str, Any]:
    """The content of a ``config.yaml``.

    Raises:
        UserError: it is missing or damaged.
    """
    return checked(_loaded(path, lambda text: yaml.load(text, Loader=LOADER)), path)


def read_resolved(path: Path) -> dict[str, Any]:
    """The content as OmegaConf reads it: ``1e-3`` is a number.

    Raises:
        UserError: it is missing or damaged.
    """
    return _loaded(path, lambda text: OmegaConf.to_container(OmegaConf.load(StringIO(text))))


def _loaded(path: Path, load: Callable[[str], Any]) -> dict[str, Any]:
    text = read_text(path)
    try:
        return {str(key): value for key, value in load(text).items()}
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError) as error:  # a strange tag, date or key
        raise UserError(f"{path} cannot be read ({one_line(str(error))}): it must be the config of a run.") from error


def checked(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The content, where everything that is built from it has keys.

    Raises:
        UserError: names what has none.
    """
    for key in ("model", "data", "task"):
        if key in content and not isinstance(content[key], dict):
            raise UserError(f"{path} is damaged: {key} is {str(content[key])[:80]!r}, and it must hold keys.")
    return content
