"""One or several real numbers per sequence, or per step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Horizon, Values
from src.tasks.base import Task
from src.tasks.classification import pooled
from src.tasks.losses import Losses, at_least_float32
from src.tasks.metrics import ERRORS, Metric


class SequenceRegression(Task):
    """Squared error of values per sequence or per step: ``mse`` and ``mae``, over all values of all sequences.

    If the data set has standardised its targets, ``mse_unit`` and ``mae_unit`` are the same in its own unit.

    Args:
        pooling: input of the head: ``last`` (each direction's last valid state), ``mean`` or ``max`` over the steps;
            for values at every step, the head reads every step.
    """

    metrics_declared: tuple[Metric, ...] = ERRORS

    def __init__(self, *, pooling: str = "last", **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Values) or isinstance(output, Horizon) or keywords["description"].causal:
            raise UserError("task=regression needs data with real values per sequence or step.")
        self.scale = torch.tensor(output.scale, dtype=torch.float64)
        if not output.scale:
            self.metrics_declared = ERRORS[:2]
        super().__init__(**keywords)
        self.pooling = pooling
        self.head = nn.Linear(self.network.output_size, output.size)

    def forward(self, batch: Batch) -> Tensor:
        """Return values, (batch, values), or (batch, time, values) for values at every step."""
        return super().forward(batch) if self.description.per_step else self.head(self.dropout(pooled(self, batch)))

    def losses(self, batch: Batch) -> Losses:
        """Return the squared error per sequence, summed over its values and steps."""
        said = at_least_float32(self(batch))
        y = batch.y.reshape(said.shape).to(said.dtype)
        error, count = (said - y).double(), torch.full((len(y),), y.shape[-1], device=y.device)
        if self.description.per_step:
            error, count = error * batch.mask[..., None], count * batch.mask.sum(1)
        error = error.flatten(1)
        sums = {"absolute": error.abs().sum(1)}
        if len(self.scale):
            unit = error.detach() * self.scale.to(error.device, non_blocking=True).repeat(
                error.shape[1] // len(self.scale)
            )
            sums |= {"squared_unit": unit.square().sum(1), "absolute_unit": unit.abs().sum(1)}
        losses = Losses(error.square().sum(1), count.to(error.dtype), sums=sums)
        if self.description.per_step:
            return losses
        return replace(losses, prediction=said.squeeze(-1), target=y.squeeze(-1))
