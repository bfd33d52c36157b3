"""The choice of the backend that runs a layer."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from ..cells.base import Equations
from ..checks import check_choice
from . import builtin, fused, reference, triton
from .spec import CallSpec

# Fastest first: the order in which "auto" tries them.
BACKENDS: dict[str, ModuleType] = {"fused": fused, "torch": builtin, "triton": triton, "reference": reference}
ONEDNN_WINS = 144  # hidden size from which oneDNN (nn.LSTM) is at least as fast in inference, with 16 rows or more


class Choice(NamedTuple):
    """A backend, its name, and why earlier ones were skipped (None for the first choice)."""

    name: str
    backend: ModuleType
    reason: str | None


def choose(requested: str, cell: Equations, call: CallSpec) -> Choice:
    """Return the first backend that can run the cell, or the one requested by name.

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
    check_choice("backend", requested, "auto", *BACKENDS)
    reason = BACKENDS[requested].unsupported(cell, call)
    if reason is not None:
        raise ValueError(f"backend={requested}: {reason}; use backend=auto, or backend=reference for any cell")
    return Choice(requested, BACKENDS[requested], None)


@cache
def remembered(requested: str, cell: Equations, *call: Any) -> Choice:
    """Call `choose` for a `CallSpec` of these fields, cached because every call of a network needs it."""
    return choose(requested, cell, CallSpec(*call))


def slower(name: str, cell: Equations, call: CallSpec) -> str | None:
    """Return why a backend that could run is skipped; None if it is the fastest of the remaining ones."""
    if name == "triton" and call.device.type != "cuda":
        return "Triton interprets its kernels here, which is meant for tests"
    if name == "torch" and call.transformation:
        return f"PyTorch's kernels do not run under all of {call.transformation}"
    torchs = name == "fused" and cell.standard.kind == "lstm" and builtin.unsupported(cell, call) is None
    if torchs and call.inference and call.hidden_size >= ONEDNN_WINS:
        return f"in inference torch's LSTM is as fast as the fused kernels from a hidden_size of {ONEDNN_WINS}"
    return None
