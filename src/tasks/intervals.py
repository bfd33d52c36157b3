"""Prediction intervals of forecasts: what a head says of a value, and the scores of that."""

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
MIN_LOG_SCALE = -7.0  # of ln(standard deviation): bounds the density where a series stands still, as in task=waveform
Bands = dict[float, tuple[Tensor, Tensor]]  # by coverage, the lower and the upper ends


def percent(coverage: float) -> str:
    """A coverage as columns are called by it, ``load-lo-80``.

    >>> percent(0.8), percent(0.995)
    ('80', '99.5')
    """
    return f"{100 * coverage:.10g}"


def quantile_levels(coverage: Sequence[float]) -> tuple[float, ...]:
    """The levels of the ends of central intervals, and of the median, rising.

    >>> quantile_levels((0.8, 0.5))
    (0.1, 0.25, 0.5, 0.75, 0.9)
    """
    lower = sorted({round((1 - c) / 2, 12) for c in coverage})
    return (*lower, 0.5, *(round(1 - level, 12) for level in reversed(lower)))


def pinball(quantiles: Tensor, true: Tensor, levels: Tensor) -> Tensor:
    """The pinball loss of quantiles (..., levels) of ``true`` (...), a mean over levels (Koenker and Bassett 1978)."""
    off = true[..., None] - quantiles
    return torch.maximum(levels * off, (levels - 1) * off).mean(-1)


def interval_score(lower: Tensor, upper: Tensor, true: Tensor, coverage: float) -> Tensor:
    """Width, and 2 / (1 - coverage) times what ``true`` lies outside (Gneiting and Raftery 2007, section 6.2)."""
    outside = (lower - true).clamp_min(0) + (true - upper).clamp_min(0)
    return upper - lower + 2 / (1 - coverage) * outside


class Point(nn.Module):
    """What a head says that gives one number for each value, and no interval. All shapes are (..., numbers)."""

    size: ClassVar[int | None] = 1  # numbers that the head gives for a value
    metric: ClassVar[Metric | None] = None  # of the training loss, where it is not the squared error

    level_values: Tensor  # where the task is, so that a GPU is not waited for
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
        """What the head says as what it means, in values relative to ``level`` (...) made absolute."""
        return said + level[..., None]

    def point(self, said: Tensor) -> Tensor:
        """The point forecast, (...)."""
        return said[..., 0]

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """The training loss of each value, (...)."""
        return (self.point(said) - true).square()

    def quantiles(self, said: Tensor) -> Tensor:
        """Those of :attr:`levels`, (..., levels)."""
        raise NotImplementedError

    def bands(self, said: Tensor) -> Bands:
        """The central intervals."""
        if not self.coverage:
            return {}
        quantiles, number = self.quantiles(said), len(self.coverage)
        return {  # the median stands between them
            c: (quantiles[..., number - 1 - k], quantiles[..., number + 1 + k]) for k, c in enumerate(self.coverage)
        }


class Gaussian(Point):
    """A normal density for each value: its mean, which is the point forecast, and ln(standard deviation)."""

    size, metric = 2, NLL_PER_VALUE

    def arrange(self, said: Tensor, level: Tensor) -> Tensor:
        """The deviation is bounded from below, smoothly."""
        mean, scale = at_least_float32(said).unbind(-1)
        return torch.stack([mean + level, MIN_LOG_SCALE + F.softplus(scale - MIN_LOG_SCALE)], -1)

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """The negative log-density in nats, of values as they are standardised."""
        mean, log_scale = said.unbind(-1)
        return 0.5 * ((true - mean) * torch.exp(-log_scale)).square() + log_scale + 0.5 * math.log(2 * math.pi)

    def quantiles(self, said: Tensor) -> Tensor:
        """Of the normal density."""
        return said[..., :1] + said[..., 1:].exp() * self.deviates


class Quantiles(Point):
    """The quantiles themselves, trained by the pinball loss; the median is the point forecast.

    They cannot cross, since what the head says is sorted: that never makes the pinball loss larger (Chernozhukov,
    Fernandez-Val and Galichon 2010), and each stays a linear map of the state with gradients of its own, where sums of
    increments through a softplus would tie the outer ones to all within. A head of zeros says those of a normal density
    around the last row, of deviation 1.
    """

    size, metric = None, PINBALL

    def arrange(self, said: Tensor, level: Tensor) -> Tensor:
        """Sorted."""
        return super().arrange(said + self.deviates, level).sort(-1).values

    def point(self, said: Tensor) -> Tensor:
        """The median."""
        return said[..., len(self.levels) // 2]

    def loss(self, said: Tensor, true: Tensor) -> Tensor:
        """A mean over levels."""
        return pinball(said, true, self.level_values)

    def quantiles(self, said: Tensor) -> Tensor:
        """As they are said."""
        return said


KINDS: dict[str | None, type[Point]] = {None: Point, "gaussian": Gaussian, "quantiles": Quantiles}


def interval_sums(found: Bands, true: Tensor, scale: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Sums over targets, (batch, rows), of what intervals are measured by: what is inside, width, interval score.

    Args:
        found: ends of intervals, (batch, rows, targets) standardised, as ``true`` is.
        scale: (targets,) or (batch, targets): a difference in its own unit = the standardised one * scale.
        weight: of absolute errors in MASE, likewise.
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
    """The proper scores of a head's intervals: ``pinball`` and, where there is a MASE (``scaled``), ``msis_80``, ..."""
    if not head.coverage:
        return ()
    of_levels = [(f"msis_{name}", f"interval_score_{name}") for name in map(percent, head.coverage)]
    return (PINBALL, *(Metric(name, "min", "", column, scaled.denominator) for name, column in of_levels if scaled))


def neutral_metrics(head: Point) -> dict[str, tuple[str, str]]:
    """By name the sums whose ratio is good neither small nor large: ``coverage_80`` and ``width_80_unit``."""
    named = [(percent(coverage), "count") for coverage in head.coverage]
    covered = {f"coverage_{name}": (f"covered_{name}", count) for name, count in named}
    return covered | {f"width_{name}_unit": (f"width_{name}", count) for name, count in named}
