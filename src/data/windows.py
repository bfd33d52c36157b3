"""Stacked series, and the forecasting windows cut from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from src.data.batches import Batch, Units


@dataclass(frozen=True)
class Series:
    """Series in their own units, stacked along the rows, before anything is fitted on them."""

    values: np.ndarray  # (rows, features), float64
    lengths: np.ndarray  # (series,) rows of each
    splits: np.ndarray  # (rows,) 0 train, 1 validation, 2 test, 3 unused; nondecreasing within a series
    features: Sequence[str]  # the names of the columns
    targets: Sequence[str]  # the names of the columns to forecast, all among the features
    names: Sequence[str] = ()  # of the series; if empty, they are numbered
    known: Sequence[str] = ()  # features known in advance, none of them a target
    static: np.ndarray | None = None  # (series, values) standardised: further inputs at every step of a series


class WindowSplit:
    """Windows into one array of rows, cut out on demand, so that nothing is stored twice.

    >>> rows = torch.arange(10.)[:, None]
    >>> split = WindowSplit(rows, rows, torch.tensor([0, 3]), lookback=4, horizon=2)
    >>> split[torch.tensor([1])].x.flatten().tolist(), split[torch.tensor([1])].y.flatten().tolist()
    ([3.0, 4.0, 5.0, 6.0], [7.0, 8.0])

    ``values`` (rows, features) and ``targets`` (rows, targets) are those of all series, stacked. The window that
    begins at one of the ``starts`` (windows,) reads ``x = values[start : start + lookback]`` and forecasts
    ``y = targets[start + lookback : start + lookback + horizon]``. With several series, ``series`` (windows,) is the
    series of each window, and ``units`` holds (series, ...) scales for the batches. A window also has the ``known``
    columns of ``values`` in the rows that it forecasts.
    """

    def __init__(
        self,
        values: Tensor,
        targets: Tensor,
        starts: Tensor,
        *,
        lookback: int,
        horizon: int,
        series: Tensor | None = None,
        units: Units | None = None,
        known: Sequence[int] = (),
    ) -> None:
        self.known = list(known)
        self.values, self.targets, self.starts = values, targets, starts
        self.lookback, self.horizon = lookback, horizon
        self.series = torch.zeros(len(starts), dtype=torch.int64) if series is None else series
        self.units = units
        self.lengths = torch.full((len(starts),), lookback)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Tensor) -> Batch:
        rows = torch.as_tensor(rows)
        begin = self.starts[rows][:, None]
        x = self.values[begin + torch.arange(self.lookback)]
        ahead = begin + self.lookback + torch.arange(self.horizon)
        units = self.units and Units(*(of_series[self.series[rows]] for of_series in self.units))
        known = self.values[ahead][..., self.known] if self.known else None
        return Batch(x, self.targets[ahead], self.lengths[rows], rows, units=units, known=known)


def window_starts(lengths: np.ndarray, splits: np.ndarray, split: int, lookback: int, horizon: int) -> np.ndarray:
    """Return the first rows of all windows within one series whose forecast rows are all in one split.

    The rows read may be in an earlier split: the first validation forecast looks back into training rows, so that
    every validation row is forecast.

    Args:
        lengths: (series,) rows of each series, in order.
        splits: (rows,) nondecreasing whole numbers within each series, e.g. 0 train, 1 validation, 2 test.

    Returns:
        (windows,) whole numbers, ascending.
    """
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.arange(len(splits) - lookback - horizon + 1)
    first, last = starts + lookback, starts + lookback + horizon - 1
    inside = last < ends[: len(starts)]
    return starts[inside & (splits[first] == split) & (splits[last] == split)]


def apart(lengths: np.ndarray, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Iterate over the rows of each series, for arrays in which series of these lengths are stacked."""
    borders = np.cumsum(lengths)[:-1]
    return zip(*(np.split(array, borders) for array in arrays), strict=True)
