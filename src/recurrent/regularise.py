"""Training noise: masks and perturbed weights, drawn here so that no backend draws random numbers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import dropout

from .backends.around import capturing
from .backends.builtin import packing
from .cells.base import CellParameters


def dropped(x: Tensor, rate: float, lengths: Tensor | None) -> Tensor:
    """Apply training dropout to (batch, time, features), drawn on a CPU in nn.GRU's order.

    That is step by step, and with lengths only for the steps of a packed batch, unless the call is captured, because a
    graph accepts other lengths. On CUDA nn.GRU draws inside cuDNN, which no generator here can reproduce.
    """
    if x.is_cuda:
        return dropout(x, rate)
    if lengths is None or capturing():
        ones = torch.ones_like(x.transpose(0, 1), memory_format=torch.contiguous_format)
        return x * dropout(ones, rate).transpose(0, 1)
    steps = x.flatten(0, 1)
    _, where, *_ = packing(lengths, x.shape[1])
    return torch.zeros_like(steps).index_copy(0, where, dropout(steps.index_select(0, where), rate)).view_as(x)


def recurrent_mask(rate: float, h: Tensor) -> Tensor:
    """Draw one dropout mask for all steps, (batch, hidden) like h (Gal and Ghahramani 2016, arXiv 1512.05287)."""
    return torch.empty_like(h).bernoulli_(1 - rate).div_(1 - rate)


def zoneout_mask(rate: float, h: Tensor, time: int, training: bool) -> Tensor:
    """Return how much of its old value each unit keeps (Krueger et al. 2017, arXiv 1606.01305): (batch, time, hidden).

    In training 1 with probability ``rate`` and otherwise 0; in evaluation the expectation ``rate``.
    """
    batch, hidden_size = h.shape
    if not training:
        return h.new_full((1, 1, 1), rate).expand(batch, time, hidden_size)
    return h.new_empty(batch, time, hidden_size).bernoulli_(rate)


def noisy(parameters: CellParameters, std: float) -> CellParameters:
    """Add Gaussian noise to the weights, but not to biases and gains: one draw for the whole batch and all steps.

    Graves 2011 ("Practical variational inference for neural networks"); Chung et al. 2014 use std 0.075.
    """
    if std == 0:
        return parameters
    names = ("weight_ih", "weight_hh", "weight_peephole", "weight_hr")
    weights = {name: getattr(parameters, name) for name in names}
    return parameters._replace(**{n: w + std * torch.randn_like(w) for n, w in weights.items() if w is not None})
