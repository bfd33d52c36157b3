"""Density prediction of the next samples of a sound wave."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Horizon, Values
from src.tasks.base import Task
from src.tasks.losses import Losses, PooledSums
from src.tasks.metrics import NLL, NLL_PER_SAMPLE, Metric


class Waveform(Task):
    """Mixture of Gaussians over the next samples: ``nll`` in nats per step, and ``nll_per_sample``.

    In Chung et al. 2014, each step reads 20 samples and predicts the following 10 with a mixture of 20 Gaussians. Here
    covariances are diagonal and samples standardised, so densities are per standard deviation of the training samples:
    in another unit ``nll`` differs by a constant, and it may be negative.

    Args:
        mixtures: number of Gaussians.
        min_log_scale: lower bound of a component's log standard deviation, approached smoothly. Without it, a component
            centred on a value that recordings repeat (silence) would have unbounded density. The default, -7, is 0.0009
            standard deviations of the training samples, close to the resolution of 16-bit recordings.
    """

    metrics_declared: tuple[Metric, ...] = (NLL, NLL_PER_SAMPLE)

    def __init__(self, *, mixtures: int = 20, min_log_scale: float = -7.0, **keywords: Any) -> None:
        description = keywords["description"]
        output = description.output
        series = isinstance(output, Values) and not isinstance(output, Horizon)
        if not (series and description.per_step and description.causal):
            raise UserError("task=waveform needs raw sound, such as data=fsdd_waveform or data=wav_folder.")
        ratio = {"numerator": "loss", "denominator": "count", "factor": 1 / output.size}
        self.metrics_declared = NLL, replace(NLL_PER_SAMPLE, **ratio)
        super().__init__(**keywords)
        self.samples, self.mixtures, self.min_log_scale = output.size, mixtures, min_log_scale
        self.head = nn.Linear(self.network.output_size, mixtures * (1 + 2 * output.size))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (batch, time, mixtures), means and log deviations (batch, time, mixtures, samples)."""
        return self.density(self.run(batch)[0])

    def density(self, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same from the network's output, (batch, time, output_size)."""
        logits, rest = self.head(self.dropout(output)).split([self.mixtures, 2 * self.mixtures * self.samples], dim=-1)
        mean, scale = rest.unflatten(-1, (2, self.mixtures, self.samples)).unbind(-3)
        return logits, mean, self.min_log_scale + F.softplus(scale - self.min_log_scale)

    def losses(self, batch: Batch) -> Losses:
        """Return the negative log density summed over each row's steps."""
        mask = batch.mask
        per_step = -mixture_log_density(batch.y, *self(batch)).double()
        return Losses((per_step * mask).sum(1), mask.sum(1))

    def reduce(self, losses: Losses) -> Tensor:
        """Return the mean over the batch's steps."""
        return super().reduce(losses).float()

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Return nats per predicted sample."""
        return {"nll_per_sample": sums.mean / self.samples}


def mixture_log_density(y: Tensor, logits: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return ln sum_k pi_k prod_d N(y_d; mean_kd, exp(log_scale_kd)^2), pi = softmax(logits), by log-sum-exp.

    Maps y (..., D), logits (..., K), mean and log_scale (..., K, D) to nats (...).
    """
    z = (y[..., None, :] - mean) * torch.exp(-log_scale)
    component = -(0.5 * z.square() + log_scale).sum(-1) - 0.5 * y.shape[-1] * math.log(2 * math.pi)
    return torch.logsumexp(F.log_softmax(logits, dim=-1) + component, dim=-1)
