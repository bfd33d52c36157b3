"""One or several real numbers for each sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from src.config import Mistake
from src.data.batches import Batch
from src.data.describe import Horizon, Values
from src.tasks.base import Losses, PooledLoss, Task
from src.tasks.classification import POOLINGS


class SequenceRegression(Task):
    """Squared error of the values of a sequence: ``mse`` and ``mae``, over all values of all sequences.

    >>> # python -m src.train data=adding data.length=200

    Where the data set has standardised its targets, ``mse_unit`` and ``mae_unit`` are the same in its own unit.

    Args:
        pooling: what the head reads: ``last`` (each direction's last valid state), ``mean`` or ``max`` over the steps.
        keywords: see :class:`~src.tasks.base.Task`.
    """

    loss_name = "mse"

    def __init__(self, *, pooling: str = "last", **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Values) or isinstance(output, Horizon) or keywords["description"].per_step:
            raise Mistake("task=regression needs data with real values for each sequence; this data set has none.")
        if pooling not in POOLINGS:
            raise Mistake(f"task.pooling={pooling} is unknown: it must be one of {', '.join(POOLINGS)}.")
        self.scale = torch.tensor(output.scale, dtype=torch.float64)
        self.counted = ("absolute", "squared_unit", "absolute_unit") if output.scale else ("absolute",)
        super().__init__(**keywords)
        self.pooling = pooling
        self.head = nn.Linear(self.network.output_size, output.size)

    def forward(self, batch: Batch) -> Tensor:
        """Values, (batch, values)."""
        output, _ = self.run(batch)
        pooled = POOLINGS[self.pooling](output, batch, getattr(self.network, "num_directions", 1))
        return self.head(self.dropout(pooled))

    def losses(self, batch: Batch) -> Losses:
        """Squared error per sequence, summed over its values."""
        said = self(batch)
        y = batch.y.reshape(said.shape).to(said.dtype)
        error = (said - y).double()
        sums = {"absolute": error.abs().sum(1)}
        if len(self.scale):
            unit = error.detach() * self.scale.to(error.device)
            sums |= {"squared_unit": unit.square().sum(1), "absolute_unit": unit.abs().sum(1)}
        loss = error.square().sum(1)
        return Losses(loss, torch.full_like(loss, y.shape[1]), said.squeeze(-1), y.squeeze(-1), sums)

    def summary(self, sums: PooledLoss) -> dict[str, float]:
        """Mean absolute error; both errors in the data's own unit where that is another."""
        out = {"mae": sums.share("absolute")}
        if len(self.scale):
            out |= {"mse_unit": sums.share("squared_unit"), "mae_unit": sums.share("absolute_unit")}
        return out
