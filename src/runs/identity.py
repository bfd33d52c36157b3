"""The identity of a run: a hash of everything that determines its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from src.config.names import hashed_names
from src.config.own_source import own_sources
from src.config.schema import keys_of
from src.config.unread import as_read

# Raised by one whenever a code change alters the results of the same config.
RESULTS_VERSION = 2

# Keys that do not affect results (paths, names, display), as declared in the schema.
IGNORED_KEYS = tuple(name for name, key in keys_of().items() if not key.effect.counts)


def identity(
    config: Mapping[str, Any],
    *,
    backend: str,
    precision: str,
    data_checksum: str,
    sources: Mapping[str, str] | None = None,
) -> str:
    """Return 16 hexadecimal digits, which are equal for two runs if and only if they must give the same result.

    >>> a = identity({"seed": 0, "name": "x"}, backend="torch", precision="32-true", data_checksum="c")
    >>> a == identity({"seed": 0, "name": "y"}, backend="torch", precision="32-true", data_checksum="c")
    True

    Args:
        config: the resolved config as plain dicts; values that have no effect are treated as defaults.
        backend: the kernel that runs the recurrence, as resolved on this machine.
        precision: the trainer's resolved precision.
        data_checksum: checksum of the data as read, so that a moved file is the same and an altered one is not.
        sources: as :func:`sources_of`.
    """
    return _digest(as_read(config), sources, backend=backend, precision=precision, data=data_checksum)


def planned_identity(config: Mapping[str, Any], files: str = "", sources: Mapping[str, str] | None = None) -> str:
    """Return 16 hexadecimal digits for a planned run: its identity as far as known before reading the data.

    A study names its runs by it, so that they are found again in milliseconds, and on machines with another backend.
    The rest, backend, precision and the checksum of the data, is in the run's record.

    Args:
        config: the resolved config as plain dicts.
        files: a checksum of the user's own files, whose paths are ignored.
        sources: as :func:`sources_of`.
    """
    return _digest(config, sources, files=files)


def sources_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of the source of the user's own classes that affect results, by where the config names them."""
    return own_sources(determining(config))


def _digest(config: Mapping[str, Any], sources: Mapping[str, str] | None, **more: str) -> str:
    parts = {"config": determining(config), "results_version": RESULTS_VERSION, **more}
    model = config.get("model") or {}
    if model.get("dropout") and (model.get("num_layers") or 2) > 1:
        parts["dropout"] = "in nn.GRU's order"  # runs with this drawing order differ from earlier ones
    if sources:  # of no shipped class, so that their runs keep their identities
        parts["sources"] = dict(sources)
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def determining(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without :data:`IGNORED_KEYS`, and without a width that is solved from a budget of counts."""
    model = config.get("model") or {}
    idle: tuple[str, ...] = ("model.hidden_size",)
    if model.get("budget") is None:
        idle = ("model.budget", "model.budget_of")
    elif model.get("budget_of") == "seconds":  # measured, so the width may differ between machines
        idle = ()
    return without(hashed_names(config), (*IGNORED_KEYS, *idle))


def without(config: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Copy a nested config without the dotted ``keys`` and without null values.

    Null keys are dropped so that options added later do not change the identity of earlier runs.
    """
    out: dict[str, Any] = {}
    for name, value in config.items():
        if name in keys or value is None:
            continue
        inner = tuple(key.removeprefix(f"{name}.") for key in keys if key.startswith(f"{name}."))
        out[name] = without(value, inner) if isinstance(value, Mapping) else value
    return out
