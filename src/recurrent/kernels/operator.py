"""The kernels as a torch operator with a derivative: it composes with autograd, no_grad and torch.export.

Two operators, forward and backward, each with a "fake" that only knows shapes. `kind` is a key of `KINDS`; `takes` is
the GRU's update convention; `threads` decides how rows are dealt out and so must be the same in both directions.
Whether a derivative is wanted is decided when autograd reaches the operator, not by who calls it: a graph may be
captured where none is wanted and trained afterwards.

They are registered with `torch.library.Library` instead of its decorator `custom_op`, whose bookkeeping around a call
takes longer than a short sequence does.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from ..backends import reference
from ..backends.around import transformation
from ..cells.base import CellParameters, find_cell
from .call import CHUNK_ROWS, GATES, SAVED, call_kernels
from .workspace import Pool

pool = Pool()
ALIGNED = 64
"""Bytes: where the kernels expect what forward saved to begin."""
MaybeTensor = Tensor | None
Shape = tuple[int, ...]
TENSORS = (
    "x", "lengths", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole", "gain_ih",
    "gain_hh", "mask",
)  # fmt: skip
INPUTS = """Tensor x, Tensor? lengths, Tensor h0, Tensor? c0, Tensor weight_ih, Tensor weight_hh, Tensor? bias_ih,
Tensor? bias_hh, Tensor? peephole, Tensor? gain_ih, Tensor? gain_hh, Tensor? mask"""
SETTINGS = "str kind, bool takes, bool reverse, SymInt threads"

library = torch.library.Library("gatebench", "DEF")
library.define(f"recurrent({INPUTS}, {SETTINGS}, bool save) -> (Tensor, Tensor, Tensor, Tensor)")
library.define(f"""recurrent_backward(Tensor? d_output, Tensor? d_h_n, Tensor? d_c_n, {INPUTS}, Tensor output,
Tensor saved, {SETTINGS}, bool[] wanted) -> Tensor[]""")
recurrent = torch.ops.gatebench.recurrent.default
recurrent_backward = torch.ops.gatebench.recurrent_backward.default


@torch.library.impl(library, "recurrent", "CPU")
def forward(*inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output, final state, final cell (empty without one) and, with `save`, what backward needs (else empty)."""
    *tensors, kind, takes, reverse, threads, save = inputs
    given = dict(zip(TENSORS, tensors, strict=True))
    x = given.pop("x")
    output, h_n, c_n, _ = shapes(*inputs[:-1], False)
    size = saved_size(x, given["weight_hh"], kind, threads, given["gain_hh"] is not None) if save else 0
    saved = pool.empty(size, x.dtype)
    given |= {"output": output, "h_n": h_n, "c_n": c_n, "saved": saved if save else None}
    call_kernels(False, x, kind, takes, reverse, threads, **given)
    return output, h_n, c_n, saved


@torch.library.register_fake("gatebench::recurrent", lib=library)
def shapes(*inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Empty outputs of the right sizes."""
    x, _, _, c0, _, weight_hh, *_, gain, _, kind, _, _, threads, save = inputs
    (batch, time, _), hidden_size = x.shape, weight_hh.shape[1]
    return (
        x.new_empty(batch, time, hidden_size),
        x.new_empty(batch, hidden_size),
        x.new_empty(0 if c0 is None else (batch, hidden_size)),
        x.new_empty(saved_size(x, weight_hh, kind, threads, gain is not None) if save else 0),
    )


def saved_size(x: Tensor, weight_hh: Tensor, kind: str, threads: int, normalised: bool) -> int:
    """Numbers that forward may leave for backward: rows are padded to vectors, of 64 bytes at most.

    Every chunk of `CHUNK_ROWS` rows or more, and the last one of each thread, has a row of slack. With layer
    normalisation both products stand there, too, and up to four vectors of a row's scales: `Saved` in layer.h.
    """
    steps = x.shape[0] * x.shape[1]
    columns = SAVED[kind] + (2 * GATES[kind] if normalised else 0)
    row = (weight_hh.shape[1] + 15) // 16 * 16 * columns + (64 if normalised else 0)
    return (steps + steps // CHUNK_ROWS + threads) * row


@torch.library.impl(library, "recurrent_backward", "CPU")
def backward(d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, *inputs: Any) -> list[Tensor]:
    """The gradients of x, h0, c0, the weights, biases, peepholes, gains and the mask, as far as they are wanted."""
    *tensors, output, saved, kind, takes, reverse, threads, wanted = inputs
    if saved.data_ptr() % ALIGNED:
        saved = saved.clone()  # it was packed away meanwhile (saved_tensors_hooks) and came back somewhere else
    given = dict(zip(TENSORS, tensors, strict=True))
    gradients = gradient_shapes(d_output, d_h_n, d_c_n, *inputs)
    names = ["d_" + name for name in TENSORS if name != "lengths"]
    written = dict(zip(itertools.compress(names, wanted), gradients, strict=True))
    written |= {"output": output, "saved": saved, "d_output": d_output, "d_h_n": d_h_n, "d_c_n": d_c_n}
    call_kernels(True, given.pop("x"), kind, takes, reverse, threads, **given, **written)
    return gradients


@torch.library.register_fake("gatebench::recurrent_backward", lib=library)
def gradient_shapes(d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, *inputs: Any) -> list[Tensor]:
    """Empty gradients: for each tensor but the lengths one of its shape, if it is wanted."""
    x, _, *others = inputs[: len(TENSORS)]
    return [x.new_empty(t.shape) for t, w in zip((x, *others), inputs[-1], strict=True) if w]


class Recurrent(torch.autograd.Function):
    """The derivative of `recurrent`."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        """Run `recurrent` and keep for backward what it was given and what it left."""
        outputs = below_autograd(recurrent, inputs)
        *tensors, kind, takes, reverse, threads, _ = inputs
        # A copy, since the output may be changed before backward, as that of nn.GRU: through NumPy and ``data``, too,
        # which no version counter sees.
        ctx.save_for_backward(*tensors, outputs[0].clone(), outputs[3])
        ctx.options = (kind, takes, reverse, threads)
        ctx.set_materialize_grads(False)  # zeros for `saved` would take as much memory as `saved`
        return outputs

    @staticmethod
    def backward(ctx: Any, d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, _: MaybeTensor) -> tuple:
        """The gradients of the tensors; there are none of the lengths and the settings."""
        needs = ctx.needs_input_grad
        wanted = [needs[0], *needs[2 : len(TENSORS)]]
        gradients = recurrent_backward(d_output, d_h_n, d_c_n, *ctx.saved_tensors, *ctx.options, wanted)
        gradient = iter(gradients)
        d_x, *others = (next(gradient) if w else None for w in wanted)
        return d_x, None, *others, None, None, None, None, None


def below_autograd(operator: torch._ops.OpOverload, inputs: tuple) -> Any:
    """The operator itself, without another entry into autograd."""
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*inputs)


@torch.library.impl(library, "recurrent", "Autograd")
def with_derivative(*inputs: Any) -> tuple[Tensor, ...]:
    """`recurrent`, remembered by autograd where something needs a gradient, whatever `save`, its last input, says."""
    if transformation():
        return loop(*inputs)
    if torch.is_grad_enabled():
        for tensor in reversed(inputs[: len(TENSORS)]):  # among the last are the weights
            if tensor is not None and tensor.requires_grad:
                return Recurrent.apply(*inputs[:-1], True)
    return below_autograd(recurrent, inputs)


@torch.library.impl(library, "recurrent_backward", "Autograd")
def backward_with_derivative(*inputs: Any) -> list[Tensor]:
    """`recurrent_backward`, by the readable loop where its own derivative may be wanted (``create_graph``)."""
    if torch.is_grad_enabled() or transformation():
        return loop_backward(*inputs)
    return below_autograd(recurrent_backward, inputs)


@torch.library.impl(library, "recurrent", "FuncTorchBatched")
def loop(*inputs: Any) -> tuple[Tensor, ...]:
    """`recurrent` by the readable loop, which every transformation of PyTorch sees into; it saves nothing."""
    x, lengths, h0, c0, *parameters, mask = inputs[: len(TENSORS)]
    kind, takes, reverse, *_ = inputs[len(TENSORS) :]
    options = {"reset_after": kind == "gru_after", "update_gate": "takes" if takes else "keeps"}
    cell = find_cell("gru", **options) if kind.startswith("gru") else find_cell(kind)
    state = (h0,) if c0 is None else (h0, c0)
    output, (h_n, *c_n) = reference.run(
        cell, x, lengths, state, CellParameters(*parameters), reverse=reverse, recurrent_mask=mask
    )
    return output, h_n, c_n[0] if c_n else x.new_empty(0), x.new_empty(0)


@torch.library.impl(library, "recurrent_backward", "Batched")
@torch.library.impl(library, "recurrent_backward", "FuncTorchBatched")
def loop_backward(d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, *inputs: Any) -> list[Tensor]:
    """`recurrent_backward` by the readable loop, with a derivative where grad mode is on."""
    tensors, (_, _, *settings, wanted) = inputs[: len(TENSORS)], inputs[len(TENSORS) :]
    with torch.enable_grad():
        # Views of their own: where one input was computed from another, that way belongs to autograd outside.
        own: list[Any] = [t if t is None or t is tensors[1] else t.view_as(t) for t in tensors]
        seen = (own[0], *own[2:])
        leaves = [t if t.requires_grad else t.requires_grad_() for t, w in zip(seen, wanted, strict=True) if w]
        results = zip(loop(*own, *settings), (d_output, d_h_n, d_c_n), strict=False)
        outputs, d_outputs = zip(*((r, d) for r, d in results if d is not None), strict=True)
    return list(
        torch.autograd.grad(outputs, leaves, d_outputs, create_graph=torch.is_grad_enabled(), materialize_grads=True)
    )


@register_flop_formula(torch.ops.gatebench.recurrent)
def forward_flops(
    x: Shape, lengths: Any, h0: Any, c0: Any, weight_ih: Shape, weight_hh: Shape, *_: Any, **__: Any
) -> int:
    """What FlopCounterMode counts for the readable loop: two operations for a multiply-add of its products."""
    return 2 * x[0] * x[1] * (prod(weight_ih) + prod(weight_hh))


@register_flop_formula(torch.ops.gatebench.recurrent_backward)
def backward_flops(d_output: Any, d_h_n: Any, d_c_n: Any, *inputs: Any, **_: Any) -> int:
    """The same of backward: a product for each gradient that is wanted, and the state's in every step but the first."""
    shapes, kind, wanted = dict(zip(TENSORS, inputs, strict=False)), inputs[len(TENSORS) + 2], inputs[-1]
    wants = dict(zip((name for name in TENSORS if name != "lengths"), wanted, strict=True))
    batch, time, _ = shapes["x"]
    state, units = prod(shapes["weight_hh"]), shapes["weight_hh"][1]
    every = batch * time * (prod(shapes["weight_ih"]) * (wants["x"] + wants["weight_ih"]) + state * wants["weight_hh"])
    first = state if wants["h0"] or wants["mask"] else units * units if kind == "gru_before" else 0
    return 2 * (every + batch * ((time - 1) * state + first))
