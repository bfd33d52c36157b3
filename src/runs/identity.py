"""The identity of a run: a hash of what determines its result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from src.config.names import hashed_names
from src.config.schema import keys_of
from src.config.unread import as_read

# Raised by one whenever a change of our code changes the numbers that the same config gives.
RESULTS_VERSION = 2

# Keys that change no number: where things lie, what they are called, how they are shown; the schema says so of each.
IGNORED_KEYS = tuple(name for name, key in keys_of().items() if not key.effect.counts)


def identity(config: Mapping[str, Any], *, backend: str, precision: str, data_checksum: str) -> str:
    """16 hexadecimal digits that two runs share exactly if they must give the same result.

    >>> a = identity({"seed": 0, "name": "x"}, backend="torch", precision="32-true", data_checksum="c")
    >>> a == identity({"seed": 0, "name": "y"}, backend="torch", precision="32-true", data_checksum="c")
    True

    Args:
        config: the resolved config as plain dicts; what nothing reads in it is taken to be at its default.
        backend: the kernel that runs the recurrence, as resolved on this machine.
        precision: as resolved by the trainer.
        data_checksum: of the data as read, so that a moved file is the same and an altered one is not.
    """
    return _digest(as_read(config), backend=backend, precision=precision, data=data_checksum)


def planned_identity(config: Mapping[str, Any], files: str = "") -> str:
    """16 hexadecimal digits of a run that has not begun: its identity as far as it is known before anything is read.

    A study names its runs by it, so that they are found again in milliseconds, and on machines with another backend.
    What it leaves open, backend, precision and the checksum of the data as read, is in the run's record.

    Args:
        config: the resolved config as plain dicts.
        files: a checksum of the user's own files, whose path does not count.
    """
    return _digest(config, files=files)


def _digest(config: Mapping[str, Any], **more: str) -> str:
    parts = {"config": determining(config), "results_version": RESULTS_VERSION, **more}
    model = config.get("model") or {}
    if model.get("dropout") and (model.get("num_layers") or 2) > 1:
        parts["dropout"] = "in nn.GRU's order"  # since when it is drawn so, such runs are other runs than before
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def determining(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without what changes no number: :data:`IGNORED_KEYS` keys, and a width that counts decide."""
    model = config.get("model") or {}
    idle: tuple[str, ...] = ("model.hidden_size",)
    if model.get("budget") is None:
        idle = ("model.budget", "model.budget_of")
    elif model.get("budget_of") == "seconds":  # measured, another time it may be another width
        idle = ()
    return without(hashed_names(config), (*IGNORED_KEYS, *idle))


def without(config: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A copy of a nested config without the dotted ``keys``, and without what is null.

    A key that is null says nothing, so that an option added later leaves the identity of earlier runs as it was.
    """
    out: dict[str, Any] = {}
    for name, value in config.items():
        if name in keys or value is None:
            continue
        inner = tuple(key.removeprefix(f"{name}.") for key in keys if key.startswith(f"{name}."))
        out[name] = without(value, inner) if isinstance(value, Mapping) else value
    return out
