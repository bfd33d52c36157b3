"""Errors of any kind in one sentence: ours as they are, those of Hydra and OmegaConf translated."""

from __future__ import annotations

import re

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError, nearest
from src.config.names import public_key
from src.config.places import CONF


def in_words(error: BaseException) -> str:
    """One sentence for an error: ours as they are, Hydra's and OmegaConf's translated, others by type and message."""
    if isinstance(error, UserError):
        return str(error)
    text = str(error)
    if found := re.search(
        r"Could not find '([^']*)/([^'/]+)'\s*\n\s*\nAvailable options in '[^']+':\n((?:\t.*\n?)+)", text
    ):
        group, name, rest = found.groups()
        # base*.yaml are what the others differ from, not choices.
        options = [o for line in rest.splitlines() if (o := line.strip()) and not o.startswith("base")]
        return f"There is no {group}={name}{nearest(name, options)}; the choices are {', '.join(options)}."
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found.group(1)
        if (today := public_key(key)) != key:
            return f"{key} is called {today} today."
        words = f"There is no key {key}"
        available = {name: files for name, files in _keys_beside(key).items() if name != key}
        group, _, leaf = key.rpartition(".")
        if choices := available.get(leaf):
            return f"{words} in this config: it belongs to {' or '.join(f'{group}={name}' for name in choices)}."
        near = nearest(leaf, list(available))
        return f"{words}{near}; a key of your own is added with a plus sign, as in +{key}=VALUE."
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


def _keys_beside(key: str) -> dict[str, list[str]]:
    """The keys that the shipped configs have in the same node as ``key``, with the choices that have each."""
    parent = key.rpartition(".")[0]
    if not parent:
        found: dict[str, list[str]] = {p.name: [] for p in CONF.iterdir() if p.is_dir()}
        files = [CONF / "train.yaml"]
    else:
        found = {}
        files = sorted((CONF / parent).glob("*.yaml"))
    for file in files:
        if file.exists():
            node = OmegaConf.load(file)
            inner = node.get(parent) if parent and isinstance(node, DictConfig) and parent in node else node
            if isinstance(inner, DictConfig):
                for name in inner:
                    found.setdefault(str(name), []).extend([file.stem] if parent and file.stem != "base" else [])
    found.pop("defaults", None)
    return found
