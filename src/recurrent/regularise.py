"""Noise that acts in training alone: masks and perturbed weights, drawn here so that no backend draws anything."""

from __future__ import annotations

import torch
from torch import Tensor

from .cells.base import CellParameters


def recurrent_mask(rate: float, h: Tensor) -> Tensor:
    """One dropout mask for all steps (Gal and Ghahramani 2016, arXiv 1512.05287), shaped like h (batch, hidden)."""
    return torch.empty_like(h).bernoulli_(1 - rate).div_(1 - rate)


def zoneout_mask(rate: float, h: Tensor, time: int, training: bool) -> Tensor:
    """The share of the old value that each unit keeps (Krueger et al. 2017, arXiv 1606.01305): (batch, time, hidden).

    0 or 1 with probability ``rate`` of 1 in training, the expectation ``rate`` in evaluation.
    """
    batch, hidden_size = h.shape
    if not training:
        return h.new_full((1, 1, 1), rate).expand(batch, time, hidden_size)
    return h.new_empty(batch, time, hidden_size).bernoulli_(rate)


def noisy(parameters: CellParameters, std: float) -> CellParameters:
    """The weights, not the biases and gains, plus Gaussian noise: one draw for the whole batch and all its steps.

    Graves 2011 ("Practical variational inference for neural networks"); Chung et al. 2014 use std 0.075.
    """
    if std == 0:
        return parameters
    names = ("weight_ih", "weight_hh", "weight_peephole", "weight_hr")
    weights = {name: getattr(parameters, name) for name in names}
    return parameters._replace(**{n: w + std * torch.randn_like(w) for n, w in weights.items() if w is not None})
