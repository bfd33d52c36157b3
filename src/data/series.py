"""Series to forecast: scaled on the training rows, cut into windows, with naive forecasts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from src.config.errors import UserError
from src.data.describe import Description, Features, Horizon
from src.data.download import File, Source, fetch
from src.data.module import SequenceData, checksum
from src.data.own.csv_table import read_table
from src.data.plain import kept
from src.data.windows import WindowSplit, window_starts

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Series:
    """Series in their own units, one below the other, before anything is fitted on them.

    Args:
        values: (rows, features), float64.
        lengths: (series,) rows of each series.
        parts: (rows,) 0 train, 1 validation, 2 test, 3 none of them; never falling within a series.
        features: the names of the columns.
        targets: the names of what is forecast, all among the features.
    """

    values: np.ndarray
    lengths: np.ndarray
    parts: np.ndarray
    features: Sequence[str]
    targets: Sequence[str]

    @property
    def columns(self) -> list[int]:
        """Where the targets stand among the features."""
        return [list(self.features).index(name) for name in self.targets]


@kept
@dataclass(frozen=True)
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

    def apply(self, rows: np.ndarray) -> torch.Tensor:
        """(rows, features) standardised, as float32."""
        return torch.from_numpy((rows - self.mean) / self.scale).float()


def forecasting(
    data: SequenceData, series: Series, *, lookback: int, horizon: int, season: int | None
) -> tuple[Description, Scaling]:
    """Fill a data module's splits and baselines with windows over series.

    Args:
        data: the data module; ``splits``, ``baselines`` and ``notes`` are set.
        series: the series.
        lookback: rows read by each window.
        horizon: rows forecast by each window.
        season: rows after which a season repeats, for the seasonal naive forecast; None: there is none.

    Raises:
        UserError: when a part of the data has no room for a single window.
    """
    train = series.values[series.parts == 0]
    if not len(train):
        raise UserError("No row is left to train on: data.splits must leave some rows for train.")
    scaling = Scaling.fit(train)
    values = scaling.apply(series.values)
    columns = series.columns
    targets = values if columns == list(range(values.shape[1])) else values[:, columns]
    for part, name in enumerate(PARTS):
        starts = window_starts(series.lengths, series.parts, part, lookback, horizon)
        if not len(starts):
            raise _no_room(series, part, lookback, horizon)
        data.splits[name] = WindowSplit(values, targets, torch.from_numpy(starts), lookback=lookback, horizon=horizon)
        data.notes[f"{name}_windows"] = len(starts)
    error = naive_error(targets.double().numpy(), series.lengths, series.parts)
    data.baselines = naive_forecasts(data.splits["test"], error, scaling.scale[columns], season)  # type: ignore[arg-type]
    output = Horizon(
        size=len(columns),
        names=tuple(series.targets),
        mean=tuple(scaling.mean[columns].tolist()),
        scale=tuple(scaling.scale[columns].tolist()),
        steps=horizon,
        columns=tuple(columns),
        naive_error=tuple(error.tolist()),
    )
    return Description(Features(values.shape[1]), output, per_step=False, varying_length=False, causal=False), scaling


def _no_room(series: Series, part: int, lookback: int, horizon: int) -> UserError:
    rows = int((series.parts == part).sum())
    if part and rows < horizon:
        return UserError(
            f"The {PARTS[part]} part has {rows} rows, too short for one forecast of data.horizon={horizon} rows: take "
            "a "
            f"shorter data.horizon or give the part more rows with data.splits."
        )
    return UserError(
        f"The {PARTS[part]} part has no room for a window: data.lookback={lookback} and data.horizon={horizon} need "
        f"{lookback + horizon} rows in one series, but {_longest(series, part)}; take a shorter data.lookback or "
        f"data.horizon, or change data.splits."
    )


def _longest(series: Series, part: int) -> str:
    pieces = np.split(series.parts, np.cumsum(series.lengths)[:-1])
    longest = max(int((piece <= part).sum()) for piece in pieces)
    return f"the longest has {longest} up to the end of that part"


# ----------------------------------------------------------------------------------------------------- naive forecasts


def naive_error(targets: np.ndarray, lengths: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring training rows: MASE's denominator (Hyndman and Koehler 2006, section 3).

    Over many series the differences of all are pooled; none is taken from one series to the next.

    Args:
        targets: (rows, targets).
        lengths: (series,) rows of each.
        parts: (rows,) 0 where a row is for training.

    Returns:
        (targets,); 0 for a target that never changes.
    """
    series = np.repeat(np.arange(len(lengths)), lengths)
    both = (parts[1:] == 0) & (parts[:-1] == 0) & (series[1:] == series[:-1])
    return np.abs(np.diff(targets, axis=0)[both]).mean(0) if both.any() else np.zeros(targets.shape[1])


def naive_forecasts(split: WindowSplit, error: np.ndarray, scale: np.ndarray, season: int | None) -> dict[str, float]:
    """What repeating the last row, or the last season, reaches on a split, by the metric names of forecasting."""
    ahead = torch.arange(split.horizon)
    repeats = {"naive": torch.full_like(ahead, split.lookback - 1)}
    if season is not None and split.lookback >= season:
        repeats["seasonal_naive"] = split.lookback - season + ahead % season
    found: dict[str, float] = {}
    for name, row in repeats.items():
        totals = np.zeros((2, split.targets.shape[1]))
        for starts in split.starts.split(4096):
            begin = starts[:, None]
            true = split.targets[begin + split.lookback + ahead].double()
            off = (split.targets[begin + row].double() - true).flatten(0, 1)
            totals += torch.stack([off.square().sum(0), off.abs().sum(0)]).numpy()
        squared, absolute = totals / (len(split) * split.horizon)
        known = error > 0
        found |= {
            f"{name}/mse": float(squared.mean()),
            f"{name}/mae": float(absolute.mean()),
            f"{name}/mse_unit": float((squared * scale**2).mean()),
            f"{name}/mae_unit": float((absolute * scale).mean()),
        }
        if known.any():
            found[f"{name}/mase"] = float((absolute[known] / error[known]).mean())
    return found


# ------------------------------------------------------------------------------------------------------- named series

_ROOT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"
_DIGESTS = {
    "ETTh1": "sha256:f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    "ETTh2": "sha256:a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
}


def _ett(name: str) -> Source:
    return Source(
        task="forecasting",
        size="17,420 hourly rows of 7 values",
        licence="CC BY-ND 4.0",
        page="https://github.com/zhouhaoyi/ETDataset",
        files=(File(f"ett/{name}.csv", f"{_ROOT}/{name}.csv", _DIGESTS[name]),),
    )


class ETT(SequenceData):
    """Hourly load and oil temperature of an electricity transformer (Zhou et al. 2021), as the literature cuts it.

    >>> # python -m src.train data=ett_h1 data.horizon=24

    Train, validation and test are rows 0-8639, 8640-11519 and 11520-14399 (12, 4 and 4 months of 30 days); the rows
    after them are never used.

    Args:
        name: ``ett_h1`` or ``ett_h2``.
        lookback: hours read.
        horizon: hours forecast.
        season: hours after which the day repeats, for the seasonal naive forecast.
        data_dir: the folder of all data sets.
        cache_dir: where it is remembered that the file was verified.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    sources: ClassVar[dict[str, Source]] = {"ett_h1": _ett("ETTh1"), "ett_h2": _ett("ETTh2")}
    rows = (8640, 2880, 2880)

    def __init__(
        self, *, name: str, lookback: int = 96, horizon: int = 96, season: int | None = 24, data_dir: str,
        cache_dir: str, **keywords: Any,
    ) -> None:  # fmt: skip
        super().__init__(**keywords)
        self.name, self.lookback, self.horizon, self.season = name, lookback, horizon, season
        self.data_dir, self.cache_dir = data_dir, cache_dir

    def read(self) -> Description:
        """Read the verified file and cut it."""
        if self.name not in self.sources:
            raise UserError(f"data.name={self.name} is no such series: it must be one of {', '.join(self.sources)}.")
        path = fetch(self.sources[self.name].files[0], self.data_dir, self.cache_dir)
        table = read_table(path)
        names = [name for name in table.names if name != "date"]
        values = table.numbers(names)[: sum(self.rows)]
        self.checksum = checksum(path.read_bytes())
        parts = np.repeat(np.arange(3), self.rows)
        series = Series(values, np.array([len(values)]), parts, names, names)
        description, _ = forecasting(self, series, lookback=self.lookback, horizon=self.horizon, season=self.season)
        return description
