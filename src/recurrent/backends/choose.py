"""Which backend runs a layer."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from ..cells.base import Equations
from . import builtin, fused, reference, triton
from .spec import CallSpec

# The fastest first: the order in which "auto" asks them.
BACKENDS: dict[str, ModuleType] = {"fused": fused, "torch": builtin, "triton": triton, "reference": reference}
ONEDNN_WINS = 144  # hidden size from which oneDNN, behind nn.LSTM, is as fast in inference or faster, at 16 rows and up


class Choice(NamedTuple):
    """A backend, its name, and why the ones before it were passed over (None when it is the first choice)."""

    name: str
    backend: ModuleType
    reason: str | None


def choose(requested: str, cell: Equations, call: CallSpec) -> Choice:
    """The first backend that can run the cell, or the one requested by name.

    Raises:
        ValueError: the name is unknown, or the requested backend does not support the cell.
    """
    if requested == "auto":
        reasons: list[str] = []
        for name, backend in BACKENDS.items():
            reason = backend.unsupported(cell, call)
            if reason is None:
                reason = slower(name, cell, call)
            if reason is None:
                return Choice(name, backend, "; ".join(reasons) or None)
            reasons.append(reason)
    if requested not in BACKENDS:
        raise ValueError(f"backend: expected one of {', '.join(['auto', *BACKENDS])}, got {requested!r}")
    reason = BACKENDS[requested].unsupported(cell, call)
    if reason is not None:
        raise ValueError(f"backend={requested}: {reason}; backend=reference runs every cell, backend=auto chooses")
    return Choice(requested, BACKENDS[requested], None)


@cache
def remembered(requested: str, cell: Equations, *call: Any) -> Choice:
    """`choose` for a `CallSpec` of these fields, remembered: it is asked in every call of a network."""
    return choose(requested, cell, CallSpec(*call))


def slower(name: str, cell: Equations, call: CallSpec) -> str | None:
    """Why a backend is passed over although it could run; None where it is the fastest of those that follow."""
    if name == "triton" and call.device.type != "cuda":
        return "Triton interprets its kernels here, which is for tests"
    if name == "torch" and call.transformation:
        return f"PyTorch's kernels do not run under all of {call.transformation}"
    torchs = name == "fused" and cell.standard.kind == "lstm" and builtin.unsupported(cell, call) is None
    if torchs and call.inference and call.hidden_size >= ONEDNN_WINS:
        return f"in inference torch's LSTM is as fast as the fused kernels from a hidden_size of {ONEDNN_WINS}"
    return None
