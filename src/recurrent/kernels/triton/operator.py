"""One layer in one direction as a differentiable operation, using the kernels in this folder.

The steps before and after the recurrence are products over all time steps, computed by PyTorch: the input's
contribution, and the gradient of weight_hh. The kernels do the rest, step by step.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, pad

from ...cells.base import CellParameters, CellState, Equations, from_input
from ...cells.gru import GRUEquations
from ...cells.lstm import LSTMEquations
from . import gru, lstm, rnn
from .plan import Plan, plan

MaybeTensor = Tensor | None


class Walk(NamedTuple):
    """The parameters of a kernel call other than tensors."""

    cell: Equations
    lengths: MaybeTensor
    reverse: bool
    mask: MaybeTensor
    zones: tuple[Tensor, ...]


def run(
    cell: Equations,
    x: Tensor,
    lengths: MaybeTensor,
    state: CellState,
    parameters: CellParameters,
    reverse: bool,
    mask: MaybeTensor,
    zones: tuple[Tensor, ...],
) -> tuple[Tensor, CellState]:
    """Run a layer; `src.recurrent.backends.spec` describes arguments and shapes."""
    if lengths is not None and x.is_cuda:
        lengths = lengths.pin_memory().to(x.device, non_blocking=True)
    walk = Walk(cell, lengths, reverse, mask, zones)
    inputs = from_input(x, cell.weight_blocks(parameters) if cell.layer_norm else (parameters,)).contiguous()
    others = (parameters.weight_hh, parameters.bias_hh, parameters.weight_peephole, parameters.gain_hh)
    output, *ends = Recurrence.apply(walk, inputs, *others, *state)
    return output, tuple(ends)


class Recurrence(torch.autograd.Function):
    """The recurrence with its derivative; tensors after ``walk`` may need gradients."""

    @staticmethod
    def forward(
        ctx: Any, walk: Walk, inputs: Tensor, weight: Tensor, bias: MaybeTensor, peephole: MaybeTensor,
        gain: MaybeTensor, *state: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Return output (batch, time, hidden) and final state."""
        save = any(ctx.needs_input_grad)
        state = tuple(tensor.contiguous() for tensor in state)
        call = Call(walk, inputs, weight, bias, peephole, gain, state)
        output, ends, saved = call.forward(save)
        if save:
            ctx.walk = walk
            ctx.save_for_backward(inputs[:0], weight, bias, peephole, gain, *state, output, *saved)
        return output, *ends

    @staticmethod
    def backward(ctx: Any, *d_ends: Tensor) -> tuple:
        """Return the gradients of all inputs but ``walk``; with ``create_graph`` they cannot be differentiated."""
        with torch.no_grad():
            gradients = Recurrence.gradients(ctx, d_ends)
        if torch.is_grad_enabled():
            gradients = Underivable.apply(*ctx.saved_tensors, *gradients)[-len(gradients) :]
        return None, *gradients

    @staticmethod
    def gradients(ctx: Any, d_ends: tuple[Tensor, ...]) -> tuple[MaybeTensor, ...]:
        """Return the gradients of the tensors."""
        walk, count = ctx.walk, len(ctx.walk.cell.states)
        inputs, weight, bias, peephole, gain, *rest = ctx.saved_tensors
        state, output, saved = tuple(rest[:count]), rest[count], tuple(rest[count + 1 :])
        call = Call(walk, inputs, weight, bias, peephole, gain, state)
        d_inputs, d_products, d_state = call.backward(output, saved, [d.contiguous() for d in d_ends])
        _, _, wants_weight, wants_bias, wants_peephole, wants_gain, *_ = ctx.needs_input_grad
        before = previous(output, state[0], walk)
        d_weight = call.d_weight(d_products, before, saved) if wants_weight else None
        d_bias = call.d_contribution(d_inputs, saved).sum((0, 1)) if wants_bias else None
        d_peephole = call.d_peephole(d_inputs, saved) if wants_peephole else None
        d_gain = call.d_gain(d_inputs, saved) if wants_gain else None
        return d_inputs, d_weight, d_bias, d_peephole, d_gain, *d_state


class Underivable(torch.autograd.Function):
    """Passes tensors through, and refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, *tensors: MaybeTensor) -> tuple[MaybeTensor, ...]:
        """Return the same tensors."""
        return tensors

    @staticmethod
    def backward(ctx: Any, *_: MaybeTensor) -> None:
        """Refuse."""
        raise ValueError("backend=triton has no second derivative: use backend=reference for create_graph=True")


def previous(sequence: Tensor, start: Tensor, walk: Walk) -> Tensor:
    """Return the values before each step: a sequence (batch, time, hidden) shifted by one step."""
    if not walk.reverse:
        return torch.cat([start[:, None].to(sequence.dtype), sequence[:, :-1]], dim=1)
    before = torch.cat([sequence[:, 1:], start[:, None].to(sequence.dtype)], dim=1)
    if walk.lengths is not None:
        before[torch.arange(len(start), device=start.device), walk.lengths - 1] = start.to(sequence.dtype)
    return before


class Call:
    """The tensors of one call, and its kernel launches.

    Args:
        walk: the cell, the direction and the masks.
        inputs: (batch, time, G*hidden); in backward only its device and dtype matter.
        weight: weight_hh (G*hidden, hidden).
        bias: bias_hh (G*hidden,) or None.
        peephole: (3*hidden,) or None.
        gain: gain_hh (G*hidden,) or None.
        state: (batch, hidden) each.
    """

    def __init__(
        self, walk: Walk, inputs: Tensor, weight: Tensor, bias: MaybeTensor, peephole: MaybeTensor, gain: MaybeTensor,
        state: tuple[Tensor, ...],
    ) -> None:  # fmt: skip
        self.walk, self.inputs, self.weight, self.state = walk, inputs, weight, state
        self.bias, self.peephole, self.gain = bias, peephole, gain
        self.cell = walk.cell
        self.gates, self.hidden_size = len(self.cell.gates), weight.shape[1]
        self.batch = state[0].shape[0]
        self.number = torch.float64 if state[0].dtype == torch.float64 else torch.float32
        self.after = isinstance(self.cell, GRUEquations) and self.cell.reset_after
        # Number of vectors U h that a step saves in addition to its gates.
        self.kept_products = self.gates if self.cell.layer_norm else int(self.after)

    def new(self, *shape: int, like: Tensor | None = None) -> Tensor:
        """Allocate results: zeros if rows end early, because kernels do not write past their end."""
        like = self.state[0] if like is None else like
        return like.new_zeros(shape) if self.walk.lengths is not None else like.new_empty(shape)

    def shared(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the common arguments of forward and backward: tensors, and compile-time flags."""
        walk, unused = self.walk, self.weight
        zones = walk.zones or (unused, unused)
        tensors: dict[str, Any] = {"gain": unused if self.gain is None else self.gain, "zone": zones[0]}
        tensors |= {"mask": unused if walk.mask is None else walk.mask.contiguous()}
        tensors |= {"lengths": unused if walk.lengths is None else walk.lengths}
        strides = walk.zones[0].stride() if walk.zones else (0, 0, 0)
        tensors |= dict(zip(("zone_row", "zone_step", "zone_unit"), strides, strict=True))
        flags = {"NORM": self.cell.layer_norm, "MASKED": walk.mask is not None, "ZONED": bool(walk.zones)}
        flags |= {"LENGTHS": walk.lengths is not None, "REVERSE": walk.reverse}
        tensors |= {"bias": unused if self.bias is None else self.bias}
        flags |= {"BIAS": self.bias is not None}
        if self.cell.kind == "gru":
            flags |= {"AFTER": self.after}
        elif isinstance(self.cell, LSTMEquations) or self.cell.kind == "lstm_coupled":
            tensors |= {"peephole": unused if self.peephole is None else self.peephole, "zone_c": zones[-1]}
            flags |= {"COUPLED": self.cell.kind == "lstm_coupled", "PEEPHOLES": self.peephole is not None}
        return tensors, flags

    def launch(self, kernel: Any, where: Plan, steps: int, backward: bool, **arguments: Any) -> None:
        """Launch a kernel, one program per row."""
        size = self.hidden_size
        weight = self.weight.reshape(self.gates, size, size)  # (gate, new unit, old unit)
        if not backward:  # resulting units adjacent: in forward those of the new state
            weight = weight.transpose(1, 2)
        if not where.held and size % LINE:  # align rows that are read in every step to cache lines
            weight = pad(weight, (0, -size % LINE))
        scratch = self.state[0].new_empty(1 if where.held else self.batch * 8 * size, dtype=self.number)
        tensors, flags = self.shared()
        given = {**tensors, **flags, **where.flags(self.number), **arguments}
        given |= {"weights": weight.contiguous(), "pitch": weight.shape[2], "scratch": scratch}
        given |= {"steps": steps, "hidden_size": size}
        with torch.cuda.device(weight.device) if weight.is_cuda else nullcontext():
            kernel[(self.batch,)](**{n: given[n] for n in kernel.arg_names}, num_warps=where.warps, num_stages=1)

    def forward(self, save: bool) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return output, final state, and for backward the gates, an LSTM's cells, and saved products."""
        steps, hidden_size = self.inputs.shape[1], self.hidden_size
        wide = (self.batch, steps, hidden_size)
        output = self.new(*wide)
        ends = tuple(torch.empty_like(tensor) for tensor in self.state)
        given: dict[str, Any] = {"inputs": self.inputs, "h0": self.state[0], "output": output, "h_n": ends[0]}
        size = (self.batch, steps, self.gates * hidden_size) if save else (0,)
        gates, kept = self.new(*size), self.new(self.batch, steps, self.kept_products * hidden_size if save else 0)
        saved: tuple[Tensor, ...] = (gates, kept)
        if len(self.state) == 2:
            saved = (gates, kept, self.new(*(wide if save else (0,))))
            given |= {"c0": self.state[1], "c_n": ends[1], "cells": saved[2]}
        where = plan(hidden_size, self.gates, self.number, backward=False)
        given |= {"gates": gates, "products": kept, "SAVE": save}
        self.launch(KERNELS[self.cell.kind].forward, where, steps, False, **given)
        return output, ends, saved if save else ()

    def backward(
        self, output: Tensor, saved: tuple[Tensor, ...], d_ends: list[Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the gradients of the inputs, of the products U h, and of the initial state."""
        d_output, *d_final = d_ends
        gates, kept = saved[:2]
        d_inputs = self.new(*gates.shape, like=self.inputs)
        apart = self.cell.layer_norm or self.after
        d_products = self.new(*gates.shape) if apart else d_inputs
        d_state = tuple(torch.empty_like(tensor) for tensor in self.state)
        given: dict[str, Any] = {"d_output": d_output, "d_h_n": d_final[0], "h0": self.state[0], "d_h0": d_state[0]}
        given |= {"output": output, "gates": gates, "products": kept, "d_inputs": d_inputs, "d_products": d_products}
        if len(self.state) == 2:
            given |= {"d_c_n": d_final[1], "c0": self.state[1], "d_c0": d_state[1], "cells": saved[2]}
        where = plan(self.hidden_size, self.gates, self.number, backward=True)
        self.launch(KERNELS[self.cell.kind].backward, where, output.shape[1], True, **given)
        return d_inputs, d_products, d_state

    def d_weight(self, d_products: Tensor, before: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient of weight_hh: one product over all steps, or two if the candidate sees the reset h."""
        seen = before if self.walk.mask is None else before * self.walk.mask[:, None]
        hidden_size = self.hidden_size
        rows = d_products.flatten(0, 1).to(seen.dtype)
        if self.cell.kind != "gru" or self.after:
            return (rows.T @ seen.flatten(0, 1)).to(self.weight.dtype)
        reset = saved[0][..., :hidden_size] * seen
        halves = (rows[:, : 2 * hidden_size].T @ seen.flatten(0, 1), rows[:, 2 * hidden_size :].T @ reset.flatten(0, 1))
        return torch.cat(halves).to(self.weight.dtype)

    def d_contribution(self, d_inputs: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient of the state's contribution: that of the inputs, unless the reset gate is in between."""
        if not self.after:
            return d_inputs
        hidden_size = self.hidden_size
        reset = saved[0][..., :hidden_size]
        return torch.cat([d_inputs[..., : 2 * hidden_size], d_inputs[..., 2 * hidden_size :] * reset], dim=-1)

    def d_peephole(self, d_inputs: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient of the three diagonals."""
        gates, _, cells = saved
        i, f, g, _ = gates.chunk(4, dim=-1)
        d_i, d_f, _, d_o = d_inputs.chunk(4, dim=-1)
        before = previous(cells, self.state[1], self.walk)
        now = f * before + i * g if self.walk.zones else cells
        return torch.cat([(d * c).sum((0, 1)) for d, c in ((d_i, before), (d_f, before), (d_o, now))])

    def d_gain(self, d_inputs: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient of the gains, normalising their inputs again, block by block."""
        sizes = [count * self.hidden_size for count in self.cell.gates_by_block or (self.gates,)]
        normalised = [layer_norm(block, block.shape[-1:]) for block in saved[1].split(sizes, dim=-1)]
        return (self.d_contribution(d_inputs, saved) * torch.cat(normalised, dim=-1)).sum((0, 1))


LINE = 32  # numbers, of 4 bytes
KERNELS = {"gru": gru, "lstm": lstm, "lstm_coupled": lstm, "rnn": rnn}
