"""Next-frame prediction of polyphonic music."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Bits
from src.tasks.base import Task
from src.tasks.losses import Losses, PooledSums
from src.tasks.metrics import FRAME_ACC, NLL, Metric


class PolyphonicMusic(Task):
    """Prediction of the keys in the next frame: ``nll`` in nats per step, and ``frame_acc``.

    The loss of a step is the binary cross-entropy summed over keys; ``nll`` is its mean over all steps of all pieces
    (Chung et al. 2014). Frame accuracy is TP / (TP + FP + FN), counted over all keys and steps, where a key is
    predicted if its probability exceeds one half (Bay et al. 2009; Boulanger-Lewandowski et al. 2012).

    Args:
        reduction: of the training loss: ``per_step``, the mean over all steps of a batch, in which long pieces have
            more weight, or ``per_sequence``, the mean over pieces of each one's mean. Does not affect metrics.
    """

    metrics_declared: tuple[Metric, ...] = (NLL, FRAME_ACC)

    def __init__(self, *, reduction: str = "per_step", **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Bits) or not keywords["description"].per_step:
            raise UserError("task=music needs several binary values at every step, as in data=jsb_chorales.")
        super().__init__(**keywords)
        self.reduction = reduction
        self.head = nn.Linear(self.network.output_size, output.size)

    def losses(self, batch: Batch) -> Losses:
        """Return the cross-entropy per piece, with the sums for frame accuracy."""
        logits, mask = self(batch), batch.mask
        y = batch.y.to(logits.dtype)
        # Long pieces sum over 400,000 keys: in float64 the sum does not depend on the padding of the batch.
        per_step = F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(-1).double()
        with torch.no_grad():
            # Counts as sums of products, which are fast; exact in float32 up to 2^24 keys of a piece.
            exists = mask[..., None].float()  # autocast's bfloat16 is exact only up to 256
            says, sounds = (logits > 0) * exists, y * exists
            hits = (says * sounds).sum((1, 2))
            sums = {"hits": hits, "sounding": says.sum((1, 2)) + sounds.sum((1, 2)) - hits}
        return Losses((per_step * mask).sum(1), mask.sum(1), sums=sums)

    def reduce(self, losses: Losses) -> Tensor:
        """Return the training loss with the configured ``reduction``."""
        if self.reduction == "per_sequence":
            return (losses.loss / losses.count).mean()
        return super().reduce(losses)

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Return a frame accuracy of 1 if no key sounds and none is predicted."""
        return {} if sums.totals["sounding"] else {"frame_acc": 1.0}
