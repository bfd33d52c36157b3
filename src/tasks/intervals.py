"""Prediction intervals of forecasts: heads and their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from src.tasks.losses import at_least_float32
from src.tasks.metrics import NLL_PER_VALUE, PINBALL, Metric

COVERAGE = (0.8, 0.95)
MIN_LOG_SCALE = -7.0  # lower bound of the log standard deviation: keeps the density of a constant series finite
Bands = dict[float, tuple[Tensor, Tensor]]  # lower and upper bounds by coverage


def percent(coverage: float) -> str:
    """Format a coverage for column names such as ``load-lo-80``.

    >>> percent(0.8), percent(0.995)
    ('80', '99.5')
    """
    return f"{100 * coverage:.10g}"


def quantile_levels(coverage: Sequence[float]) -> tuple[float, ...]:
    """Return the levels of the bounds of central intervals and of the median, ascending.

    >>> quantile_levels((0.8, 0.5))
    (0.1, 0.25, 0.5, 0.75, 0.9)
    """
    lower = sorted({round((1 - c) / 2, 12) for c in coverage})
    return (*lower, 0.5, *(round(1 - level, 12) for level in reversed(lower)))


def pinball(quantiles: Tensor, true: Tensor, levels: Tensor) -> Tensor:
    """Return the mean pinball loss of quantiles (..., levels) for ``true`` (...) (Koenker, Bassett 1978)."""
    off = true[..., None] - quantiles
    return torch.maximum(levels * off, (levels - 1) * off).mean(-1)


def interval_score(lower: Tensor, upper: Tensor, true: Tensor, coverage: float) -> Tensor:
    """Return the width plus 2 / (1 - coverage) times the distance outside (Gneiting and Raftery 2007, section 6.2)."""
    outside = (lower - true).clamp_min(0) + (true - upper).clamp_min(0)
    return upper - lower + 2 / (1 - coverage) * outside


class Point(nn.Module):
    """A head with one number per value and no interval. All shapes are (..., numbers)."""

    size: ClassVar[int | None] = 1  # numbers per value
    metric: ClassVar[Metric | None] = None  # of the training loss, unless it is the squared error

    level_values: Tensor  # on the task's device, to avoid synchronising a GPU
    deviates: Tensor  # of the standard normal density

    def __init__(self, coverage: Sequence[float] = ()) -> None:
        super().__init__()
        self.coverage = tuple(sorted(coverage))
        self.levels = quantile_levels(self.coverage)
        self.register_buffer("level_values", torch.tensor(self.levels), persistent=False)
        deviates = [NormalDist().inv_cdf(level) for level in self.levels]
        self.register_buffer("deviates", torch.tensor(deviates), persistent=False)
        self.numbers = self.size or len(self.levels)

    def arrange(self, said: Tensor, level: Tensor) -> Tensor:
        """Convert the head's output to parameters, in which values relative to ``level`` (...) become absolute."""
        return said + level[..., None]

    def point(self, said: Tensor) -> Tensor:
        """Return the point forecast, (...)."""
        return said[..., 0]

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """Return the training loss of each value, (...)."""
        return (self.point(said) - true).square()

    def quantiles(self, said: Tensor) -> Tensor:
        """Return the quantiles at :attr:`levels`, (..., levels)."""
        raise NotImplementedError

    def bands(self, said: Tensor) -> Bands:
        """Return the central intervals."""
        if not self.coverage:
            return {}
        quantiles, number = self.quantiles(said), len(self.coverage)
        return {  # the median is between them
            c: (quantiles[..., number - 1 - k], quantiles[..., number + 1 + k]) for k, c in enumerate(self.coverage)
        }


class Gaussian(Point):
    """A normal density for each value: its mean, the point forecast, and its log standard deviation."""

    size, metric = 2, NLL_PER_VALUE

    def arrange(self, said: Tensor, level: Tensor) -> Tensor:
        """Bound the standard deviation from below, smoothly."""
        mean, scale = at_least_float32(said).unbind(-1)
        return torch.stack([mean + level, MIN_LOG_SCALE + F.softplus(scale - MIN_LOG_SCALE)], -1)

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """Return the negative log density in nats, for standardised values."""
        mean, log_scale = said.unbind(-1)
        return 0.5 * ((true - mean) * torch.exp(-log_scale)).square() + log_scale + 0.5 * math.log(2 * math.pi)

    def quantiles(self, said: Tensor) -> Tensor:
        """Return quantiles of the normal density."""
        return said[..., :1] + said[..., 1:].exp() * self.deviates


class Quantiles(Point):
    """Quantiles, trained with the pinball loss; the median is the point forecast.

    They cannot cross, because outputs are sorted, which never increases the pinball loss (Chernozhukov, Fernandez-Val
    and Galichon 2010). Each remains a linear map of the state with its own gradients, while cumulative softplus
    increments would tie the outer quantiles to all inner ones. A head of zeros yields those of a normal density around
    the last row with standard deviation 1.
    """

    size, metric = None, PINBALL

    def arrange(self, said: Tensor, level: Tensor) -> Tensor:
        """Sorted."""
        return super().arrange(said + self.deviates, level).sort(-1).values

    def point(self, said: Tensor) -> Tensor:
        """Return the median."""
        return said[..., len(self.levels) // 2]

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """Return the mean loss over levels."""
        return pinball(said, true, self.level_values)

    def quantiles(self, said: Tensor) -> Tensor:
        """Return the output unchanged."""
        return said


KINDS: dict[str | None, type[Point]] = {None: Point, "gaussian": Gaussian, "quantiles": Quantiles}


def interval_sums(found: Bands, true: Tensor, scale: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Return sums over targets, (batch, rows), for interval metrics: coverage, width, interval score.

    Args:
        found: bounds of intervals, (batch, rows, targets) standardised, like ``true``.
        scale: (targets,) or (batch, targets) factors from standardised differences to original units.
        weight: weights of absolute errors in MASE, likewise.
    """
    sums = {}
    scale, weight = (of if of.dim() == 1 else of[:, None] for of in (scale, weight))
    for coverage, (lower, upper) in found.items():
        name, score = percent(coverage), interval_score(lower, upper, true, coverage)
        sums[f"covered_{name}"] = ((lower <= true) & (true <= upper)).sum(-1).to(true.dtype)
        sums[f"width_{name}"] = ((upper - lower) * scale).sum(-1)
        sums[f"interval_score_{name}"] = (score * weight).sum(-1)
    return sums


def interval_metrics(head: Point, scaled: Metric | None) -> tuple[Metric, ...]:
    """Return the proper scores of a head's intervals: ``pinball`` and, with MASE (``scaled``), ``msis_80``, ..."""
    if not head.coverage:
        return ()
    of_levels = [(f"msis_{name}", f"interval_score_{name}") for name in map(percent, head.coverage)]
    return (PINBALL, *(Metric(name, "min", "", column, scaled.denominator) for name, column in of_levels if scaled))


def neutral_metrics(head: Point) -> dict[str, tuple[str, str]]:
    """Return sums by name of ratios without a better direction: ``coverage_80`` and ``width_80_unit``."""
    named = [(percent(coverage), "count") for coverage in head.coverage]
    covered = {f"coverage_{name}": (f"covered_{name}", count) for name, count in named}
    return covered | {f"width_{name}_unit": (f"width_{name}", count) for name, count in named}
