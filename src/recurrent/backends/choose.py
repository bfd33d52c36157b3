"""Which backend runs a layer."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from . import builtin, reference
from .spec import CallSpec, CellSpec

BACKENDS: dict[str, ModuleType] = {"torch": builtin, "reference": reference}
"""By name, the fastest first: the order in which "auto" asks them. A fused backend belongs in front."""


class Choice(NamedTuple):
    """A backend, its name, and why the ones before it were passed over (None when it is the first choice)."""

    name: str
    backend: ModuleType
    reason: str | None


def choose(requested: str, cell: CellSpec, call: CallSpec) -> Choice:
    """The first backend that can run the cell, or the one requested by name.

    Raises:
        ValueError: the name is unknown, or the requested backend refuses the cell.
    """
    if requested == "auto":
        reasons = []
        for name, backend in BACKENDS.items():
            reason = backend.refusal(cell, call)
            if reason is None:
                return Choice(name, backend, "; ".join(reasons) or None)
            reasons.append(reason)
    if requested not in BACKENDS:
        raise ValueError(f"backend: expected one of {', '.join(['auto', *BACKENDS])}, got {requested!r}")
    reason = BACKENDS[requested].refusal(cell, call)
    if reason is not None:
        raise ValueError(f"backend={requested}: {reason}; backend=reference runs every cell, backend=auto chooses")
    return Choice(requested, BACKENDS[requested], None)
