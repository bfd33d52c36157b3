"""What a task says of a batch, and what is kept of that: sums over a split, and one line for every sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
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


def at_least_float32(said: Tensor) -> Tensor:
    """What a head says, in float32 where autocast has it in less: targets are not to be rounded to that."""
    return said.float() if said.dtype in (torch.bfloat16, torch.float16) else said


class PooledSums:
    """Sums over all predictions of a split, in float64, over batches and processes.

    Of ``loss``, ``count`` and what the metrics, and the ``neutral`` ones beside them, are ratios of.

    Attributes:
        totals: by name, up to the last :meth:`gather`.
    """

    def __init__(self, metrics: Iterable[Metric] = (), neutral: Iterable[tuple[str, str]] = ()) -> None:
        ratios = [*((m.numerator, m.denominator) for m in metrics), *neutral]
        columns = ("loss", "count", *(name for ratio in ratios for name in ratio if name))
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


class SequenceTable:
    """Rows, loss sums, counts and predictions of a split, collected batch by batch."""

    def __init__(self) -> None:
        self._batches: dict[str, list[Tensor]] = {}
        self._summed: set[str] = set()

    def add(self, rows: Tensor, losses: Losses) -> None:
        """Take a batch; the same row again (a sequence in several chunks) adds to its sums."""
        sums = {"loss": losses.loss, "count": losses.count, **losses.sums}
        self._summed |= sums.keys()
        columns = {"row": rows, "prediction": losses.prediction, "target": losses.target}  # numpy has no bfloat16
        for name, column in (columns | {name: value.double() for name, value in sums.items()}).items():
            if column is not None:
                self._batches.setdefault(name, []).append(
                    at_least_float32(column.detach())
                )  # on its device: to fetch it is to wait

    def columns(self) -> dict[str, np.ndarray]:
        """Arrays by name, sorted by ``row``, one entry per sequence.

        ``loss`` is the sequence's summed loss, ``count`` the number of its predictions, beside the task's further sums;
        ``prediction`` and ``target`` stand there where the task has one per sequence.
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
        """The loss per prediction over all sequences but ``rows``."""
        columns = self.columns()
        kept = ~np.isin(columns["row"], rows)
        return float(columns["loss"][kept].sum() / columns["count"][kept].sum())
