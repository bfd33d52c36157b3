"""One call of the C interface: its structure, and checks that keep it within its memory."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from .build import Unavailable, library

KINDS = {"gru_after": 0, "gru_before": 1, "lstm": 2, "rnn": 3, "lstm_coupled": 4}
"""Cells by the position of the reset gate: `Kind` in call.h; the last one only with layer normalisation."""
GATES = {"gru_after": 3, "gru_before": 3, "lstm": 4, "rnn": 1, "lstm_coupled": 3}
SAVED = {"gru_after": 4, "gru_before": 3, "lstm": 5, "rnn": 1, "lstm_coupled": 4}
"""Columns of hidden_size that forward saves for backward: `kSaved` of each cell."""
CHUNK_ROWS = 512
"""`kChunkRows` in plan.h."""
NUMBERS = ("batch", "time", "input_size", "hidden_size", "kind", "takes", "reverse", "threads")
POINTERS = (
    "x", "lengths", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole", "mask", "saved", "output",
    "h_n", "c_n", "d_output", "d_h_n", "d_c_n", "d_x", "d_h0", "d_c0", "d_weight_ih", "d_weight_hh", "d_bias_ih",
    "d_bias_hh", "d_peephole", "d_mask", "gain_ih", "gain_hh", "d_gain_ih", "d_gain_hh",
)  # fmt: skip


class Call(ctypes.Structure):
    """`gatebench::Call` in call.h, field by field."""

    _fields_ = [(n, ctypes.c_int64) for n in NUMBERS] + [(n, ctypes.c_void_p) for n in POINTERS]


def call_kernels(
    backward: bool, x: Tensor, kind: str, takes: bool, reverse: bool, threads: int, **tensors: Tensor | None
) -> None:
    """Run a layer forward or backward; ``tensors`` are named as in `POINTERS`, and outputs must be contiguous.

    Raises:
        ValueError: the kernels are unavailable, a tensor does not match, or a length is outside 1..time.
        MemoryError: there is no memory for the workspace.
    """
    normalised = tensors["gain_hh"] is not None
    if normalised != (tensors["gain_ih"] is not None) or (kind == "lstm_coupled" and not normalised):
        raise ValueError("backend=fused: expected both gains or none, and both with coupled gates")
    kernels = library(normalised=normalised)
    if isinstance(kernels, Unavailable):
        raise ValueError(f"backend=fused: {kernels}; use backend=torch or backend=reference, which need no compiler")
    batch, time, input_size = x.shape
    given = {name: t.contiguous() for name, t in tensors.items() if t is not None}
    hidden_size = given["weight_hh"].shape[1]
    if not backward:
        check(given, x, batch, input_size, hidden_size, GATES[kind])
    given["x"] = x.contiguous()
    addresses = {name: t.data_ptr() for name, t in given.items()}
    call = Call(batch, time, input_size, hidden_size, KINDS[kind], takes, reverse, threads, **addresses)
    run = kernels.gatebench_run_float if x.dtype == torch.float32 else kernels.gatebench_run_double
    status = run(ctypes.byref(call), backward)
    if status == 1:
        raise MemoryError("backend=fused: not enough memory for the kernels' workspace")
    if status == 2:
        raise ValueError(f"lengths: expected {batch} numbers from 1 to {time}, got {given['lengths'].tolist()}")


def check(given: dict[str, Tensor], x: Tensor, batch: int, input_size: int, hidden_size: int, gates: int) -> None:
    """Compare the inputs with the sizes that the kernels assume.

    Raises:
        ValueError: a shape or a dtype differs.
    """
    rows = gates * hidden_size
    shapes = {
        "lengths": (batch,), "h0": (batch, hidden_size), "c0": (batch, hidden_size), "mask": (batch, hidden_size),
        "weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size), "bias_ih": (rows,), "bias_hh": (rows,),
        "peephole": (3 * hidden_size,), "gain_ih": (rows,), "gain_hh": (rows,),
    }  # fmt: skip
    for name, shape in shapes.items():
        tensor = given.get(name)
        dtype = torch.int64 if name == "lengths" else x.dtype
        if tensor is not None and (tensor.shape != shape or tensor.dtype != dtype):
            given_as = f"{tensor.dtype} of shape {tuple(tensor.shape)}"
            raise ValueError(f"backend=fused: {name} is {given_as}, expected {dtype} of shape {shape}")
