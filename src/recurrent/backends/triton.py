"""Our kernels for CUDA devices: a layer in one direction is one launch forward and one backward.

Batch rows are independent, so each program walks its row through time without waiting for another. The input
projection of all steps and the gradient of the weights are library products. Everything behind `run` stands in
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
    """Whether Triton is here; its import takes a second, so it waits until a kernel is wanted."""
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Whether Triton was told to interpret kernels on the CPU: slow, exact enough to test them."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def unsupported(cell: Equations, call: CallSpec) -> str | None:
    """Why the kernels cannot run this cell here; None when they can."""
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
    """Run one layer in one direction; shapes and meaning in `src.recurrent.backends.spec`.

    It computes in float32, in float64 where the state is that, and gives the same bits from run to run.
    """
    from ..kernels.triton.operator import run as walk

    cell, parameters = keeping(cell, parameters)
    return walk(cell, x, lengths, state, parameters, reverse, recurrent_mask, zoneout_masks)


def keeping(cell: Any, parameters: CellParameters) -> tuple[Equations, CellParameters]:
    """A GRU whose update gate keeps, in place of one whose update gate takes; every other cell as it is."""
    return (cell.standard, cell.standard_weights(parameters)) if cell.kind == "gru" else (cell, parameters)
