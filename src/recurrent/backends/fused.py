"""Our own CPU kernels: one layer in one direction is one C++ call forward and one backward.

Batch rows are independent, so each thread processes its rows without waiting for others. The input projection of many
steps is one product; forward saves the gates' activations; backward goes through time only for the gradients of the
pre-activations, and then computes the gradients of the weights as one product over many steps. The implementation of
`run` is in `src/recurrent/kernels`: the C++ code, its build, and the torch operator with its derivative.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cells.base import CellParameters, Equations
from ..cells.gru import GRUEquations
from ..kernels.build import Unavailable, library
from ..kernels.operator import recurrent
from .spec import CallSpec, beyond_kernels

KINDS = ("gru", "lstm", "rnn")
NORMALISED = "lstm_coupled"  # with layer normalisation it is a separate cell and its own `standard`


def unsupported(cell: Equations, call: CallSpec) -> str | None:
    """Return why the kernels cannot run this cell here; None if they can. The first call may build them (seconds)."""
    if cell.kind not in KINDS and cell.standard.kind not in (*KINDS, NORMALISED):
        return f"the fused kernels have no {cell.kind} cells"
    if missing_option := beyond_kernels(cell):
        return f"the fused kernels have no {missing_option}"
    if cell.zoneout > 0:
        return "the fused kernels have no zoneout"
    if call.device.type != "cpu":
        return f"the fused kernels run on the CPU, not on {call.device.type}"
    if call.dtype not in (torch.float32, torch.float64):
        return f"the fused kernels compute in float32 and float64, not in {str(call.dtype).removeprefix('torch.')}"
    if call.transformation:
        return f"the fused kernels do not run under {call.transformation}"
    return missing(cell.layer_norm)


@torch.compiler.assume_constant_result
def threads() -> int:
    """Return the number of threads that PyTorch uses; a captured graph keeps it."""
    return torch.get_num_threads()


@torch.compiler.assume_constant_result
def missing(normalised: bool) -> str | None:
    """Return why there are no kernels here; None if there are."""
    loaded = library(normalised=normalised)
    return f"the fused kernels are missing: {loaded}" if isinstance(loaded, Unavailable) else None


def run(
    cell: Equations,
    x: Tensor,
    lengths: Tensor | None,
    state: tuple[Tensor, ...],
    parameters: CellParameters,
    *,
    reverse: bool = False,
    recurrent_mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one layer in one direction; `src.recurrent.backends.spec` describes arguments and shapes.

    It uses `torch.get_num_threads()` threads, at most one per row of the batch; with a fixed number of threads, results
    are bit-identical between runs.

    Raises:
        ValueError: the kernels are unavailable, a length is outside 1..time, or shapes or dtypes do not match.
    """
    if cell.kind not in KINDS:
        cell, parameters = cell.standard, cell.standard_weights(parameters)
    kind, takes = cell.kind, cell.keep_sign < 0
    if isinstance(cell, GRUEquations):
        kind = "gru_after" if cell.reset_after else "gru_before"
    if torch.is_autocast_enabled("cpu"):  # the kernels compute in the dtype of the weights
        dtype = parameters.weight_ih.dtype
        x, state = x.to(dtype), tuple(s.to(dtype) for s in state)
    h, c = state if len(state) == 2 else (state[0], None)
    tensors = (x, lengths, h, c, *parameters[:7], recurrent_mask)
    output, h_n, c_n, _ = recurrent(*tensors, kind, takes, reverse, threads(), False)
    return output, (h_n,) if c is None else (h_n, c_n)
