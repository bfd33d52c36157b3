"""One draw from what a head says: keys, a token, samples of a sound wave."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def draw_bits(logits: Tensor, temperature: float, generator: Generator) -> Tensor:
    """Each of several yes/no values for itself: (..., n) logits to (..., n) zeros and ones, float.

    A yes has the probability sigmoid(logit / temperature).
    """
    p = torch.sigmoid(logits / temperature)
    return (torch.rand(p.shape, generator=generator) < p).to(logits.dtype)


def draw_token(logits: Tensor, temperature: float, top_p: float, generator: Generator) -> Tensor:
    """One of the tokens that :func:`nucleus` leaves: (..., vocabulary) logits to (...) int64."""
    p = nucleus(torch.softmax(logits.double() / temperature, dim=-1), top_p)
    return torch.multinomial(p.flatten(0, -2), 1, generator=generator).view(p.shape[:-1])


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """The fewest of the most probable tokens whose probabilities add up to ``top_p`` or more, scaled to add up to 1.

    Holtzman et al. 2020 ("The curious case of neural text degeneration", section 3.1).

    >>> nucleus(torch.tensor([0.5, 0.25, 0.125, 0.125]), 0.6)
    tensor([0.6667, 0.3333, 0.0000, 0.0000])

    Args:
        p: (..., vocabulary) probabilities.
        top_p: above 0, at most 1, where all tokens stay.
    """
    falling, order = p.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(-1) - falling
    kept = falling * (before < top_p)
    return torch.zeros_like(p).scatter(-1, order, kept / kept.sum(-1, keepdim=True))


def draw_samples(logits: Tensor, mean: Tensor, log_scale: Tensor, temperature: float, generator: Generator) -> Tensor:
    """From a mixture of Gaussians, see `src.tasks.waveform`: (..., K), (..., K, D) and (..., K, D) to (..., D).

    The component is drawn with softmax(logits / temperature), its standard deviations are multiplied by temperature.
    """
    p = torch.softmax(logits / temperature, dim=-1)
    component = torch.multinomial(p.flatten(0, -2), 1, generator=generator).view(*p.shape[:-1], 1, 1)
    index = component.expand(*p.shape[:-1], 1, mean.shape[-1])
    m, s = (tensor.gather(-2, index).squeeze(-2) for tensor in (mean, log_scale))
    return m + torch.exp(s) * temperature * torch.randn(m.shape, generator=generator)
