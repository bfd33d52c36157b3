"""Errors of any kind in one sentence: ours as they are, those of Hydra and OmegaConf translated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError, nearest
from src.config.names import public_key
from src.config.places import CONF
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS


def in_words(error: BaseException) -> str:
    """One sentence for an error: ours as they are, Hydra's and OmegaConf's translated, others by type and message."""
    if isinstance(error, UserError):
        return str(error)
    text = str(error)
    if no_choice := re.search(
        r"Could not find '([^']*)/([^'/]+)'\s*\n\s*\nAvailable options in '[^']+':\n((?:\t.*\n?)+)", text
    ):
        group, name, rest = no_choice.groups()
        # base*.yaml are what the others differ from, not choices.
        options = [o for line in rest.splitlines() if (o := line.strip()) and not o.startswith("base")]
        return f"There is no {group}={name}{nearest(name, options)}; the choices are {', '.join(options)}."
    if no_key := re.search(r"Could not override '([^']+)'", text):
        key = no_key.group(1)
        if (today := public_key(key)) != key:
            return f"{key} is called {today} today."
        if choices := [choice for choice in keys_in_files().get(key, ()) if "=base" not in choice]:
            return f"There is no key {key} in this config: it belongs to {' or '.join(choices)}."
        above, _, name = key.rpartition(".")
        known = {other.rpartition(".") for command in COMMANDS for other in keys_of(command)}
        near = nearest(name, sorted(last for node, _, last in known if node == above and last != name))
        return f"There is no key {key}{near}; a key of your own is added with a plus sign, as in +{key}=VALUE."
    if "OverrideParseException" in type(error).__name__:
        return (
            f"{one_line(str(error)).partition(' See http')[0]}: an override is KEY=VALUE, and a value with brackets, "
            "commas, spaces or = in it stands in quotes, as in 'tags=[\"a\"]'."
        )
    if is_hydra(error) or isinstance(error, OmegaConfBaseException):
        return one_line(text)
    return f"{type(error).__name__}: {one_line(text)}"


def one_line(text: str) -> str:
    """The text without line breaks and indentation."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def is_hydra(error: BaseException) -> bool:
    """Whether Hydra raised it, e.g. for a config that does not compose."""
    from hydra.errors import HydraException

    return isinstance(error, HydraException)


def keys_in_files() -> dict[str, list[str]]:
    """The choices that have a key, ``group=choice``, by the keys of all files of a run's config."""
    choices: dict[str, list[str]] = {}
    for file in [CONF / "train.yaml", *sorted(CONF.glob("*/*.yaml"))]:
        text, group = file.read_text(), file.parent.name
        is_global = file.parent == CONF or "# @package _global_" in text
        node = yaml.safe_load(text) or {}
        node.pop("defaults", None)
        for key in _dotted(node if is_global else {group: node}):
            choices.setdefault(key, []).extend([] if file.parent == CONF else [f"{group}={file.stem}"])
    return choices


def _dotted(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
