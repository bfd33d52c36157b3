"""What a task says of a batch, and the sums over a split that its metrics are ratios of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from src.tasks.metrics import Metric


@dataclass(frozen=True)
class Losses:
    """What a task says of a batch: sums over the steps of each sequence, (batch,), padding never counted."""

    loss: Tensor  # in nats (or squared units)
    count: Tensor  # how many predictions the sum is over
    prediction: Tensor | None = None  # one number (or a row of numbers) per sequence where the task has one
    target: Tensor | None = None  # what the prediction is compared with
    sums: dict[str, Tensor] = field(default_factory=dict)  # further ones, those of which metrics are ratios among them


class PooledSums:
    """Sums over all predictions of a split, in float64, over batches and processes.

    Args:
        metrics: whose numerators and denominators are summed, beside ``loss`` and ``count``.

    Attributes:
        totals: by name, up to the last :meth:`gather`.
    """

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        columns = ("loss", "count", *(name for m in metrics for name in (m.numerator, m.denominator) if name))
        self.names = tuple(dict.fromkeys(columns))
        self.reset()

    def reset(self) -> None:
        """Start again at nothing."""
        self._batches: list[Tensor] = []
        self.totals = dict.fromkeys(self.names, 0.0)

    def add(self, losses: Losses) -> None:
        """Count a batch (kept on its device until it is asked for, so that a GPU need not wait)."""
        columns = {"loss": losses.loss, "count": losses.count, **losses.sums}
        self._batches.append(torch.stack([columns[name].detach().double().sum() for name in self.names]))

    def gather(self) -> None:
        """Add up what was counted, over all processes."""
        totals = torch.tensor(list(self.totals.values()), dtype=torch.float64)
        if self._batches:
            totals += torch.stack(self._batches).sum(0).cpu()
        self._batches = []
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
            totals = totals.to("cuda" if distributed.get_backend() == "nccl" else "cpu")
            distributed.all_reduce(totals)
        self.totals = dict(zip(self.names, totals.tolist(), strict=True))

    @property
    def mean(self) -> float:
        """Loss per prediction."""
        return self.totals["loss"] / self.totals["count"]

    def ratio(self, metric: Metric) -> float | None:
        """The metric's value; None where it is no ratio of sums, or its denominator is 0."""
        if metric.numerator is None or metric.denominator is None or not self.totals[metric.denominator]:
            return None
        return metric.factor * (self.totals[metric.numerator] / self.totals[metric.denominator])
