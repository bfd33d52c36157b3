"""What forecasts are measured by: the naive ones, which repeat the last row or season, and MASE's denominator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.data.windows import WindowSplit, apart


def naive_error(targets: np.ndarray, lengths: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring training rows: MASE's denominator (Hyndman and Koehler 2006, section 3).

    Of (rows, targets) in series of (series,) lengths, where ``splits`` (rows,) are 0 for training, it is (series,
    targets), 0 for one that never changes, or has no two neighbouring training rows.
    """
    errors = []
    for values, split_of in apart(lengths, targets, splits):
        both = (split_of[1:] == 0) & (split_of[:-1] == 0)
        errors.append(np.abs(np.diff(values, axis=0)[both]).mean(0) if both.any() else np.zeros(targets.shape[1]))
    return np.stack(errors)


def mase_weight(naive_error: Tensor) -> Tensor:
    """What absolute errors (..., targets) are multiplied with for MASE: the mean over targets whose error is known.

    That is one over the naive error, times all targets over the known ones; 0 for a target without one.
    """
    known = naive_error > 0
    return torch.where(known, known.shape[-1] / known.sum(-1, keepdim=True).clamp_min(1) / naive_error, 0.0)


def repeated_rows(season: np.ndarray, lookback: int, horizon: int) -> dict[str, Tensor]:
    """By naive forecast which row of a window of each series stands for each row ahead, (series, horizon).

    A series that has no season (0), or a longer one than is read, repeats its last row in the seasonal forecast too, as
    in the M4 competition (Makridakis et al. 2020); there is none where all do.
    """
    last = torch.full((len(season), horizon), lookback - 1)
    length = torch.from_numpy(season.copy())[:, None]
    usable = (length > 0) & (length <= lookback)
    seasonal = torch.where(usable, lookback - length + torch.arange(horizon) % length.clip(1), last)
    return {"naive": last} | ({"seasonal_naive": seasonal} if usable.any() else {})


def naive_forecasts(split: WindowSplit, error: np.ndarray, scale: np.ndarray, season: np.ndarray) -> dict[str, float]:
    """What repeating the last row, or the last season, reaches on a split, by the metric names of forecasting.

    Args:
        split: its windows, with their series.
        error: (series, targets) the denominators of MASE; 0: there is none.
        scale: (series, targets) a difference in its own unit = the standardised one * scale.
        season: (series,) rows in a season, 0 where there is none.
    """
    ahead, series = torch.arange(split.horizon), split.series.numpy()
    repeats = repeated_rows(season, split.lookback, split.horizon)
    scale, weight = scale[series], mase_weight(torch.from_numpy(error)).numpy()[series]
    known = (weight > 0).any(1)
    figures: dict[str, float] = {}
    for name, row in repeats.items():
        sums = []
        for starts, of in zip(split.starts.split(4096), split.series.split(4096), strict=True):
            begin = starts[:, None]
            true = split.targets[begin + split.lookback + ahead].double()
            off = split.targets[begin + row[of]].double() - true
            sums.append(torch.stack([off.square().mean(1), off.abs().mean(1)]))
        squared, absolute = torch.cat(sums, 1).numpy()
        by_window = {"mse": squared, "mae": absolute, "mse_unit": squared * scale**2, "mae_unit": absolute * scale}
        by_window |= {"mase": np.where(known[:, None], absolute * weight, np.nan)} if known.any() else {}
        for metric, values in ((metric, errors.mean(1)) for metric, errors in by_window.items()):
            figures[f"{name}/{metric}"] = float(np.nanmean(values))
            if len(season) > 1 and not metric.endswith("_unit"):
                figures[f"{name}/{metric}_series"] = _over_series(values, series)
    return figures


def _over_series(values: np.ndarray, series: np.ndarray) -> float:
    """The mean over series of the mean of each one's (windows,) values, those that are NaN left out."""
    there = ~np.isnan(values)
    sums, counts = (np.bincount(series[there], weights=w) for w in (values[there], None))
    return float((sums[counts > 0] / counts[counts > 0]).mean())
