"""The file config.yaml of a run as plain containers, read so that a damaged or hostile one is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from src.config.errors import UserError

# OmegaConf reads a config thirty times slower, and a run's config holds nothing to interpolate.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50  # levels, ten times what a run's config has; libyaml's own reader crashes at some 10,000


def read_text(path: Path) -> str:
    """The text of a ``config.yaml`` that can be loaded: YAML of a mapping, not too deep, without references.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        text, depth = path.read_bytes().decode(), 0
        for place, event in enumerate(yaml.parse(text, Loader=LOADER)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if place == 2 and not isinstance(event, yaml.MappingStartEvent):  # after those of the stream and document
                raise ValueError("it holds no keys")
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):  # a few references can stand for gigabytes
                raise ValueError("it is nested or refers to itself")
        if not depth == 0 < place - 3:
            raise ValueError("it is empty")
        return text
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({why}): it must be the config of a run.") from error


def read_plain(path: Path) -> dict[str, Any]:
    """The content of a ``config.yaml``.

    Raises:
        UserError: it is missing or damaged.
    """
    content: dict[str, Any] = yaml.load(read_text(path), Loader=LOADER)
    return content
