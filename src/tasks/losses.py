"""Losses of a batch, their sums over a split, and one row for every sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from src.tasks.metrics import Metric


@dataclass(frozen=True)
class Losses:
    """The losses of a batch: sums over the steps of each sequence, (batch,), excluding padding."""

    loss: Tensor  # in nats (or squared units)
    count: Tensor  # number of predictions in the sum
    prediction: Tensor | None = None  # one number (or a row of numbers) per sequence, if the task has one
    target: Tensor | None = None  # target of the prediction
    sums: dict[str, Tensor] = field(default_factory=dict)  # further sums, including those for metrics


def at_least_float32(said: Tensor) -> Tensor:
    """Convert reduced-precision output of autocast to float32, so that targets are not rounded to it."""
    return said.float() if said.dtype in (torch.bfloat16, torch.float16) else said


class PooledSums:
    """Sums over all predictions of a split, in float64, over batches and processes.

    They include ``loss``, ``count`` and the sums for declared and ``neutral`` metrics.

    Attributes:
        totals: by name, as of the last :meth:`gather`.
    """

    def __init__(self, metrics: Iterable[Metric] = (), neutral: Iterable[tuple[str, str]] = ()) -> None:
        ratios = [*((m.numerator, m.denominator) for m in metrics), *neutral]
        columns = ("loss", "count", *(name for ratio in ratios for name in ratio if name))
        self.names = tuple(dict.fromkeys(columns))
        self.reset()

    def reset(self) -> None:
        """Reset all sums."""
        self._batches: list[Tensor] = []
        self.totals = dict.fromkeys(self.names, 0.0)

    def add(self, losses: Losses) -> None:
        """Add a batch (kept on its device until needed, to avoid synchronising a GPU)."""
        columns = {"loss": losses.loss, "count": losses.count, **losses.sums}
        self._batches.append(torch.stack([columns[name].detach().double().sum() for name in self.names]))

    def gather(self) -> None:
        """Sum over everything added, and over all processes."""
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
        """Return the loss per prediction."""
        return self.totals["loss"] / self.totals["count"]

    def ratio(self, metric: Metric) -> float | None:
        """Return the metric's value; None if it is not a ratio of sums, or its denominator is 0."""
        if metric.numerator is None or metric.denominator is None or not self.totals[metric.denominator]:
            return None
        return metric.factor * (self.totals[metric.numerator] / self.totals[metric.denominator])


class SequenceTable:
    """Row indices, loss sums, counts and predictions of a split, collected batch by batch."""

    def __init__(self) -> None:
        self._batches: dict[str, list[Tensor]] = {}
        self._summed: set[str] = set()

    def add(self, rows: Tensor, losses: Losses) -> None:
        """Add a batch; sums of the same row (a sequence in several chunks) are accumulated."""
        sums = {"loss": losses.loss, "count": losses.count, **losses.sums}
        self._summed |= sums.keys()
        columns = {"row": rows, "prediction": losses.prediction, "target": losses.target}  # numpy has no bfloat16
        for name, column in (columns | {name: value.double() for name, value in sums.items()}).items():
            if column is not None:
                self._batches.setdefault(name, []).append(
                    at_least_float32(column.detach())
                )  # kept on its device, because fetching synchronises

    def columns(self) -> dict[str, np.ndarray]:
        """Return arrays by name, sorted by ``row``, with one entry per sequence.

        ``loss`` is the sequence's summed loss and ``count`` its number of predictions, followed by the task's further
        sums; ``prediction`` and ``target`` are present if the task has one per sequence.
        """
        columns = {name: torch.cat(values).cpu() for name, values in self._batches.items()}
        rows, inverse = columns.pop("row").unique(return_inverse=True)
        out = {"row": rows.numpy()}
        for name in [n for n in columns if n in self._summed]:
            out[name] = torch.zeros(len(rows), dtype=torch.float64).index_add_(0, inverse, columns.pop(name)).numpy()
        first = torch.full((len(rows),), len(inverse), dtype=torch.int64)
        first = first.scatter_reduce(0, inverse, torch.arange(len(inverse)), "amin")
        return out | {name: value[first].numpy() for name, value in columns.items()}

    def mean_without(self, rows: Sequence[int]) -> float:
        """Return the loss per prediction over all sequences except ``rows``."""
        columns = self.columns()
        kept = ~np.isin(columns["row"], rows)
        return float(columns["loss"][kept].sum() / columns["count"][kept].sum())
