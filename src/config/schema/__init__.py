"""The schema of all configs: what values a key accepts, its line of help, and whether it is part of a run's identity.

A key of a shipped YAML file needs an entry here, and every entry needs a file with that key (tests/test_configs.py).
"""

from __future__ import annotations

from functools import cache

from src.config.schema.commands import COMMANDS
from src.config.schema.entries import RESULT, Effect, Key, flatten


@cache
def keys_of(command: str = "train") -> dict[str, Key]:
    """Return the keys of a command by dotted name; a command without a schema of its own has the keys of train."""
    return dict(flatten(COMMANDS.get(command, COMMANDS["train"])))


def effect_of(key: str) -> Effect:
    """Return what a key of a run's config affects; an unknown key counts as affecting the result.

    >>> effect_of("paths.runs_dir").name, effect_of("logger.mine").name, effect_of("model.mine").name
    ('PLACE', 'PLACE', 'RESULT')
    """
    names, known = key.split("."), keys_of()
    above = (".".join(names[:depth]) for depth in range(len(names), 0, -1))
    return next((known[name].effect for name in above if name in known), RESULT)
