"""Series to forecast: scaled on the training rows, cut into windows, with naive forecasts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch, FlatSplit
from src.data.describe import Description, Features, Horizon
from src.data.module import SequenceData
from src.data.plain import kept
from src.data.splits import SPLITS

PART = 1 << 18  # rows that are scaled together


@dataclass(frozen=True)
class Series:
    """Series in their own units, one below the other, before anything is fitted on them."""

    values: np.ndarray  # (rows, features), float64
    lengths: np.ndarray  # (series,) rows of each
    splits: np.ndarray  # (rows,) 0 train, 1 validation, 2 test, 3 none of them; never falling within a series
    features: Sequence[str]  # the names of the columns
    targets: Sequence[str]  # the names of what is forecast, all among the features


@kept
class Scaling:
    """What standardisation learned from training rows: (features,) mean and standard deviation (1 where it is 0)."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray) -> Scaling:
        """Mean and standard deviation (divided by n) of each column of (rows, features).

        Raises:
            UserError: when values are so large that their squares are no numbers.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            scale = rows.std(0)
        if not np.isfinite(scale).all():
            k = int(np.isfinite(scale).argmin())
            raise UserError(
                f"Column {k + 1} of the values reaches {np.abs(rows[:, k]).max():.3g}, too large to be standardised: "
                "give it in another unit."
            )
        return cls(rows.mean(0), np.where(scale > 1e-12 * np.abs(rows).max(0, initial=0), scale, 1.0))

    def apply(self, rows: np.ndarray) -> Tensor:
        """(rows, features) standardised, as float32."""
        out = torch.empty(rows.shape, dtype=torch.float32)
        for begin in range(0, len(rows), PART):  # what lies between takes twice the memory of the rows
            part = slice(begin, begin + PART)
            out[part] = torch.from_numpy((rows[part] - self.mean) / self.scale)
        return out


class WindowSplit:
    """Windows into one array of rows; each is cut out when a batch asks for it, so nothing is held twice.

    >>> rows = torch.arange(10.)[:, None]
    >>> split = WindowSplit(rows, rows, torch.tensor([0, 3]), lookback=4, horizon=2)
    >>> split[torch.tensor([1])].x.flatten().tolist(), split[torch.tensor([1])].y.flatten().tolist()
    ([3.0, 4.0, 5.0, 6.0], [7.0, 8.0])

    Of ``values`` (rows, features) and ``targets`` (rows, targets) of all series, one below the other, the window that
    begins at one of the ``starts`` (windows,) reads ``x = values[start : start + lookback]`` and forecasts
    ``y = targets[start + lookback : start + lookback + horizon]``.
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

    Returns:
        (windows,) whole numbers, rising.
    """
    ends = np.repeat(np.cumsum(lengths), lengths)
    starts = np.arange(len(splits) - lookback - horizon + 1)
    first, last = starts + lookback, starts + lookback + horizon - 1
    inside = last < ends[: len(starts)]
    return starts[inside & (splits[first] == split) & (splits[last] == split)]


class SeriesData(SequenceData):
    """A data set of series: ``lookback`` rows are read to forecast ``horizon`` more."""

    scaling: Scaling | None

    def __init__(self, *, lookback: int = 48, horizon: int = 24, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.lookback, self.horizon = lookback, horizon
        self._series: dict[str, np.ndarray] = {}  # of each window, by split, where there are windows

    def origins(self, name: str) -> dict[str, np.ndarray]:
        """For a window ``item`` is its first row, beside the number of its ``series``, ``lookback`` and ``horizon``."""
        origins = super().origins(name)
        if name in self._series:
            here = self._series[name]
            origins |= {"series": here}
            origins |= {"lookback": np.full_like(here, self.lookback), "horizon": np.full_like(here, self.horizon)}
        return origins

    def forecasting(self, series: Series, season: int | None) -> Description:
        """Fill splits, baselines and notes with windows over series, and set the scaling.

        After ``season`` rows a season repeats, for the seasonal naive forecast; None: there is none.

        Raises:
            UserError: when a split has no room for a single window.
        """
        train = series.values[series.splits == 0]
        if not len(train):
            raise UserError("No row is left to train on: data.splits must leave some rows for train.")
        self.scaling = scaling = Scaling.fit(train)
        values = scaling.apply(series.values)
        columns = [list(series.features).index(name) for name in series.targets]
        targets = values if columns == list(range(values.shape[1])) else values[:, columns]
        size = {"lookback": self.lookback, "horizon": self.horizon}
        for number, name in enumerate(SPLITS):
            starts = window_starts(series.lengths, series.splits, number, **size)
            if not len(starts):
                raise _no_room(series, number, **size)
            self.splits[name] = WindowSplit(values, targets, torch.from_numpy(starts), **size)
            self.items[name] = starts
            self._series[name] = np.searchsorted(np.cumsum(series.lengths), starts, side="right")
            self.notes[f"{name}_windows"] = len(starts)
        error = naive_error(targets.double().numpy(), series.lengths, series.splits)
        self.measure_baselines(lambda s: naive_forecasts(self.splits[s], error, scaling.scale[columns], season))  # type: ignore[arg-type]
        output = Horizon(
            size=len(columns),
            names=tuple(series.targets),
            mean=tuple(scaling.mean[columns].tolist()),
            scale=tuple(scaling.scale[columns].tolist()),
            steps=self.horizon,
            columns=tuple(columns),
            naive_error=tuple(error.tolist()),
        )
        return Description(Features(values.shape[1]), output, per_step=False, varying_length=False, causal=False)

    def last_rows(self, values: Tensor, ends: np.ndarray, output: Horizon) -> FlatSplit:
        """The rows of (rows, features), standardised, that a forecast reads at the end of each series.

        ``ends`` are (series,) the row behind the last one of each; the targets are zeros.
        """
        rows = torch.cat([values[end - self.lookback : end] for end in ends.tolist()])
        lengths = torch.full((len(ends),), self.lookback)
        return FlatSplit(rows, lengths, torch.zeros(len(ends), output.steps, output.size))


def _no_room(series: Series, split: int, lookback: int, horizon: int) -> UserError:
    name, rows = SPLITS[split], int((series.splits == split).sum())
    if split and rows < horizon:
        return UserError(
            f"The {name} split has {rows} rows, too short for one forecast of data.horizon={horizon} rows: take a "
            "shorter data.horizon or give the split more rows with data.splits."
        )
    longest = max(int((s <= split).sum()) for s in np.split(series.splits, np.cumsum(series.lengths)[:-1]))
    return UserError(
        f"The {name} split has no room for a window: data.lookback={lookback} and data.horizon={horizon} need "
        f"{lookback + horizon} rows in one series, but the longest has {longest} up to the end of that split; take a "
        "shorter data.lookback or data.horizon, or change data.splits."
    )


def naive_error(targets: np.ndarray, lengths: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring training rows: MASE's denominator (Hyndman and Koehler 2006, section 3).

    Of (rows, targets) in series of (series,) lengths, where ``splits`` (rows,) are 0 for training, it is (targets,), 0
    for one that never changes. The differences of all series are pooled; none is taken from one series to the next.
    """
    series = np.repeat(np.arange(len(lengths)), lengths)
    both = (splits[1:] == 0) & (splits[:-1] == 0) & (series[1:] == series[:-1])
    return np.abs(np.diff(targets, axis=0)[both]).mean(0) if both.any() else np.zeros(targets.shape[1])


def naive_forecasts(split: WindowSplit, error: np.ndarray, scale: np.ndarray, season: int | None) -> dict[str, float]:
    """What repeating the last row, or the last season, reaches on a split, by the metric names of forecasting."""
    ahead = torch.arange(split.horizon)
    repeats = {"naive": torch.full_like(ahead, split.lookback - 1)}
    if season is not None and split.lookback >= season:
        repeats["seasonal_naive"] = split.lookback - season + ahead % season
    figures: dict[str, float] = {}
    for name, row in repeats.items():
        totals = np.zeros((2, split.targets.shape[1]))
        for starts in split.starts.split(4096):
            begin = starts[:, None]
            true = split.targets[begin + split.lookback + ahead].double()
            off = (split.targets[begin + row].double() - true).flatten(0, 1)
            totals += torch.stack([off.square().sum(0), off.abs().sum(0)]).numpy()
        squared, absolute = totals / (len(split) * split.horizon)
        figures |= {
            f"{name}/mse": float(squared.mean()),
            f"{name}/mae": float(absolute.mean()),
            f"{name}/mse_unit": float((squared * scale**2).mean()),
            f"{name}/mae_unit": float((absolute * scale).mean()),
        }
        if (known := error > 0).any():
            figures[f"{name}/mase"] = float((absolute[known] / error[known]).mean())
    return figures
