"""The next rows of a series from those seen: all at once, or one after the other."""

from __future__ import annotations

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
from src.tasks.losses import Losses
from src.tasks.metrics import ERRORS, MASE, OVER_SERIES, Metric


class Forecasting(Task):
    """Squared error of forecasts: ``mse``, ``mae``, ``mse_unit``, ``mae_unit`` and ``mase``.

    All are means over windows, rows ahead and targets. ``mse`` and ``mae`` are on standardised values; those called
    ``unit`` in the targets' own units; ``mase`` divides each target's absolute error by that of the one-step naive
    forecast on the training rows (Hyndman and Koehler 2006), targets that never change there left out. Where there are
    several series, each has its own denominators, and ``mse_series``, ``mae_series`` and ``mase_series`` are means over
    series of each one's mean, as in the M competitions.

    Two strategies (Ben Taieb et al. 2012):

    - ``direct``: one linear map from the network's state after the window to all rows of the horizon.
    - ``recursive``: a linear map at every step to the next row, trained on the next row of every step (``train/`` then
      counts those one-step errors); a forecast feeds the last prediction back with the carried state. What is read and
      what is forecast must be the same columns, and the network one-directional.

    Args:
        relative: the head's output is added to the last row read, and starts at zero, where it makes the naive
            forecast; the direct strategy also reads each target relative to the window's last row (as NLinear does,
            Zeng et al. 2023), which keeps a change of level between training and test out of the network.

    Raises:
        UserError: when the data have no horizon, or the strategy does not fit data or network.
    """

    metrics_declared: tuple[Metric, ...] = (*ERRORS, MASE)
    scale: Tensor
    mase_weight: Tensor
    columns: Tensor

    def __init__(self, *, strategy: str = "direct", relative: bool = True, **keywords: Any) -> None:
        description = keywords["description"]
        output = description.output
        if not isinstance(output, Horizon):
            raise UserError(
                "task=forecasting needs data with a horizon, as data=ett_h1 or data=csv have; this has none."
            )
        self.closed = output.columns == tuple(range(description.input.size))
        if strategy == "recursive" and not self.closed:
            raise UserError(
                "task.strategy=recursive feeds forecasts back, so that what is read must be what is forecast, in the "
                "same order: leave data.target out, or give data.features the targets only, or take "
                "task.strategy=direct."
            )
        if relative and not output.columns:
            raise UserError("task.relative=true needs the targets among what is read; take task.relative=false.")
        if output.series > 1:
            self.metrics_declared = (*ERRORS, replace(MASE, denominator="scaled_count"), *OVER_SERIES)
        if not any(error > 0 for error in output.naive_error or ()):
            self.metrics_declared = tuple(m for m in self.metrics_declared if not m.name.startswith(MASE.name))
        super().__init__(**keywords | {"description": replace(description, causal=strategy == "recursive")})
        self.strategy, self.relative, self.horizon, self.targets = strategy, relative, output.steps, output.size
        rows = output.steps if strategy == "direct" else 1
        self.head = nn.Linear(self.network.output_size, rows * output.size)
        if relative:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        weight = mase_weight(torch.tensor(output.naive_error or [0.0] * output.size))
        self.register_buffer("scale", torch.tensor(output.scale or [1.0] * output.size), persistent=False)
        self.register_buffer("mase_weight", weight, persistent=False)
        self.register_buffer("columns", torch.tensor(output.columns, dtype=torch.int64), persistent=False)

    # ---------------------------------------------------------------------------------------------------- forecasts

    def forward(self, batch: Batch) -> Tensor:
        """Forecasts of the horizon, (batch, steps, targets), standardised."""
        return self.predict_future(batch.x, self.horizon)

    def predict_future(self, x: Tensor, steps_ahead: int) -> Tensor:
        """Forecast any number of rows from the last prediction and the carried state; nothing is read twice.

        From (batch, time, features) to (batch, steps_ahead, targets), both standardised. The recursive strategy makes
        one row at a time, the direct one as many as its horizon has.

        Raises:
            UserError: when more rows are asked for than a direct forecast has and it cannot be fed back.
        """
        if steps_ahead < 1:
            raise UserError(f"steps_ahead must be a whole number of at least 1, got {steps_ahead}.")
        if self.strategy == "recursive":
            return self._recursively(x, steps_ahead)
        directions = getattr(self.network, "num_directions", 1)
        if steps_ahead > self.horizon:
            more = f"{steps_ahead} rows are more than the {self.horizon} of data.horizon, and this forecast cannot be"
            if not self.closed:
                raise UserError(f"{more} fed back: other columns are read than are forecast.")
            if directions > 1:
                raise UserError(f"{more} fed back: a bidirectional network has no state that could be carried on.")
        # What forecasts are relative to; 0 for columns that are not forecast.
        forecast = (torch.arange(x.shape[-1], device=x.device)[:, None] == self.columns).any(1)
        level = x[:, -1:].where(forecast, 0.0) if self.relative else torch.zeros_like(x[:, -1:])
        blocks: list[Tensor] = []
        block, state = x, None
        while len(blocks) * self.horizon < steps_ahead:
            output, state = self.network(block - level, state)
            last = last_valid(output, torch.full((x.shape[0],), output.shape[1]), directions)
            block = (
                self.head(self.dropout(last)).view(x.shape[0], self.horizon, self.targets) + level[..., self.columns]
            )
            blocks.append(block)
        return torch.cat(blocks, 1)[:, :steps_ahead]

    def _recursively(self, x: Tensor, steps_ahead: int) -> Tensor:
        output, state = self.network(x)
        rows = [self._next_rows(x[:, -1:], output[:, -1:])]
        for _ in range(steps_ahead - 1):
            output, state = self.network(rows[-1], state)
            rows.append(self._next_rows(rows[-1], output))
        return torch.cat(rows, 1)

    def _next_rows(self, x: Tensor, output: Tensor) -> Tensor:
        """The row after each step: (batch, time, features) from what was read and the network's output there."""
        change = self.head(self.dropout(output))
        return x + change if self.relative else change

    # ------------------------------------------------------------------------------------------------------- losses

    def losses(self, batch: Batch) -> Losses:
        """Squared error per window; in training the recursive strategy's is that of the next row at every step."""
        if self.training and self.strategy == "recursive":
            rows = torch.cat([batch.x, batch.y], 1)
            output, _ = self.network(rows[:, :-1])
            return self._compare(self._next_rows(rows[:, :-1], output), rows[:, 1:], batch.units)
        return self._compare(self(batch), batch.y, batch.units)

    def _compare(self, forecast: Tensor, true: Tensor, units: Units | None) -> Losses:
        off = forecast - true
        squared, absolute = off.square().sum(1), off.abs().sum(1)
        scale = self.scale if units is None else units.scale
        weight = self.mase_weight if units is None else mase_weight(units.naive_error)
        sums = {
            "absolute": absolute.sum(1),
            "squared_unit": (squared * scale**2).sum(1),
            "absolute_unit": (absolute * scale).sum(1),
            "scaled": (absolute * weight).sum(1),
        }
        loss = squared.sum(1)
        count = torch.full_like(loss, off.shape[1] * off.shape[2])
        if units is not None:
            sums["scaled_count"] = count * (weight > 0).any(1)
            of_all = {"loss": loss, "count": count, **sums}
            named = [name for m in OVER_SERIES for name in (m.numerator, m.denominator) if name]
            sums |= {name: of_all[name.removesuffix("_series")] * units.share[:, 0] for name in named}
        return Losses(loss, count, sums=sums)
