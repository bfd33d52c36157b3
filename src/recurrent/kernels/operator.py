"""The kernels as a differentiable torch operator that works with autograd, no_grad and torch.export.

There are two operators, forward and backward, each with a "fake" that only computes shapes. `kind` is a key of
`KINDS`; `takes` is the GRU's update convention; `threads` decides how rows are distributed and must be the same in both
directions. Autograd, not the caller, decides whether a derivative is needed, because a graph may be captured without
gradients and trained later.

They are registered with `torch.library.Library` rather than its decorator `custom_op`, whose overhead per call exceeds
the time of a short sequence.
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
"""Alignment in bytes that the kernels expect of what forward saves."""
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
    """Return output, final state, final cell (or empty) and, with `save`, what backward needs (else empty)."""
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
    """Return empty outputs of the right sizes."""
    x, _, _, c0, _, weight_hh, *_, gain, _, kind, _, _, threads, save = inputs
    (batch, time, _), hidden_size = x.shape, weight_hh.shape[1]
    return (
        x.new_empty(batch, time, hidden_size),
        x.new_empty(batch, hidden_size),
        x.new_empty(0 if c0 is None else (batch, hidden_size)),
        x.new_empty(saved_size(x, weight_hh, kind, threads, gain is not None) if save else 0),
    )


def saved_size(x: Tensor, weight_hh: Tensor, kind: str, threads: int, normalised: bool) -> int:
    """Return how many numbers forward may save for backward; rows are padded to vectors of at most 64 bytes.

    Every chunk of `CHUNK_ROWS` rows or more, and the last one of each thread, has one spare row. With layer
    normalisation both products are saved too, and up to four vectors of a row's scales: `Saved` in layer.h.
    """
    steps = x.shape[0] * x.shape[1]
    columns = SAVED[kind] + (2 * GATES[kind] if normalised else 0)
    row = (weight_hh.shape[1] + 15) // 16 * 16 * columns + (64 if normalised else 0)
    return (steps + steps // CHUNK_ROWS + threads) * row


@torch.library.impl(library, "recurrent_backward", "CPU")
def backward(d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, *inputs: Any) -> list[Tensor]:
    """Return the gradients of x, h0, c0, weights, biases, peepholes, gains and the mask, as far as needed."""
    *tensors, output, saved, kind, takes, reverse, threads, wanted = inputs
    if saved.data_ptr() % ALIGNED:
        saved = saved.clone()  # it was packed by saved_tensors_hooks and restored at another address
    given = dict(zip(TENSORS, tensors, strict=True))
    gradients = gradient_shapes(d_output, d_h_n, d_c_n, *inputs)
    names = ["d_" + name for name in TENSORS if name != "lengths"]
    written = dict(zip(itertools.compress(names, wanted), gradients, strict=True))
    written |= {"output": output, "saved": saved, "d_output": d_output, "d_h_n": d_h_n, "d_c_n": d_c_n}
    call_kernels(True, given.pop("x"), kind, takes, reverse, threads, **given, **written)
    return gradients


@torch.library.register_fake("gatebench::recurrent_backward", lib=library)
def gradient_shapes(d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, *inputs: Any) -> list[Tensor]:
    """Return empty gradients: one of its shape for each needed tensor except the lengths."""
    x, _, *others = inputs[: len(TENSORS)]
    return [x.new_empty(t.shape) for t, w in zip((x, *others), inputs[-1], strict=True) if w]


class Recurrent(torch.autograd.Function):
    """The derivative of `recurrent`."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        """Run `recurrent`, and save its inputs and intermediate results for backward."""
        outputs = below_autograd(recurrent, inputs)
        *tensors, kind, takes, reverse, threads, _ = inputs
        # A copy, because the output may be modified before backward, like nn.GRU's, even through NumPy and ``data``,
        # which no version counter notices.
        ctx.save_for_backward(*tensors, outputs[0].clone(), outputs[3])
        ctx.options = (kind, takes, reverse, threads)
        ctx.set_materialize_grads(False)  # zeros for `saved` would need as much memory again
        return outputs

    @staticmethod
    def backward(ctx: Any, d_output: MaybeTensor, d_h_n: MaybeTensor, d_c_n: MaybeTensor, _: MaybeTensor) -> tuple:
        """Return the gradients of the tensors; lengths and settings have none."""
        needs = ctx.needs_input_grad
        wanted = [needs[0], *needs[2 : len(TENSORS)]]
        gradients = recurrent_backward(d_output, d_h_n, d_c_n, *ctx.saved_tensors, *ctx.options, wanted)
        gradient = iter(gradients)
        d_x, *others = (next(gradient) if w else None for w in wanted)
        return d_x, None, *others, None, None, None, None, None


def below_autograd(operator: torch._ops.OpOverload, inputs: tuple) -> Any:
    """Call the operator below autograd, without recording it again."""
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*inputs)


@torch.library.impl(library, "recurrent", "Autograd")
def with_derivative(*inputs: Any) -> tuple[Tensor, ...]:
    """Call `recurrent`, recorded by autograd if something needs a gradient, regardless of `save`, its last input."""
    if transformation():
        return loop(*inputs)
    if torch.is_grad_enabled():
        for tensor in reversed(inputs[: len(TENSORS)]):  # weights are among the last
            if tensor is not None and tensor.requires_grad:
                return Recurrent.apply(*inputs[:-1], True)
    return below_autograd(recurrent, inputs)


@torch.library.impl(library, "recurrent_backward", "Autograd")
def backward_with_derivative(*inputs: Any) -> list[Tensor]:
    """Call `recurrent_backward`, through the reference loop if its own derivative may be needed (``create_graph``)."""
    if torch.is_grad_enabled() or transformation():
        return loop_backward(*inputs)
    return below_autograd(recurrent_backward, inputs)


@torch.library.impl(library, "recurrent", "FuncTorchBatched")
def loop(*inputs: Any) -> tuple[Tensor, ...]:
    """Compute `recurrent` with the reference loop, which all PyTorch transformations can trace; saves nothing."""
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
    """Compute `recurrent_backward` with the reference loop, with a derivative in grad mode."""
    tensors, (_, _, *settings, wanted) = inputs[: len(TENSORS)], inputs[len(TENSORS) :]
    with torch.enable_grad():
        # Separate views: if one input was computed from another, that dependence belongs to the outer autograd graph.
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
    """Return FlopCounterMode's count for the reference loop: two operations per multiply-add of its products."""
    return 2 * x[0] * x[1] * (prod(weight_ih) + prod(weight_hh))


@register_flop_formula(torch.ops.gatebench.recurrent_backward)
def backward_flops(d_output: Any, d_h_n: Any, d_c_n: Any, *inputs: Any, **_: Any) -> int:
    """Return the count for backward: one product per needed gradient, and the state's in every step but the first."""
    shapes, kind, wanted = dict(zip(TENSORS, inputs, strict=False)), inputs[len(TENSORS) + 2], inputs[-1]
    wants = dict(zip((name for name in TENSORS if name != "lengths"), wanted, strict=True))
    batch, time, _ = shapes["x"]
    state, units = prod(shapes["weight_hh"]), shapes["weight_hh"][1]
    every = batch * time * (prod(shapes["weight_ih"]) * (wants["x"] + wants["weight_ih"]) + state * wants["weight_hh"])
    first = state if wants["h0"] or wants["mask"] else units * units if kind == "gru_before" else 0
    return 2 * (every + batch * ((time - 1) * state + first))
