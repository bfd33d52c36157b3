"""The recurrence as a linear map: how a small change of the state affects the next and the last state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from src.inside.unrolled import Path


@dataclass(frozen=True)
class Jacobians:
    """One layer in one direction, with fixed input.

    Args:
        largest: (sequences, lags), the largest singular value of d s_t / d s_(t-1), where t is ``lag`` steps before
            the last one read.
        strongest: (sequences, lags), that of d s_T / d s_t: the effect, ``lag`` steps later, of the change with the
            largest effect; 1 at lag 0.
        typical: likewise the root mean square of all its singular values: the effect of a change in a random direction.
    """

    largest: np.ndarray
    strongest: np.ndarray
    typical: np.ndarray


@torch.no_grad()
def jacobians(path: Path, lengths: Tensor, steps: int, backward: bool = False) -> Jacobians:
    """Compute Jacobians for the last ``steps`` steps of each sequence; NaN before a sequence's start.

    Args:
        path, lengths: from `src.inside.unrolled.unrolled_forward`, and valid steps of each sequence.
        steps: number of lags, at least 1; lags beyond the longest sequence are omitted.
        backward: whether the path reads from the end.
    """
    batch, steps = len(lengths), min(steps, len(path.states))
    before = [*path.states[1:], path.start] if backward else [path.start, *path.states[:-1]]
    old = [torch.stack(tensors, 1) for tensors in zip(*before, strict=True)]
    inputs, rows = torch.stack(path.inputs, 1), torch.arange(batch)
    width = sum(tensor.shape[-1] for tensor in path.start)
    product = torch.eye(width, dtype=torch.float64, device=inputs.device).expand(batch, width, width)
    one, strongest, typical = [], [], []
    for lag in range(steps):
        strongest.append(spectral_norm(product))
        typical.append(torch.linalg.matrix_norm(product) / width**0.5)
        # Step T - lag of each sequence; sequences that are too short are masked below.
        at = torch.full_like(lengths, lag) if backward else (lengths - 1 - lag).clamp_min(0)
        jacobian = step_jacobian(path, inputs[rows, at], tuple(tensor[rows, at] for tensor in old)).double()
        one.append(spectral_norm(jacobian))
        product = product @ jacobian
    outside = torch.arange(steps) >= lengths[:, None]
    return Jacobians(
        *(torch.stack(v, 1).cpu().masked_fill(outside, float("nan")).numpy() for v in (one, strongest, typical))
    )


def step_jacobian(path: Path, inputs: Tensor, state: tuple[Tensor, ...]) -> Tensor:
    """Return d (new state) / d (old state), (batch, width, width), concatenating an LSTM's states."""
    with torch.enable_grad():
        old = tuple(tensor.detach().requires_grad_() for tensor in state)
        new = torch.cat(path.one_step(inputs, old), dim=-1)
        width = new.shape[-1]
        each = torch.eye(width, dtype=new.dtype, device=new.device)[:, None].expand(width, *new.shape)
        rows = torch.autograd.grad(new, old, each, is_grads_batched=True)
    return torch.cat(rows, dim=-1).transpose(0, 1)


def spectral_norm(matrices: Tensor) -> Tensor:
    """Return the largest singular value of each of (..., n, n), from the largest eigenvalue of its Gram matrix."""
    return torch.linalg.eigvalsh(matrices.mT @ matrices)[..., -1].clamp_min(0).sqrt()
