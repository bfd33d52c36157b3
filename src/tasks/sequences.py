"""One line for every sequence of a split: what the run record keeps beside the means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from src.tasks.losses import Losses


class SequenceTable:
    """Rows, loss sums, counts and predictions of a split, collected batch by batch."""

    def __init__(self) -> None:
        self._batches: dict[str, list[Tensor]] = {}
        self._summed: set[str] = set()

    def add(self, rows: Tensor, losses: Losses) -> None:
        """Take a batch; the same row again (a sequence in several chunks) adds to its sums."""
        sums = {"loss": losses.loss, "count": losses.count, **losses.sums}
        self._summed |= sums.keys()
        columns = {"row": rows, "prediction": losses.prediction, "target": losses.target}
        for name, column in (columns | {name: value.double() for name, value in sums.items()}).items():
            if column is not None:
                self._batches.setdefault(name, []).append(column.detach().cpu())

    def columns(self) -> dict[str, np.ndarray]:
        """Arrays by name, sorted by ``row``, one entry per sequence.

        ``loss`` is the sequence's summed loss, ``count`` the number of its predictions, beside the task's further sums;
        ``prediction`` and ``target`` stand there where the task has one per sequence.
        """
        columns = {name: torch.cat(values) for name, values in self._batches.items()}
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
