"""Instantiate config nodes, and convert configs to plain containers."""

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
    """Build the object whose dotted path is a node's ``_target_``, with the node's other keys as arguments.

    Further arguments are passed unchanged; keywords override the node's keys.

    Raises:
        UserError: the target cannot be imported, does not accept one of its keys, or rejects a value.
    """
    import hydra.utils
    from hydra.errors import InstantiationException

    target = node["_target_"]
    try:
        # Only the node goes through Hydra, which would turn dataclasses among the arguments into configs.
        build = hydra.utils.instantiate(node, _convert_="all", _partial_=True)
        return build(*positional, **keywords)
    except UserError:
        raise
    except InstantiationException as error:
        raise _not_built(target, error) from error
    except (ValueError, TypeError) as error:
        raise UserError(_about_arguments(target, str(error)) or f"{target}: {one_line(str(error))}") from error


def named_by(node: Any) -> Any:
    """Return the class or function that a node names, without calling it.

    Raises:
        UserError: it cannot be imported.
    """
    import hydra.utils
    from hydra.errors import InstantiationException

    try:
        return hydra.utils.instantiate({"_target_": node["_target_"]}, _partial_=True).func
    except InstantiationException as error:
        raise _not_built(node["_target_"], error) from error


def _not_built(target: str, error: Exception) -> UserError:
    words = one_line(str(error.__cause__ or error))
    return UserError(f"{target} could not be built: {_whose_src(words) or words}")


def _about_arguments(target: str, words: str) -> str | None:
    """Translate a call's rejection of an argument for the config that names the class; None for any other error."""
    if strange := re.search(r"unexpected keyword argument '(\w+)'", words):
        kinds = getattr(find_class(target), "__mro__", ())
        taken = {name for kind in kinds if "__init__" in vars(kind) for name in signature(kind.__init__).parameters}
        known = sorted(taken - {"self", "args", "kwargs"})
        return f"{target} has no argument {strange[1]}{nearest(strange[1], known)}; it has {', '.join(known)}."
    if missing := re.search(r"missing \d+ required (?:positional|keyword-only) arguments?: '(\w+)'", words):
        return f"{target} needs a value for {missing[1]}."
    return None


def _whose_src(words: str) -> str | None:
    """Explain an import error caused by the user's own package ``src``; None for any other error."""
    theirs = Path.cwd() / "src"
    if not re.search(r"No module named 'src\.|from 'src[.']", words) or not theirs.is_dir() or theirs.samefile(PACKAGE):
        return None
    return (
        f"src is GateBench's own package and not {theirs}: move your class to a module outside src "
        "that imports nothing from it, such as their_networks.Net."
    )


def find_class(dotted: str) -> Any:
    """Return the class with a dotted path, e.g. ``src.data.UCR``."""
    import hydra.utils

    return hydra.utils.get_class(dotted)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Convert a config to plain dicts and lists with interpolations resolved, as checkpoints and wandb need it."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def select(config: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Return the value of a dotted key in nested dicts, or ``default`` if there is none.

    >>> select({"optimizer": {"lr": 0.1}}, "optimizer.lr")
    0.1
    """
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return default
        node = node[name]
    return node
