"""Our own kernels on the CPU: a whole layer in one direction in one call of C++, forward and backward.

The algorithm: batch rows are independent, so each thread walks its rows through time without waiting for another.
The input projection of many steps is one product; forward leaves the gates' activations; backward walks time for the
gradients of the pre-activations alone, and the gradients of the weights are one product over many steps afterwards.
The C++ stands in `src/recurrent/kernels`; here it becomes a torch operator with autograd.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from ..kernels.build import Unavailable, library
from ..kernels.memory import Pool
from .spec import CallSpec, CellParameters, CellSpec

KINDS = {"gru_after": 0, "gru_before": 1, "lstm": 2, "rnn": 3}
GATES = {"gru_after": 3, "gru_before": 3, "lstm": 4, "rnn": 1}
SAVED = {"gru_after": 4, "gru_before": 3, "lstm": 5, "rnn": 1}
"""Columns of hidden_size that forward leaves for backward."""
CHUNK_ROWS = 512
"""kChunkRows in plan.h."""

pool = Pool()


def refusal(cell: CellSpec, call: CallSpec) -> str | None:
    """Why the kernels cannot run this cell here; None when they can. Builds them at the first question."""
    if cell.kind not in ("gru", "lstm", "rnn"):
        return f"the fused kernels know no cell {cell.kind!r}"
    missing = [name for name, wanted in {"layer_norm": cell.layer_norm, "zoneout": cell.zoneout > 0}.items() if wanted]
    if missing:
        return f"the fused kernels have no {' and no '.join(missing)}"
    if call.device.type != "cpu":
        return f"the fused kernels run on the CPU, not on {call.device.type}"
    if call.dtype not in (torch.float32, torch.float64):
        return f"the fused kernels compute in float32 and float64, not in {str(call.dtype).removeprefix('torch.')}"
    loaded = library()
    return f"the fused kernels are missing: {loaded}" if isinstance(loaded, Unavailable) else None


def run(
    cell: CellSpec,
    x: Tensor,
    lengths: Tensor | None,
    state: tuple[Tensor, ...],
    parameters: CellParameters,
    *,
    reverse: bool = False,
    recurrent_mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one layer in one direction; shapes and meaning in `src.recurrent.backends.spec`.

    Raises:
        ValueError: the kernels cannot be had here, or a length is outside 1..time.
    """
    kind = cell.kind if cell.kind != "gru" else "gru_after" if cell.reset_after else "gru_before"
    h, c = state if len(state) == 2 else (state[0], None)
    weights = (parameters.weight_ih, parameters.weight_hh, parameters.bias_ih, parameters.bias_hh)
    inputs = (x, h, c, *weights, parameters.weight_peephole, recurrent_mask)
    needs_grad = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)
    output, h_n, c_n, _ = recurrent(
        x, lengths, h, c, *weights, parameters.weight_peephole, recurrent_mask,
        kind, cell.update_gate == "takes", reverse, torch.get_num_threads(), needs_grad,
    )  # fmt: skip
    return output, (h_n,) if c is None else (h_n, c_n)


class Call(ctypes.Structure):
    """One call of the kernels: `gatebench::Call` in call.h, field by field."""

    _fields_ = (
        [(name, ctypes.c_int64) for name in (
            "batch", "time", "input_size", "hidden_size", "kind", "takes", "reverse", "threads",
        )]
        + [(name, ctypes.c_void_p) for name in (
            "x", "lengths", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole", "mask",
            "saved", "output", "h_n", "c_n", "d_output", "d_h_n", "d_c_n",
            "d_x", "d_h0", "d_c0", "d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh", "d_peephole", "d_mask",
        )]
    )  # fmt: skip


@torch.library.custom_op("gatebench::recurrent", mutates_args=(), device_types="cpu")
def recurrent(
    x: Tensor, lengths: Tensor | None, h0: Tensor, c0: Tensor | None,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, mask: Tensor | None,
    kind: str, takes: bool, reverse: bool, threads: int, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """One layer in one direction: output, final state, final cell (empty without one), what backward needs."""
    inputs = (x, lengths, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask)
    output, h_n, c_n, _ = shapes(*inputs, kind, takes, reverse, threads, save=False)
    saved = pool.empty(saved_size(x, weight_hh, kind, threads) if save else 0, x.dtype)
    call_kernels(
        False, kind, takes, reverse, threads,
        x=x, lengths=lengths, h0=h0, c0=c0, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih,
        bias_hh=bias_hh, peephole=peephole, mask=mask, output=output, h_n=h_n, c_n=c_n, saved=saved if save else None,
    )  # fmt: skip
    return output, h_n, c_n, saved


@recurrent.register_fake
def shapes(
    x: Tensor, lengths: Tensor | None, h0: Tensor, c0: Tensor | None,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, mask: Tensor | None,
    kind: str, takes: bool, reverse: bool, threads: int, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Empty outputs of the right sizes."""
    batch, time, _ = x.shape
    hidden_size = weight_hh.shape[1]
    return (
        x.new_empty(batch, time, hidden_size),
        x.new_empty(batch, hidden_size),
        x.new_empty(0 if c0 is None else (batch, hidden_size)),
        x.new_empty(saved_size(x, weight_hh, kind, threads) if save else 0),
    )


def saved_size(x: Tensor, weight_hh: Tensor, kind: str, threads: int) -> int:
    """Numbers that forward may leave for backward: rows are padded to vectors, of 64 bytes at most.

    Every chunk of `CHUNK_ROWS` rows or more, and the last one of each thread, has a row of slack.
    """
    steps = x.shape[0] * x.shape[1]
    return (steps + steps // CHUNK_ROWS + threads) * ((weight_hh.shape[1] + 15) // 16 * 16) * SAVED[kind]


@torch.library.custom_op("gatebench::recurrent_backward", mutates_args=(), device_types="cpu")
def recurrent_backward(
    d_output: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None,
    x: Tensor, lengths: Tensor | None, h0: Tensor, c0: Tensor | None,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, mask: Tensor | None, output: Tensor, saved: Tensor,
    kind: str, takes: bool, reverse: bool, threads: int, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    """The gradients of x, h0, c0, the weights, biases, peepholes and the mask; empty where not wanted."""
    gradients = backward_shapes(
        d_output, d_h_n, d_c_n, x, lengths, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask,
        output, saved, kind, takes, reverse, threads, wanted,
    )  # fmt: skip
    names = ("d_x", "d_h0", "d_c0", "d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh", "d_peephole", "d_mask")
    call_kernels(
        True, kind, takes, reverse, threads,
        x=x, lengths=lengths, h0=h0, c0=c0, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih,
        bias_hh=bias_hh, peephole=peephole, mask=mask, output=output, saved=saved,
        d_output=d_output, d_h_n=d_h_n, d_c_n=d_c_n,
        **{name: g for name, g, w in zip(names, gradients, wanted, strict=True) if w},
    )  # fmt: skip
    return gradients


@recurrent_backward.register_fake
def backward_shapes(
    d_output: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None,
    x: Tensor, lengths: Tensor | None, h0: Tensor, c0: Tensor | None,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, mask: Tensor | None, output: Tensor, saved: Tensor,
    kind: str, takes: bool, reverse: bool, threads: int, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    """Empty gradients of the right sizes."""
    inputs = (x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask)
    return [x.new_empty(t.shape if w else 0) for t, w in zip(inputs, wanted, strict=True)]


def remember(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    """Keep for backward what `recurrent` was given and what it left."""
    x, lengths, h0, c0, *weights, kind, takes, reverse, threads, _ = inputs
    ctx.save_for_backward(x, lengths, h0, c0, *weights, output[0], output[3])
    ctx.options = (kind, takes, reverse, threads)
    ctx.set_materialize_grads(False)  # zeros for `saved` would cost as much memory as `saved`


def differentiate(ctx, d_output: Tensor | None, d_h_n: Tensor | None, d_c_n: Tensor | None, _: None) -> tuple:
    """The autograd formula of `recurrent`."""
    x, lengths, h0, c0, *rest = ctx.saved_tensors
    needs = ctx.needs_input_grad
    wanted = [needs[0], *needs[2:10]]
    gradients = recurrent_backward(d_output, d_h_n, d_c_n, x, lengths, h0, c0, *rest, *ctx.options, wanted)
    d_x, *others = (g if w else None for g, w in zip(gradients, wanted, strict=True))
    return d_x, None, *others, None, None, None, None, None


def refuse_second_derivative(ctx, *_: Tensor) -> None:
    """The kernels' backward pass has no derivative of its own."""
    raise ValueError("backend=fused has no second derivative: backend=reference computes it (create_graph=True)")


recurrent.register_autograd(differentiate, setup_context=remember)
recurrent_backward.register_autograd(refuse_second_derivative)


def call_kernels(
    backward: bool, kind: str, takes: bool, reverse: bool, threads: int, **tensors: Tensor | None
) -> None:
    """Fill in a `Call` and make it.

    Raises:
        ValueError: the kernels cannot be had here, or a length is outside 1..time.
        MemoryError: no room for the workspace.
    """
    kernels = library()
    if isinstance(kernels, Unavailable):
        raise ValueError(f"backend=fused: {kernels}; backend=torch or backend=reference runs without a compiler")
    batch, time, input_size = tensors["x"].shape
    hidden_size = tensors["h0"].shape[1]
    kept = {name: t.contiguous() for name, t in tensors.items() if t is not None}
    call = Call(
        batch, time, input_size, hidden_size, KINDS[kind], takes, reverse, threads,
        **{name: t.data_ptr() for name, t in kept.items()},
    )  # fmt: skip
    function = kernels.gatebench_run_float if tensors["x"].dtype == torch.float32 else kernels.gatebench_run_double
    status = function(ctypes.byref(call), int(backward))
    if status == 1:
        raise MemoryError("backend=fused: no memory for the kernels' workspace")
    if status == 2:
        raise ValueError(f"lengths: expected {batch} numbers from 1 to {time}, got {tensors['lengths'].tolist()}")
