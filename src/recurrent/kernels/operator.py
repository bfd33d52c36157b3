"""The kernels as a torch operator with a derivative: it composes with autograd, no_grad and torch.export.

Two operators, forward and backward, each with a "fake" that only knows shapes. `kind` is a key of `KINDS`; `takes` is
the GRU's update convention; `threads` decides how rows are dealt out and so must be the same in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .call import CHUNK_ROWS, SAVED, call_kernels
from .memory import Pool

pool = Pool()
MaybeTensor = Tensor | None


@torch.library.custom_op("gatebench::recurrent", mutates_args=(), device_types="cpu")
def recurrent(
    x: Tensor, lengths: Tensor | None, h0: Tensor, c0: Tensor | None,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, mask: Tensor | None,
    kind: str, takes: bool, reverse: bool, threads: int, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Output, final state, final cell (empty without one) and, with `save`, what backward needs (else empty)."""
    inputs = (x, lengths, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask)
    output, h_n, c_n, _ = shapes(*inputs, kind, takes, reverse, threads, save=False)
    saved = pool.empty(saved_size(x, weight_hh, kind, threads) if save else 0, x.dtype)
    call_kernels(
        False, x, kind, takes, reverse, threads,
        lengths=lengths, h0=h0, c0=c0, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh,
        peephole=peephole, mask=mask, output=output, h_n=h_n, c_n=c_n, saved=saved if save else None,
    )  # fmt: skip
    return output, h_n, c_n, saved


@recurrent.register_fake
def shapes(
    x: Tensor, lengths: MaybeTensor, h0: Tensor, c0: MaybeTensor,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: MaybeTensor, bias_hh: MaybeTensor,
    peephole: MaybeTensor, mask: MaybeTensor,
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
    inputs = (x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask)
    gradients = empty_gradients(inputs, wanted)
    names = ("d_x", "d_h0", "d_c0", "d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh", "d_peephole", "d_mask")
    call_kernels(
        True, x, kind, takes, reverse, threads,
        lengths=lengths, h0=h0, c0=c0, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh,
        peephole=peephole, mask=mask, output=output, saved=saved, d_output=d_output, d_h_n=d_h_n, d_c_n=d_c_n,
        **{name: g for name, g, w in zip(names, gradients, wanted, strict=True) if w},
    )  # fmt: skip
    return gradients


@recurrent_backward.register_fake
def backward_shapes(
    d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor,
    x: Tensor, lengths: MaybeTensor, h0: Tensor, c0: MaybeTensor,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: MaybeTensor, bias_hh: MaybeTensor,
    peephole: MaybeTensor, mask: MaybeTensor, output: Tensor, saved: Tensor,
    kind: str, takes: bool, reverse: bool, threads: int, wanted: Sequence[bool],
) -> list[Tensor]:  # fmt: skip
    """Empty gradients of the right sizes."""
    return empty_gradients((x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, peephole, mask), wanted)


def empty_gradients(inputs: Sequence[MaybeTensor], wanted: Sequence[bool]) -> list[Tensor]:
    """One tensor for each input: of its shape where its gradient is wanted."""
    x = inputs[0]
    assert x is not None
    return [x.new_empty(t.shape if t is not None and w else 0) for t, w in zip(inputs, wanted, strict=True)]


def remember(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    """Keep for backward what `recurrent` was given and what it left."""
    *tensors, kind, takes, reverse, threads, _ = inputs
    ctx.save_for_backward(*tensors, output[0], output[3])
    ctx.options = (kind, takes, reverse, threads)
    ctx.set_materialize_grads(False)  # zeros for `saved` would take as much memory as `saved`


def differentiate(ctx: Any, d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, _: MaybeTensor) -> tuple:
    """The autograd formula of `recurrent`."""
    needs = ctx.needs_input_grad
    wanted = [needs[0], *needs[2:10]]
    gradients = recurrent_backward(d_output, d_h_n, d_c_n, *ctx.saved_tensors, *ctx.options, wanted)
    d_x, *others = (g if w else None for g, w in zip(gradients, wanted, strict=True))
    return d_x, None, *others, None, None, None, None, None


def refuse_second_derivative(ctx: Any, *_: MaybeTensor) -> None:
    """The kernels' backward pass has no derivative of its own."""
    raise ValueError("backend=fused has no second derivative: backend=reference computes it (create_graph=True)")


recurrent.register_autograd(differentiate, setup_context=remember)
recurrent_backward.register_autograd(refuse_second_derivative)
