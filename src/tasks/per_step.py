"""One class per step of a sequence."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes
from src.tasks.base import Task
from src.tasks.losses import Losses
from src.tasks.metrics import ACC, NLL, Metric


class PerStepClassification(Task):
    """Cross-entropy of one class per step: ``nll`` (nats per step) and ``acc``, both over all valid steps.

    Steps with a negative target are unlabelled and ignored.
    """

    metrics_declared: tuple[Metric, ...] = (NLL, ACC)

    def __init__(self, **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Classes) or not keywords["description"].per_step:
            raise UserError("task=per_step needs data with one class at every step.")
        super().__init__(**keywords)
        self.head = nn.Linear(self.network.output_size, output.size)

    def losses(self, batch: Batch) -> Losses:
        """Return the cross-entropy per sequence, with the number of correct steps."""
        logits, y = self(batch), batch.y.long()
        mask = batch.mask & (y >= 0)
        known = y.where(mask, 0)
        if logits.is_cuda:  # where the version below has no deterministic kernel
            per_step = F.cross_entropy(logits.flatten(0, 1), known.flatten(), reduction="none").view_as(y).double()
        else:
            per_step = F.cross_entropy(logits.transpose(1, 2), known, reduction="none").double()
        right = (logits.argmax(-1) == y) & mask
        return Losses((per_step * mask).sum(1), mask.sum(1), sums={"right": right.sum(1)})

    def reduce(self, losses: Losses) -> Tensor:
        """Return the training loss per labelled step over the batch; 0 without labels."""
        return losses.loss.sum() / losses.count.sum().clamp_min(1)
