"""Nodes of a config become objects, and whole configs plain containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError, nearest
from src.config.in_words import one_line
from src.config.places import PACKAGE


def instantiate(node: Any, *positional: Any, **keywords: Any) -> Any:
    """Build the object that a node's ``_target_`` (a dotted path) names, with the node's other keys as arguments.

    Further arguments are passed as they are; keywords win over the node's keys.

    Raises:
        UserError: when the target cannot be imported, does not take the keys it is given, or refuses a value.
    """
    import hydra.utils
    from hydra.errors import InstantiationException

    target = node["_target_"]
    try:
        # Only the node goes through Hydra: it would turn dataclasses among the arguments into configs.
        build = hydra.utils.instantiate(node, _convert_="all", _partial_=True)
        return build(*positional, **keywords)
    except UserError:
        raise
    except InstantiationException as error:
        words = one_line(str(error.__cause__ or error))
        raise UserError(f"{target} could not be built: {_whose_src(words) or words}") from error
    except (ValueError, TypeError) as error:
        raise UserError(_about_arguments(target, str(error)) or f"{target}: {one_line(str(error))}") from error


def _about_arguments(target: str, words: str) -> str | None:
    """What a call's refusal of an argument means for the config that names the class; None for any other refusal."""
    if strange := re.search(r"unexpected keyword argument '(\w+)'", words):
        kinds = getattr(find_class(target), "__mro__", ())
        taken = {name for kind in kinds if "__init__" in vars(kind) for name in signature(kind.__init__).parameters}
        known = sorted(taken - {"self", "args", "kwargs"})
        return f"{target} has no argument {strange[1]}{nearest(strange[1], known)}; it has {', '.join(known)}."
    if missing := re.search(r"missing \d+ required (?:positional|keyword-only) arguments?: '(\w+)'", words):
        return f"{target} needs a value for {missing[1]}: it must be given."
    return None


def _whose_src(words: str) -> str | None:
    """Why a class in the user's own package ``src``, or one that imports it, cannot be had; None where it can."""
    theirs = Path.cwd() / "src"
    if not re.search(r"No module named 'src\.|from 'src[.']", words) or not theirs.is_dir() or theirs.samefile(PACKAGE):
        return None
    return (
        f"src is GateBench's own package and not {theirs}, so a class of yours must stand in a module outside src "
        "that imports nothing from it, such as their_networks.Net."
    )


def find_class(dotted: str) -> Any:
    """The class behind a dotted path, e.g. ``src.data.UCR``."""
    import hydra.utils

    return hydra.utils.get_class(dotted)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain dicts and lists, every interpolation resolved (what checkpoints and wandb may hold)."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def select(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """The value under a dotted key of plain dicts; ``default`` where there is none.

    >>> select({"optimizer": {"lr": 0.1}}, "optimizer.lr")
    0.1
    """
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return default
        node = node[name]
    return node
