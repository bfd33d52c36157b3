"""A task that predicts its own next input goes on from a primer, step by step, with the state carried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Generator, Tensor

from src.config.errors import UserError
from src.data.text import UNKNOWN
from src.generating.draws import draw_bits, draw_samples, draw_token
from src.tasks.base import Task
from src.tasks.language_model import LanguageModel
from src.tasks.music import PolyphonicMusic
from src.tasks.waveform import Waveform

Drawn = tuple[Tensor, Tensor]  # what was drawn, and the input that reads it


@dataclass(frozen=True)
class SamplingParams:
    """How it is drawn.

    Args:
        temperature: what logits are divided by: below 1 likelier things are drawn, above 1 less likely ones.
        top_p: text: only the likeliest tokens with this probability together.
        banned: text: tokens that are never drawn (what stands for unknown symbols).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    banned: tuple[int, ...] = ()


def sampling_params(task: Task, temperature: float, top_p: float) -> SamplingParams:
    """How a task is to draw.

    Raises:
        UserError: the task cannot generate, or ``top_p`` is given to one that draws no tokens.
    """
    if draw_next.dispatch(type(task)) is draw_next.dispatch(object):
        raise UserError(
            f"A run of the task {type(task).__name__} cannot generate, since it does not predict what it reads next: "
            "music, text and waveform runs do, as those on data=jsb_chorales, shakespeare or fsdd_waveform."
        )
    if not isinstance(task, LanguageModel):
        if top_p != 1:
            raise UserError(
                f"top_p={top_p} is for text, and this run is of the task {type(task).__name__}: leave it out."
            )
        return SamplingParams(temperature)
    names = task.description.output.names  # type: ignore[union-attr]
    return SamplingParams(temperature, top_p, tuple(k for k, name in enumerate(names) if name == UNKNOWN))


@torch.no_grad()
def generate(task: Task, x: Tensor, steps: int, sampling: SamplingParams, generator: Generator) -> Tensor:
    """Read a primer once, then draw step after step, each from the state that the one before left.

    Args:
        task: in evaluation mode; music, text or waveform.
        x: (batch, time, ...), the primer, as the task reads it.
        steps: how many to draw, 1 or more.
        sampling: how.
        generator: where chance comes from.

    Returns:
        What was drawn, (batch, steps, ...): frames of keys, tokens, or the new samples of each step.
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
    """Draw what follows, and the input that reads it.

    Args:
        task: whose head is asked.
        output: (batch, 1, output_size) of the network after the last step.
        x: (batch, 1, ...), that step's input.
        sampling: how.
        generator: where chance comes from.

    Returns:
        What was drawn, (batch, 1, ...), and the next input, (batch, 1, ...).
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
