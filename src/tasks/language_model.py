"""Prediction of the next character or word of a text."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes, Tokens
from src.tasks.base import Task
from src.tasks.losses import Losses, PooledSums
from src.tasks.metrics import BPC, NLL_PER_TOKEN, PERPLEXITY, Metric


class LanguageModel(Task):
    """Cross-entropy of the next token: ``nll`` in nats per token, ``perplexity``, and ``bpc`` for characters.

    ``nll`` is the mean over all tokens of a split except the first of each document; ``bpc`` = nll / ln 2 (bits per
    character), ``perplexity`` = exp(nll). Long texts are read in chunks, carrying the state over (``data.chunk``).
    """

    metrics_declared: tuple[Metric, ...] = (NLL_PER_TOKEN, PERPLEXITY, BPC)

    def __init__(self, **keywords: Any) -> None:
        description = keywords["description"]
        output = description.output
        if not (isinstance(description.input, Tokens) and isinstance(output, Classes) and description.per_step):
            raise UserError("task=language_model needs sequences of tokens to continue, such as data=text.")
        self.characters = description.input.unit == "character"
        if not self.characters:
            self.metrics_declared = self.metrics_declared[:2]
        super().__init__(**keywords)
        self.head = nn.Linear(self.network.output_size, output.size)

    def losses(self, batch: Batch) -> Losses:
        """Return the cross-entropy summed over each row's steps."""
        logits, mask = self(batch), batch.mask
        per_step = F.cross_entropy(logits.flatten(0, 1), batch.y.flatten(), reduction="none")
        per_step = per_step.double().view_as(mask)
        return Losses((per_step * mask).sum(1), mask.sum(1))

    def reduce(self, losses: Losses) -> Tensor:
        """Return the mean over the batch's tokens."""
        return super().reduce(losses).float()

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Return perplexity, infinite on overflow of float64, and bits per character."""
        figures = {"perplexity": math.exp(sums.mean) if sums.mean < 700 else math.inf}
        return figures | ({"bpc": sums.mean / math.log(2)} if self.characters else {})
