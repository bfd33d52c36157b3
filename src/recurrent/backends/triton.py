"""Our kernels for CUDA devices: one layer in one direction is one launch forward and one backward.

Batch rows are independent, so each program processes its row without waiting for others. The input projection of all
steps and the gradient of the weights are library products. The implementation of `run` is in
`src/recurrent/kernels/triton`.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..cells.base import CellParameters, CellState, Equations
from .spec import CallSpec, beyond_kernels

KINDS = ("gru", "lstm", "lstm_coupled", "rnn")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
WIDEST = 1024


@cache
def installed() -> bool:
    """Return whether Triton is installed; importing it takes a second, so the import waits until a kernel is needed."""
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Return whether Triton is set to interpret kernels on the CPU: slow, but exact enough for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def unsupported(cell: Equations, call: CallSpec) -> str | None:
    """Return why the kernels cannot run this cell here; None if they can."""
    if cell.kind not in KINDS:
        return f"the Triton kernels have no {cell.kind} cells"
    if missing := beyond_kernels(cell):
        return f"the Triton kernels have no {missing}"
    if call.device.type != "cuda" and not interpreted():
        return f"the Triton kernels run on CUDA, not on {call.device.type}"
    if call.dtype not in DTYPES:
        return f"the Triton kernels have no {str(call.dtype).removeprefix('torch.')}"
    if call.hidden_size > WIDEST:
        return f"the Triton kernels run up to {WIDEST} units, not {call.hidden_size}"
    if call.transformation:
        return f"the Triton kernels do not run under {call.transformation}"
    return None if installed() else "Triton is not installed"


def run(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: CellState,
    parameters: CellParameters,
    *,
    reverse: bool = False,
    recurrent_mask: Tensor | None = None,
    zoneout_masks: tuple[Tensor, ...] = (),
) -> tuple[Tensor, CellState]:
    """Run one layer in one direction; `src.recurrent.backends.spec` describes arguments and shapes.

    It computes in float32, or in float64 for a float64 state, and results are bit-identical between runs.
    """
    from ..kernels.triton.operator import run as walk

    cell, parameters = keeping(cell, parameters)
    return walk(cell, x, lengths, state, parameters, reverse, recurrent_mask, zoneout_masks)


def keeping(cell: Any, parameters: CellParameters) -> tuple[Equations, CellParameters]:
    """Convert a GRU whose update gate takes to one whose update gate keeps; other cells are unchanged."""
    return (cell.standard, cell.standard_weights(parameters)) if cell.kind == "gru" else (cell, parameters)
