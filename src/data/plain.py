"""Convert what was fitted on training data to plain containers and tensors, so that checkpoints need no unpickling."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, dataclass_transform

import numpy as np
import torch

KIND = "="
_CLASSES: dict[str, type] = {}
_Class = TypeVar("_Class", bound=type)


@dataclass_transform(frozen_default=True)
def kept(cls: _Class) -> _Class:
    """Make a class a frozen dataclass that :func:`from_plain` may build."""
    _CLASSES[cls.__name__] = dataclass(frozen=True)(cls)
    return cls


def to_plain(value: Any) -> Any:
    """Convert dataclasses to dicts with their class name, arrays to tensors, lists and tuples item by item.

    >>> from src.data.describe import Features
    >>> to_plain(Features(12))
    {'=': 'Features', 'size': 12}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {KIND: type(value).__name__} | {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return {KIND: "array", "values": torch.from_numpy(value.copy())}
    if isinstance(value, list | tuple):
        return type(value)(to_plain(entry) for entry in value)
    return value


def from_plain(value: Any) -> Any:
    """Invert :func:`to_plain`."""
    if isinstance(value, dict):
        entries = {key: from_plain(entry) for key, entry in value.items() if key != KIND}
        return entries["values"].numpy() if value[KIND] == "array" else _CLASSES[value[KIND]](**entries)
    if isinstance(value, list | tuple):
        return type(value)(from_plain(entry) for entry in value)
    return value
