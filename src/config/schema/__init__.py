"""The one schema of all configs: what a key may be, what help says of it, and whether a run's identity holds it.

A key of a shipped yaml file needs an entry here, and an entry a file that has the key (tests/test_configs.py).
"""

from __future__ import annotations

from functools import cache

from src.config.schema.commands import COMMANDS
from src.config.schema.entries import RESULT, Effect, Key, flatten


@cache
def keys_of(command: str = "train") -> dict[str, Key]:
    """What is said of a command's keys, by dotted name; a command without a schema of its own has that of train."""
    return dict(flatten(COMMANDS.get(command, COMMANDS["train"])))


def effect_of(key: str) -> Effect:
    """What a key of a run's config has an effect on; a key that is not known has one on the result.

    >>> effect_of("paths.runs_dir").name, effect_of("logger.mine").name, effect_of("model.mine").name
    ('PLACE', 'PLACE', 'RESULT')
    """
    names, known = key.split("."), keys_of()
    above = (".".join(names[:depth]) for depth in range(len(names), 0, -1))
    return next((known[name].effect for name in above if name in known), RESULT)
