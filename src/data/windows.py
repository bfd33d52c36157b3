"""Windows over series: what was seen, and the rows that follow it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.data.batches import Batch


class WindowSplit:
    """Windows into one array of rows; each is cut out when a batch asks for it, so nothing is held twice.

    >>> rows = torch.arange(10.)[:, None]
    >>> split = WindowSplit(rows, rows, torch.tensor([0, 3]), lookback=4, horizon=2)
    >>> split[torch.tensor([1])].x.flatten().tolist(), split[torch.tensor([1])].y.flatten().tolist()
    ([3.0, 4.0, 5.0, 6.0], [7.0, 8.0])

    Args:
        values: (rows, features) of all series, one below the other.
        targets: (rows, targets), what is forecast.
        starts: (windows,) the first row of each window.
        lookback: rows that are read: ``x = values[start : start + lookback]``.
        horizon: rows that are forecast: ``y = targets[start + lookback : start + lookback + horizon]``.
    """

    def __init__(self, values: Tensor, targets: Tensor, starts: Tensor, *, lookback: int, horizon: int) -> None:
        self.values, self.targets, self.starts = values, targets, starts
        self.lookback, self.horizon = lookback, horizon
        self.lengths = torch.full((len(starts),), lookback)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Tensor) -> Batch:
        rows = torch.as_tensor(rows)
        begin = self.starts[rows][:, None]
        x = self.values[begin + torch.arange(self.lookback)]
        y = self.targets[begin + self.lookback + torch.arange(self.horizon)]
        return Batch(x, y, self.lengths[rows], rows)


def window_starts(lengths: np.ndarray, splits: np.ndarray, split: int, lookback: int, horizon: int) -> np.ndarray:
    """First rows of all windows whose forecast rows lie in one split and that stay inside one series.

    What is read may lie in an earlier split: the first forecast of the validation rows looks back into training rows,
    so that no validation row goes without a forecast.

    Args:
        lengths: (series,) rows of each series, in order.
        splits: (rows,) whole numbers that never fall within a series, e.g. 0 train, 1 validation, 2 test.
        split: which one.
        lookback, horizon: rows read and rows forecast.

    Returns:
        (windows,) whole numbers, rising.
    """
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.arange(len(splits) - lookback - horizon + 1)
    first, last = starts + lookback, starts + lookback + horizon - 1
    inside = last < ends[: len(starts)]
    return starts[inside & (splits[first] == split) & (splits[last] == split)]
