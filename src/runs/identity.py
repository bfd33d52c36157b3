"""The identity of a run: a hash of what determines its result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Raised by one whenever a change of our code changes the numbers that the same config gives.
RESULTS_VERSION = 1

# Keys that say where things lie, what they are called or how they are shown: they change no number.
INDIFFERENT = (
    "paths",
    "logger",
    "name",
    "tags",
    "ckpt",
    "hydra",
    "data.data_dir",
    "data.cache_dir",
    "data.path",
    "data.num_workers",
    "trainer.enable_progress_bar",
    "trainer.profiler",
    "trainer.log_every_n_steps",
    "callbacks.progress",
    "callbacks.last",
)


def identity(config: Mapping[str, Any], *, backend: str, precision: str, data_checksum: str) -> str:
    """16 hexadecimal digits that two runs share exactly if they must give the same result.

    >>> a = identity({"seed": 0, "name": "x"}, backend="torch", precision="32-true", data_checksum="c")
    >>> a == identity({"seed": 0, "name": "y"}, backend="torch", precision="32-true", data_checksum="c")
    True

    Args:
        config: the resolved config as plain dicts; the keys in :data:`INDIFFERENT` are left out.
        backend: the kernel that runs the recurrence, as resolved on this machine.
        precision: as resolved by the trainer.
        data_checksum: of the data as read, so that a moved file is the same and an altered one is not.
    """
    determining = json.dumps(
        {
            "config": without(config, INDIFFERENT),
            "backend": backend,
            "precision": precision,
            "data": data_checksum,
            "results_version": RESULTS_VERSION,
        },
        sort_keys=True,
        allow_nan=False,
    )
    return hashlib.sha256(determining.encode()).hexdigest()[:16]


def without(config: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A copy of a nested config without the dotted ``keys``."""
    out: dict[str, Any] = {}
    for name, value in config.items():
        if name in keys:
            continue
        inner = tuple(key.removeprefix(f"{name}.") for key in keys if key.startswith(f"{name}."))
        out[name] = without(value, inner) if isinstance(value, Mapping) else value
    return out
