"""Forecast the next rows of a series: all at once or one after the other, as points or intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.data.batches import Batch, Units
from src.data.describe import Horizon
from src.data.naive import mase_weight
from src.recurrent import last_valid
from src.tasks.base import Task
from src.tasks.intervals import COVERAGE, KINDS, Point, interval_metrics, interval_sums, neutral_metrics, pinball
from src.tasks.losses import Losses
from src.tasks.metrics import ERRORS, MASE, NLL_PER_VALUE, OVER_SERIES, PINBALL, Metric


class Forecasting(Task):
    """Squared error of forecasts: ``mse``, ``mae``, ``mse_unit``, ``mae_unit`` and ``mase``.

    All are means over windows, rows ahead and targets. ``mse`` and ``mae`` refer to standardised values, the ``unit``
    variants to the targets' own units; ``mase`` divides each target's absolute error by that of the one-step naive
    forecast on the training rows (Hyndman and Koehler 2006), omitting targets that never change there. With several
    series, each has its own denominators, and ``mse_series``, ``mae_series`` and ``mase_series`` are means over series
    of each one's mean, as in the M competitions.

    Two strategies (Ben Taieb et al. 2012):

    - ``direct``: one linear map from the network's state after the window to all rows of the horizon.
    - ``recursive``: a linear map at every step to the next row, trained on the next row of every step (``train/``
      metrics are those one-step errors); forecasts feed the last prediction back with the carried state. Inputs and
      targets must be the same columns, and the network unidirectional.

    The head of the direct strategy also reads columns known in advance (``data.known``) over the whole horizon, through
    one linear map together with the state.

    With ``intervals`` the loss is ``nll`` (in nats per standardised value) of a normal density, or ``pinball``, the
    mean pinball loss of the quantiles, and the point forecast is the mean or the median. Further metrics by coverage
    are ``msis_80`` (the interval score over MASE's denominators, which in the M4 competition are seasonal),
    ``coverage_80``, the fraction of values inside, and ``width_80_unit``.

    Args:
        relative: add the head's output, which starts at zero, to the last row read, so that training starts from the
            naive forecast; the direct strategy also reads each target relative to the window's last row (like NLinear,
            Zeng et al. 2023), which makes the network insensitive to level shifts between training and test.
        intervals: ``gaussian``, ``quantiles`` or None (:mod:`src.tasks.intervals`).
        coverage: of the central intervals; None: 0.8 and 0.95.

    Raises:
        UserError: the data have no horizon, or the strategy does not suit data or network.
    """

    metrics_declared: tuple[Metric, ...] = (*ERRORS, MASE, *OVER_SERIES, PINBALL, NLL_PER_VALUE)
    horizon: int
    scale: Tensor
    mase_weight: Tensor
    columns: Tensor

    def __init__(
        self,
        *,
        strategy: str = "direct",
        relative: bool = True,
        intervals: str | None = None,
        coverage: Sequence[float] | None = None,
        **keywords: Any,
    ) -> None:
        description = keywords["description"]
        output = description.output
        if not isinstance(output, Horizon):
            raise UserError("task=forecasting needs data with a horizon, such as data=ett_h1 or data=csv.")
        self.closed = output.columns == tuple(range(description.input.size))
        if strategy == "recursive" and not self.closed:
            raise UserError(
                "task.strategy=recursive feeds forecasts back, so inputs and targets must be the same columns in the "
                "same order: drop data.target, or give data.features the targets only, or use "
                "task.strategy=direct."
            )
        if relative and not output.columns:
            raise UserError("task.relative=true needs the targets among the inputs: use task.relative=false.")
        for asked, which in (("task.intervals", intervals), ("data.known", output.known)):
            if which and strategy == "recursive":
                raise UserError(f"{asked} needs forecasts made at once: use task.strategy=direct.")
        density = KINDS[intervals](coverage or COVERAGE if intervals else ())
        self.metrics_declared, self.neutral = measured_by(output, density), neutral_metrics(density)
        super().__init__(**keywords | {"description": replace(description, causal=strategy == "recursive")})
        self.density = density
        self.strategy, self.relative, self.horizon, self.targets = strategy, relative, output.steps, output.size
        rows = output.steps if strategy == "direct" else 1
        read = self.network.output_size + rows * len(output.known)
        self.head = nn.Linear(read, rows * output.size * self.density.numbers)
        if relative:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        weight = mase_weight(torch.tensor(output.naive_error or [0.0] * output.size))
        self.register_buffer("scale", torch.tensor(output.scale or [1.0] * output.size), persistent=False)
        self.register_buffer("mase_weight", weight, persistent=False)
        self.register_buffer("columns", torch.tensor(output.columns, dtype=torch.int64), persistent=False)

    # ---------------------------------------------------------------------------------------------------- forecasts

    def forward(self, batch: Batch) -> Tensor:
        """Return forecasts of the horizon, (batch, steps, targets), standardised."""
        return self.density.point(self.says(batch))

    def says(self, batch: Batch) -> Tensor:
        """Return the head's output for the horizon, (batch, steps, targets, numbers): see :attr:`density`."""
        return self._ahead(batch.x, self.horizon, batch.known)

    def predict_future(self, x: Tensor, steps_ahead: int, known: Tensor | None = None) -> Tensor:
        """Forecast any number of rows from the last prediction and the carried state, reading nothing twice.

        Maps (batch, time, features) to (batch, steps_ahead, targets), both standardised. The recursive strategy
        predicts one row at a time, the direct one its whole horizon at a time, for which it reads ``known`` (batch,
        horizon, columns known in advance) if there are any.

        Raises:
            UserError: more rows are requested than a direct forecast has, and it cannot be fed back.
        """
        if steps_ahead < 1:
            raise UserError(f"steps_ahead must be a whole number of at least 1, got {steps_ahead}.")
        return self.density.point(self._ahead(x, steps_ahead, known))

    def _ahead(self, x: Tensor, steps_ahead: int, known: Tensor | None) -> Tensor:
        if self.strategy == "recursive":
            return self._recursively(x, steps_ahead)[..., None]
        directions = getattr(self.network, "num_directions", 1)
        if steps_ahead > self.horizon:
            more = f"{steps_ahead} rows exceed data.horizon={self.horizon}, and this forecast cannot be"
            if not self.closed:
                raise UserError(f"{more} fed back, because its inputs and targets are different columns.")
            if directions > 1:
                raise UserError(f"{more} fed back, because a bidirectional network has no state to carry over.")
        # The level to which forecasts are relative; 0 for other columns.
        forecast = (torch.arange(x.shape[-1], device=x.device)[:, None] == self.columns).any(1)
        level = x[:, -1:].where(forecast, 0.0) if self.relative else torch.zeros_like(x[:, -1:])
        blocks: list[Tensor] = []
        block, state = x, None
        while len(blocks) * self.horizon < steps_ahead:
            output, state = self.network(block - level, state)
            last = self.dropout(last_valid(output, torch.full((x.shape[0],), output.shape[1]), directions))
            if known is not None:
                last = torch.cat([last, known.flatten(1)], 1)
            said = self.head(last).view(x.shape[0], self.horizon, self.targets, self.density.numbers)
            blocks.append(self.density.arrange(said, level[..., self.columns]))
            block = self.density.point(blocks[-1])
        return torch.cat(blocks, 1)[:, :steps_ahead]

    def _recursively(self, x: Tensor, steps_ahead: int) -> Tensor:
        output, state = self.network(x)
        rows = [self._next_rows(x[:, -1:], output[:, -1:])]
        for _ in range(steps_ahead - 1):
            output, state = self.network(rows[-1], state)
            rows.append(self._next_rows(rows[-1], output))
        return torch.cat(rows, 1)

    def _next_rows(self, x: Tensor, output: Tensor) -> Tensor:
        """Return the row after each step, (batch, time, features), from the input and the network's output."""
        change = self.head(self.dropout(output))
        return x + change if self.relative else change

    # ------------------------------------------------------------------------------------------------------- losses

    def losses(self, batch: Batch) -> Losses:
        """Return the head's loss per window; in training, the recursive strategy uses the next row at every step."""
        if self.training and self.strategy == "recursive":
            rows = torch.cat([batch.x, batch.y], 1)
            output, _ = self.network(rows[:, :-1])
            return self._compare(self._next_rows(rows[:, :-1], output)[..., None], rows[:, 1:], batch.units)
        return self._compare(self.says(batch), batch.y, batch.units)

    def units(self, units: Units | None) -> tuple[Tensor, Tensor]:
        """Return factors from errors to the unit of the data and to scaled errors, by window if they differ."""
        return (self.scale, self.mase_weight) if units is None else (units.scale, mase_weight(units.naive_error))

    def _of_intervals(self, said: Tensor, true: Tensor, scale: Tensor, weight: Tensor) -> dict[str, Tensor]:
        loss = pinball(self.density.quantiles(said), true, self.density.level_values)
        sums = {"pinball": loss.flatten(1).sum(1)}
        by_row = interval_sums(self.density.bands(said), true, scale, weight)
        return sums | {name: of_rows.sum(1) for name, of_rows in by_row.items()}

    def _compare(self, said: Tensor, true: Tensor, units: Units | None) -> Losses:
        off = self.density.point(said) - true
        squared, absolute = off.square().sum(1), off.abs().sum(1)
        scale, weight = self.units(units)
        sums = {
            "absolute": absolute.sum(1),
            "squared_unit": (squared * scale**2).sum(1),
            "absolute_unit": (absolute * scale).sum(1),
            "scaled": (absolute * weight).sum(1),
        }
        loss = squared.sum(1)
        if self.density.metric is not None:
            sums["squared"] = loss.detach()
            loss = self.density.loss(said, true).flatten(1).sum(1)
            sums |= self._of_intervals(said.detach(), true, scale, weight)
        count = torch.full_like(loss, off.shape[1] * off.shape[2])
        if units is not None:
            sums["scaled_count"] = count * (weight > 0).any(1)
            of_all = {"loss": loss, "count": count, **sums}
            named = [name for m in self.metrics_declared for name in (m.numerator, m.denominator) if name]
            over = [name for name in named if name.endswith("_series")]
            sums |= {name: of_all[name.removesuffix("_series")] * units.share[:, 0] for name in over}
        return Losses(loss, count, sums=sums)


def measured_by(output: Horizon, density: Point) -> tuple[Metric, ...]:
    """Return the metrics for data and head, the loss first."""
    loss, squared = density.metric, replace(ERRORS[0], numerator="squared")
    errors = ERRORS if loss is None else (squared, *ERRORS[1:])
    mase = replace(MASE, denominator="scaled_count") if output.series > 1 else MASE
    known = any(error > 0 for error in output.naive_error or ())
    metrics = (*errors, *((mase,) if known else ()), *interval_metrics(density, mase if known else None))
    if output.series > 1:
        over = OVER_SERIES if loss is None else (replace(OVER_SERIES[0], numerator="squared_series"), *OVER_SERIES[1:])
        metrics += tuple(m for m in over if known or m.name != "mase_series")
    return metrics if loss is None else (loss, *(m for m in metrics if m.name != loss.name))
