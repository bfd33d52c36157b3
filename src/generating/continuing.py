"""Continue a primer step by step with a task that predicts its own next input, carrying the state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Generator, Tensor

from src.config.errors import UserError
from src.data.text import UNKNOWN
from src.tasks.base import Task
from src.tasks.language_model import LanguageModel
from src.tasks.music import PolyphonicMusic
from src.tasks.waveform import Waveform

Drawn = tuple[Tensor, Tensor]  # the sample, and the input that feeds it back


@dataclass(frozen=True)
class SamplingParams:
    """Sampling options."""

    temperature: float = 1.0  # divisor of the logits: below 1 favours more probable samples, above 1 less probable ones
    top_p: float = 1.0  # text: only the most probable tokens with this total probability
    banned: tuple[int, ...] = ()  # text: tokens that are never drawn (such as the unknown symbol)


def sampling_params(task: Task, temperature: float, top_p: float) -> SamplingParams:
    """Return the sampling options of a task.

    Raises:
        UserError: the task cannot generate, or ``top_p`` is given but the task does not draw tokens.
    """
    if draw_next.dispatch(type(task)) is draw_next.dispatch(object):
        raise UserError(
            f"A run of the task {type(task).__name__} cannot generate, because it does not predict its own next "
            "input: use a run on music, text or waveforms, such as data=jsb_chorales, shakespeare or fsdd_waveform."
        )
    if not isinstance(task, LanguageModel):
        if top_p != 1:
            raise UserError(f"top_p={top_p} needs a run on text, got the task {type(task).__name__}: drop it.")
        return SamplingParams(temperature)
    names = task.description.output.names  # type: ignore[union-attr]
    return SamplingParams(temperature, top_p, tuple(k for k, name in enumerate(names) if name == UNKNOWN))


@torch.no_grad()
def generate(task: Task, x: Tensor, steps: int, sampling: SamplingParams, generator: Generator) -> Tensor:
    """Read a primer once, then sample step by step, each from the previous state.

    Args:
        task: in evaluation mode; music, text or waveform.
        x: (batch, time, ...), the primer, as the task's input.
        steps: number of steps to sample, at least 1.
        sampling, generator: sampling options, and the source of randomness.

    Returns:
        The samples, (batch, steps, ...): frames of keys, tokens, or the new samples of each step.
    """
    drawn = []
    output, state = task.network(task.encoder(x), None)
    for step in range(steps):
        new, x = draw_next(task, output[:, -1:], x[:, -1:], sampling, generator)
        drawn.append(new)
        if step + 1 < steps:
            output, state = task.network(task.encoder(x), state)
    return torch.cat(drawn, dim=1)


@singledispatch
def draw_next(task: Task, output: Tensor, x: Tensor, sampling: SamplingParams, generator: Generator) -> Drawn:
    """Sample the next step, (batch, 1, ...), and return it with the input that feeds it back, (batch, 1, ...).

    Args:
        task: supplies the head.
        output: (batch, 1, output_size), the network's output after the last step.
        x: (batch, 1, ...), that step's input.
        sampling, generator: sampling options, and the source of randomness.
    """
    raise NotImplementedError


@draw_next.register
def _(task: PolyphonicMusic, output: Tensor, x: Tensor, sampling: SamplingParams, generator: Generator) -> Drawn:
    keys = draw_bits(task.head(output), sampling.temperature, generator)
    return keys, keys


@draw_next.register
def _(task: LanguageModel, output: Tensor, x: Tensor, sampling: SamplingParams, generator: Generator) -> Drawn:
    logits = task.head(output)
    logits[..., list(sampling.banned)] = float("-inf")
    token = draw_token(logits, sampling.temperature, sampling.top_p, generator)
    return token, token


@draw_next.register
def _(task: Waveform, output: Tensor, x: Tensor, sampling: SamplingParams, generator: Generator) -> Drawn:
    samples = draw_samples(*task.density(output), sampling.temperature, generator)
    return samples, torch.cat([x[..., samples.shape[-1] :], samples], dim=-1)


def draw_bits(logits: Tensor, temperature: float, generator: Generator) -> Tensor:
    """Sample several independent binary values: (..., n) logits to (..., n) zeros and ones, float.

    Each is 1 with probability sigmoid(logit / temperature).
    """
    p = torch.sigmoid(logits / temperature)
    return (torch.rand(p.shape, generator=generator) < p).to(logits.dtype)


def draw_token(logits: Tensor, temperature: float, top_p: float, generator: Generator) -> Tensor:
    """Sample one of the tokens kept by :func:`nucleus`: (..., vocabulary) logits to (...) int64."""
    p = nucleus(torch.softmax(logits.double() / temperature, dim=-1), top_p)
    return torch.multinomial(p.flatten(0, -2), 1, generator=generator).view(p.shape[:-1])


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """Keep the fewest most probable tokens whose probabilities sum to at least ``top_p``, rescaled to sum to 1.

    Holtzman et al. 2020 ("The curious case of neural text degeneration", section 3.1).

    >>> nucleus(torch.tensor([0.5, 0.25, 0.125, 0.125]), 0.6)
    tensor([0.6667, 0.3333, 0.0000, 0.0000])

    Args:
        p: (..., vocabulary) probabilities.
        top_p: above 0, at most 1, which keeps all tokens.
    """
    falling, order = p.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(-1) - falling
    kept = falling * (before < top_p)
    return torch.zeros_like(p).scatter(-1, order, kept / kept.sum(-1, keepdim=True))


def draw_samples(logits: Tensor, mean: Tensor, log_scale: Tensor, temperature: float, generator: Generator) -> Tensor:
    """Sample from a mixture of Gaussians, see `src.tasks.waveform`: (..., K), (..., K, D) and (..., K, D) to (..., D).

    The component is drawn from softmax(logits / temperature), and its standard deviations are scaled by temperature.
    """
    p = torch.softmax(logits / temperature, dim=-1)
    component = torch.multinomial(p.flatten(0, -2), 1, generator=generator).view(*p.shape[:-1], 1, 1)
    index = component.expand(*p.shape[:-1], 1, mean.shape[-1])
    m, s = (tensor.gather(-2, index).squeeze(-2) for tensor in (mean, log_scale))
    return m + torch.exp(s) * temperature * torch.randn(m.shape, generator=generator)
