"""The electricity transformer data ETTh1 and ETTh2 (Zhou et al. 2021), split as in the literature."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from src.config.errors import UserError
from src.data.describe import Description
from src.data.download import File, Source
from src.data.module import FileSet, checksum
from src.data.series import SeriesData
from src.data.windows import Series


def _source(name: str, sha256: str) -> Source:
    url = f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{name}.csv"
    return Source(
        task="forecasting",
        size="17,420 hourly rows of 7 variables",
        licence="CC BY-ND 4.0",
        page="https://github.com/zhouhaoyi/ETDataset",
        files=(File(f"ett/{name}.csv", url, f"sha256:{sha256}"),),
    )


class ETT(FileSet, SeriesData):
    """Hourly load and oil temperature of an electricity transformer.

    Train, validation and test are rows 0-8639, 8640-11519 and 11520-14399 (12, 4 and 4 months of 30 days); the rows
    after them are never used. ``lookback``, ``horizon`` and ``season`` count hours.
    """

    sources: ClassVar[dict[str, Source]] = {
        "ett_h1": _source("ETTh1", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        "ett_h2": _source("ETTh2", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
    }
    rows = (8640, 2880, 2880)
    times: pd.Series  # (rows,) the hour of each

    def __init__(
        self, *, name: str, lookback: int = 96, horizon: int = 96, season: int | None = 24, **keywords: Any
    ) -> None:
        super().__init__(lookback=lookback, horizon=horizon, **keywords)
        self.name, self.season = name, season

    def read(self) -> Description:
        """Read the verified file and split it."""
        if self.name not in self.sources:
            raise UserError(f"data.name must be one of {', '.join(self.sources)}, got {self.name}.")
        path = self.fetch(self.sources[self.name].files[0])
        table = pd.read_csv(path, index_col="date", nrows=sum(self.rows), float_precision="round_trip")
        self.checksum = checksum(path.read_bytes())
        self.times = pd.Series(pd.to_datetime(table.index))
        names = table.columns.tolist()
        values = np.ascontiguousarray(table)  # the memory layout fixes the summation order
        series = Series(values, np.array([len(values)]), np.repeat(np.arange(3), self.rows), names, names)
        return self.forecasting(series, self.season)
