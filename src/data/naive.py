"""Naive forecasts, which repeat the last row or season, and MASE's denominator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from src.data.windows import WindowSplit, apart


def naive_error(targets: np.ndarray, lengths: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Return the mean absolute difference of neighbouring training rows: MASE's denominator (Hyndman and Koehler 2006).

    For (rows, targets) in series of (series,) lengths, with ``splits`` (rows,) 0 for training, the result is (series,
    targets), and 0 for a target that never changes or has no two neighbouring training rows.
    """
    errors = []
    for values, split_of in apart(lengths, targets, splits):
        both = (split_of[1:] == 0) & (split_of[:-1] == 0)
        errors.append(np.abs(np.diff(values, axis=0)[both]).mean(0) if both.any() else np.zeros(targets.shape[1]))
    return np.stack(errors)


def mase_weight(naive_error: Tensor) -> Tensor:
    """Return the weights of absolute errors (..., targets) in MASE: the mean over targets with a known naive error.

    That is the inverse naive error times the ratio of all targets to known ones; 0 for a target without one.
    """
    known = naive_error > 0
    return torch.where(known, known.shape[-1] / known.sum(-1, keepdim=True).clamp_min(1) / naive_error, 0.0)


def repeated_rows(season: np.ndarray, lookback: int, horizon: int) -> dict[str, Tensor]:
    """Return, by naive forecast, which row of a window is repeated for each row ahead, (series, horizon).

    A series without a season (0), or with one longer than the lookback, repeats its last row in the seasonal forecast
    as well, as in the M4 competition (Makridakis et al. 2020). Without any season there is no seasonal forecast.
    """
    last = torch.full((len(season), horizon), lookback - 1)
    length = torch.from_numpy(season.copy())[:, None]
    usable = (length > 0) & (length <= lookback)
    seasonal = torch.where(usable, lookback - length + torch.arange(horizon) % length.clip(1), last)
    return {"naive": last} | ({"seasonal_naive": seasonal} if usable.any() else {})


def naive_forecasts(split: WindowSplit, error: np.ndarray, scale: np.ndarray, season: np.ndarray) -> dict[str, float]:
    """Return the results of repeating the last row or season on a split, by the metric names of forecasting.

    Args:
        split: the windows, with their series.
        error: (series, targets) the denominators of MASE; 0 if undefined.
        scale: (series, targets) factors from standardised differences to the original units.
        season: (series,) rows in a season, 0 if there is none.
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
    """Return the mean over series of each one's mean (windows,) value, ignoring NaN."""
    there = ~np.isnan(values)
    sums, counts = (np.bincount(series[there], weights=w) for w in (values[there], None))
    return float((sums[counts > 0] / counts[counts > 0]).mean())
