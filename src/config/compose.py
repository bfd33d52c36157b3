"""Compose configs from Python code, outside a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from src.config.errors import UserError, nearest
from src.config.instantiate import plain
from src.config.places import CONF, register_resolvers
from src.config.rules import check
from src.config.unread import refuse_unread, unread


def compose(config_name: str, settings: Mapping[str, Any]) -> DictConfig:
    """Compose ``conf/<config_name>.yaml`` with some of its keys set.

    Raises:
        UserError: a key does not exist, its value is out of range, or nothing reads it.
    """
    import hydra

    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra.compose(config_name)
    names = [str(name) for name in cfg]  # including those without a value yet
    for key, value in settings.items():
        if key not in names:
            raise UserError(f"There is no key {key}{nearest(key, names)}; the keys are {', '.join(names)}.")
        cfg[key] = value
    check(cfg, config_name)
    refuse_unread(unread(plain(cfg), command=config_name), settings, config_name)
    return cfg
