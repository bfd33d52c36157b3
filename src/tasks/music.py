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
    """Which keys sound in the next frame: ``nll`` in nats per step and ``frame_acc``.

    The loss of a step is the binary cross-entropy summed over the keys; ``nll`` is its mean over all steps of all
    pieces (Chung et al. 2014). Frame accuracy is TP / (TP + FP + FN), each counted over all keys and steps, a key
    being predicted where its probability is above one half (Bay et al. 2009; Boulanger-Lewandowski et al. 2012).

    Args:
        reduction: of the training loss: ``per_step``, the mean over all steps of a batch, in which long pieces weigh
            more, or ``per_sequence``, the mean over a batch's pieces of each piece's mean. Metrics do not depend on it.
    """

    metrics_declared: tuple[Metric, ...] = (NLL, FRAME_ACC)

    def __init__(self, *, reduction: str = "per_step", **keywords: Any) -> None:
        output = keywords["description"].output
        if not isinstance(output, Bits) or not keywords["description"].per_step:
            raise UserError("task=music needs data with several yes/no values at every step; this data set has none.")
        super().__init__(**keywords)
        self.reduction = reduction
        self.head = nn.Linear(self.network.output_size, output.size)

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy per piece, with what frame accuracy is made of."""
        logits, mask = self(batch), batch.mask
        y = batch.y.to(logits.dtype)
        # Long pieces are sums over 400,000 keys: added up in float64, they do not depend on how a batch was padded.
        per_step = F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(-1).double()
        with torch.no_grad():
            # Counts as sums of products, which are fast; exact in float32 up to 2^24 keys of a piece.
            exists = mask[..., None].float()  # autocast's bfloat16 counts to 256
            says, sounds = (logits > 0) * exists, y * exists
            hits = (says * sounds).sum((1, 2))
            sums = {"hits": hits, "sounding": says.sum((1, 2)) + sounds.sum((1, 2)) - hits}
        return Losses((per_step * mask).sum(1), mask.sum(1), sums=sums)

    def reduce(self, losses: Losses) -> Tensor:
        """The training loss, as ``reduction`` says."""
        if self.reduction == "per_sequence":
            return (losses.loss / losses.count).mean()
        return super().reduce(losses)

    def summary(self, sums: PooledSums) -> dict[str, float]:
        """Frame accuracy where nothing sounds and nothing is said to: 1."""
        return {} if sums.totals["sounding"] else {"frame_acc": 1.0}
