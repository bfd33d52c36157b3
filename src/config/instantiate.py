"""Nodes of a config become objects, and whole configs plain containers."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.in_words import one_line


def instantiate(node: Any, *positional: Any, **keywords: Any) -> Any:
    """Build the object that a node's ``_target_`` names, with the node's other keys as arguments.

    Args:
        node: a config node with ``_target_`` (a dotted path, e.g. ``their.module.Class``).
        positional: arguments that come first.
        keywords: further arguments, passed as they are; they win over the node's keys.

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
        raise UserError(f"{target} could not be built: {one_line(str(error.__cause__ or error))}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{target}: {one_line(str(error))}") from error


def find_class(dotted: str) -> Any:
    """The class behind a dotted path, e.g. ``src.data.UCR``."""
    import hydra.utils

    return hydra.utils.get_class(dotted)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain dicts and lists, every interpolation resolved (what checkpoints and wandb may hold)."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
