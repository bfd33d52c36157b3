"""One class per sequence."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.classification import MulticlassF1Score

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes
from src.recurrent import last_valid
from src.tasks.base import Task
from src.tasks.losses import Losses
from src.tasks.metrics import ACC, F1, NLL_PER_SEQUENCE, Metric


class SequenceClassification(Task):
    """Cross-entropy of one class per sequence: ``nll`` (nats per sequence), ``acc`` and macro ``f1``.

    Args:
        pooling: input of the head: ``last`` (each direction's last valid state: forward at the last step, backward at
            step 0), ``mean`` or ``max`` over the valid steps.
        class_weights: one weight per class in the training loss (None: all 1); metrics are unweighted.
    """

    metrics_declared: tuple[Metric, ...] = (NLL_PER_SEQUENCE, ACC, F1)
    class_weights: Tensor | None

    def __init__(self, *, pooling: str = "last", class_weights: list[float] | None = None, **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Classes) or keywords["description"].per_step:
            raise UserError("task=classification needs data with one class per sequence, which this data set lacks.")
        if class_weights is not None and len(class_weights) != output.size:
            raise UserError(
                f"task.class_weights must have one entry per class, {output.size}, got {len(class_weights)}."
            )
        self.classes = output.size
        super().__init__(**keywords)
        self.pooling = pooling
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)
        self.head = nn.Linear(self.network.output_size, output.size)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, (batch, classes)."""
        return self.head(self.dropout(pooled(self, batch)))

    def losses(self, batch: Batch) -> Losses:
        """Return the cross-entropy per sequence."""
        logits = self(batch)
        loss = F.cross_entropy(logits, batch.y, reduction="none")
        said = logits.argmax(-1)
        return Losses(loss, torch.ones_like(loss), said, batch.y, {"right": said == batch.y})

    def reduce(self, losses: Losses) -> Tensor:
        """Return the weighted mean over the batch."""
        if self.class_weights is None or losses.target is None:
            return super().reduce(losses)
        weights = self.class_weights[losses.target]
        return (losses.loss * weights).sum() / weights.sum()

    def make_metrics(self) -> dict[str, nn.Module]:
        """Return macro F1 over classes."""
        return {"f1": MulticlassF1Score(self.classes, average="macro", validate_args=False)}


def pooled(task: Any, batch: Batch) -> Tensor:
    """Return the input of a head for whole sequences, (batch, output_size), pooled as in ``task.pooling``."""
    output, _ = task.run(batch)
    if task.pooling == "mean":
        return (output * batch.mask[..., None]).sum(1) / batch.mask.sum(1, keepdim=True)
    if task.pooling == "max":
        return output.masked_fill(~batch.mask[..., None], float("-inf")).amax(1)
    return last_valid(output, batch.lengths, getattr(task.network, "num_directions", 1))
