"""Series to forecast: standardised on the training rows, cut into windows, with naive forecasts as baselines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError, counted
from src.data.batches import Units
from src.data.describe import Description, Features, Horizon
from src.data.module import SequenceData, checksum
from src.data.naive import naive_error, naive_forecasts
from src.data.scaling import Scaling, unlike
from src.data.splits import SPLITS
from src.data.windows import Series, WindowSplit, apart, window_starts

log = logging.getLogger(__name__)


class SeriesData(SequenceData):
    """A data set of series, of which ``lookback`` rows are read to forecast ``horizon`` more."""

    scaling: Scaling | None
    seasons: np.ndarray  # (series,) rows in a season, 0 if there is none

    def __init__(self, *, lookback: int = 48, horizon: int = 24, scale: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.lookback, self.horizon, self.scale = lookback, horizon, scale

    def origins(self, name: str) -> dict[str, np.ndarray]:
        """Return the origin of windows: ``item`` (first row), ``series`` (its number), ``lookback`` and ``horizon``."""
        origins = super().origins(name)
        if isinstance(split := self.splits[name], WindowSplit):
            here = split.series.numpy()
            origins |= {"series": here}
            origins |= {"lookback": np.full_like(here, self.lookback), "horizon": np.full_like(here, self.horizon)}
        return origins

    def forecasting(self, series: Series, season: int | np.ndarray | None) -> Description:
        """Fill splits, baselines and notes with windows over series, and set the scaling.

        ``season`` is the number of rows after which the seasonal naive forecast repeats, for each series (series,) or
        all of them; 0 or None without a season.

        Raises:
            UserError: a split is too short for a single window.
        """
        self.scaling = scaling = self._fit(series)
        self.seasons = np.broadcast_to(np.asarray(0 if season is None else season), len(series.lengths))
        if len(long := np.unique(self.seasons[self.seasons > self.lookback])):
            some = bool(((self.seasons > 0) & (self.seasons <= self.lookback)).any())
            rows = f"season of {' or '.join(str(k) for k in long)} rows is longer than data.lookback={self.lookback}"
            left = "repeats the last row there" if some else "is omitted"
            more = f"so seasonal_naive {left}; to repeat the season, it needs data.lookback={long[-1]} or more"
            self.notes["season"] = f"a {rows}, {more}"
            log.info("A %s, %s.", rows, more)
        values = beside(scaling.apply(series.values, series.lengths), series.static, series.lengths)
        columns = [list(series.features).index(name) for name in series.targets]
        known = tuple(list(series.features).index(name) for name in series.known)
        targets = values if columns == list(range(values.shape[1])) else values[:, columns]
        error = naive_error(targets.double().numpy(), series.lengths, series.splits)
        mean, scale = (np.broadcast_to(of[..., columns], error.shape) for of in (scaling.mean, scaling.scale))
        size = {"lookback": self.lookback, "horizon": self.horizon}
        for number, name in enumerate(SPLITS):
            starts = window_starts(series.lengths, series.splits, number, **size)
            if not len(starts):
                raise _no_room(series, number, **size)
            here = np.searchsorted(np.cumsum(series.lengths), starts, side="right")
            units = None
            if len(series.lengths) > 1:
                share = 1 / np.bincount(here, minlength=len(error)).clip(1)[:, None]
                units = Units(*(torch.from_numpy(of.copy()).float() for of in (mean, scale, error, share)))
            self.splits[name] = WindowSplit(
                values,
                targets,
                torch.from_numpy(starts),
                **size,
                series=torch.from_numpy(here),
                units=units,
                known=known,
            )
            self.items[name] = starts
            self.notes[f"{name}_windows"] = len(starts)
        self.measure_baselines(lambda s: naive_forecasts(self.splits[s], error, scale, self.seasons))  # type: ignore[arg-type]
        alike = scaling.alike
        output = Horizon(
            size=len(columns),
            names=tuple(series.targets),
            mean=tuple(mean[0].tolist()) if alike else (),
            scale=tuple(scale[0].tolist()) if alike else (),
            steps=self.horizon,
            columns=tuple(columns),
            naive_error=tuple((error.sum(0) / (error > 0).sum(0).clip(1)).tolist()),
            series=len(series.lengths),
            known=known,
        )
        return Description(Features(values.shape[1]), output, per_step=False, varying_length=False, causal=False)

    def _fit(self, series: Series) -> Scaling:
        """Return the scaling set by ``data.scale``, by default per series if there are several.

        A series with fewer than two training rows is scaled by the rows that its first forecast reads.
        """
        train = series.splits == 0
        if not train.any():
            raise UserError("There are no training rows: data.splits must leave some rows for train.")
        several = len(series.lengths) > 1
        if several:
            self.series_names = tuple(series.names) or tuple(str(k) for k in range(len(series.lengths)))
        if self.scale == "none":
            return Scaling.none(series.values.shape[1])
        if not several or self.scale == "file":
            clause = unlike(series.values, series.lengths, self.series_names, series.features) if several else None
            if clause is not None:
                self.notes["scale"] = f"{clause}, and data.scale=file standardises them together"
                log.warning("The %s: errors are dominated by the large ones.", self.notes["scale"])
            return Scaling.fit(series.values[train])
        self.checksum = checksum(self.checksum, "by series")  # older checksums imply scaling all together
        self.notes["scale"] = "each series is standardised by its own training rows; data.scale=file: all together"
        pieces = apart(series.lengths, series.values, train)
        fitted = [Scaling.fit(own[fits] if fits.sum() > 1 else own[: self.lookback]) for own, fits in pieces]
        return Scaling.by_series(fitted, series.names)

    def last_rows(
        self,
        names: Sequence[str],
        values: np.ndarray,
        lengths: np.ndarray,
        chosen: np.ndarray,
        output: Horizon,
        *,
        static: np.ndarray | None = None,
        ahead: np.ndarray | None = None,
    ) -> WindowSplit:
        """Return what a forecast reads at the end of each of the ``chosen`` series, with zeros as targets.

        Takes (rows, features) values in their own units, in series of (series,) lengths and names, with ``static``
        values (series, ...). For columns known in advance, ``ahead`` (chosen, steps, features) has the rows to
        forecast, of which no other columns are read.
        """
        assert self.scaling is not None
        scaling = self.scaling.for_new(names, values, lengths)
        read, ends = beside(scaling.apply(values, lengths), static, lengths), np.cumsum(lengths)[chosen].tolist()
        pieces = [read[end - self.lookback : end] for end in ends]
        if ahead is not None:
            for k, of_series in enumerate(chosen.tolist()):
                future = torch.zeros(output.steps, read.shape[1])
                columns = list(output.known)
                future[:, columns] = scaling.of(of_series).apply(ahead[k])[:, columns]
                pieces[k] = torch.cat([pieces[k], future])
        rows = torch.cat(pieces)
        units = None
        if not scaling.alike:
            at = np.ix_(chosen, np.array(output.columns))
            mean, scale = (torch.from_numpy(of[at]).float() for of in (scaling.mean, scaling.scale))
            units = Units(mean, scale, torch.zeros_like(mean), torch.ones(len(chosen), 1))
        return WindowSplit(
            rows,
            torch.zeros(len(rows) + output.steps, output.size),
            torch.arange(len(chosen)) * len(pieces[0]),
            lookback=self.lookback,
            horizon=output.steps,
            series=torch.arange(len(chosen)),
            units=units,
            known=output.known,
        )


def beside(rows: Tensor, static: np.ndarray | None, lengths: np.ndarray) -> Tensor:
    """Append the static values (series, ...) of each series to its rows (rows, features)."""
    if static is None or not static.shape[1]:
        return rows
    return torch.cat([rows, torch.from_numpy(np.repeat(static, lengths, axis=0)).float()], 1)


def _no_room(series: Series, split: int, lookback: int, horizon: int) -> UserError:
    name = SPLITS[split]
    rows = max(int((of_rows == split).sum()) for (of_rows,) in apart(series.lengths, series.splits))
    if split and rows < horizon:
        where = " in one series" if len(series.lengths) > 1 else ""
        fits = f"set data.horizon to {rows} or less, or " if rows else ""
        return UserError(
            f"The {name} split has {counted(rows, 'row')}{where}, too few for one forecast of data.horizon={horizon} "
            f"rows: {fits}assign the split more rows with data.splits."
        )
    longest = max(int((of_rows <= split).sum()) for (of_rows,) in apart(series.lengths, series.splits))
    return UserError(
        f"The {name} split is too short for a window: data.lookback={lookback} and data.horizon={horizon} need "
        f"{lookback + horizon} rows in one series, but the longest has {longest} up to the end of that split; choose a "
        "shorter data.lookback or data.horizon, or change data.splits."
    )
