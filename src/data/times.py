"""Time stamps of a table: read, put in order, carried on into the future."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from src.config import Mistake
from src.data.table import MISSING, Table

# Rows after which the day (or week, or year) comes round again, by how far rows are apart.
SEASONS = {"15min": 96, "30min": 48, "1h": 24, "1D": 7, "7D": 52}


def read_times(table: Table, name: str, day_first: bool | None = None) -> pd.Series:
    """A column as time stamps, or as numbers where all its cells are numbers (steps, years, seconds).

    Args:
        table: the table.
        name: the column.
        day_first: whether 01/02/2020 is in February; None: where that alone reads all cells, or alone leaves them in
            order.

    Raises:
        Mistake: names the first cell that is no time.
    """
    cells = table.frame[name]
    if (empty := cells.str.lower().isin(MISSING).to_numpy()).any():
        row = int(empty.argmax())
        raise Mistake(f"{table.where(row)}, column {name}: the time is missing ({cells.iloc[row]!r}).")
    numbers, _ = table.parsed(name)
    if np.isfinite(numbers).all():
        return pd.Series(numbers)
    read = {first: _dates(cells, first) for first in ([False, True] if day_first is None else [day_first])}
    whole = {first: times for first, times in read.items() if not times.isna().any()}
    if not whole:
        times = min(read.values(), key=lambda t: int(t.isna().sum()))
        row = int(times.isna().to_numpy().argmax())
        raise Mistake(f"{table.where(row)}, column {name}: {cells.iloc[row]!r} is not a time like those around it.")
    chosen = min(whole, key=lambda first: _disorder(whole[first]))
    if day_first is None and chosen:
        table.note(f"{name} was read with the day before the month; data.day_first=false reads the month first.")
    if whole[chosen].dt.tz is not None:
        table.note(f"{name} has offsets from UTC and was read as UTC.")
        return whole[chosen].dt.tz_convert(None)
    return whole[chosen]


def _dates(cells: pd.Series, day_first: bool) -> pd.Series:
    # Offsets that change within a file (summer time) can only be held as UTC.
    offset = bool(cells.str.fullmatch(r".*\d:\d\d.*([+-]\d\d:?\d\d|Z)").any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas warns that it had to look at each cell
        times = pd.to_datetime(cells, errors="coerce", dayfirst=day_first, utc=offset)
        # Some programs leave the clock out at midnight.
        return times if not times.isna().any() else pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=offset)


def _disorder(times: pd.Series) -> tuple[bool, int]:
    """How unlike a series the times look: out of order, and how often their distance changes."""
    return not times.is_monotonic_increasing, int((times.diff().diff()[2:] != pd.Timedelta(0)).sum())


def refuse_twice(table: Table, times: pd.Series, groups: np.ndarray, name: str, grouped: bool) -> None:
    """Refuse two rows of one series at the same time; rows are in order.

    Raises:
        Mistake: names both lines.
    """
    same = (times.to_numpy()[1:] == times.to_numpy()[:-1]) & (groups[1:] == groups[:-1])
    if same.any():
        row = int(same.argmax())
        more = (
            ""
            if grouped
            else "; where the file holds several series, name the column that tells them apart with data.group_column"
        )
        raise Mistake(
            f"{table.where(row + 1)}, column {name}: {table.frame[name].iloc[row + 1]} stands there a second time "
            "(first "
            f"in {table.where(row)}){more}."
        )


def spacing(times: pd.Series, groups: np.ndarray) -> tuple[pd.Timedelta | float | None, int]:
    """(the most common distance of neighbouring rows of a series, how many neighbours are another distance apart)."""
    steps = times.diff()[1:][groups[1:] == groups[:-1]]
    if not len(steps):
        return None, 0
    usual = steps.mode().iloc[0]
    # Months, quarters and years are not all of one length.
    calendar = isinstance(usual, pd.Timedelta) and usual >= pd.Timedelta("28D")
    other = ((steps - usual).abs() > usual * 0.12) if calendar else steps != usual
    return usual, int(other.sum())


def season_of(usual: pd.Timedelta | float | None) -> int | None:
    """Rows in a day of hours, a week of days, ...; None where rows are at another distance."""
    if isinstance(usual, pd.Timedelta):
        if pd.Timedelta("28D") <= usual <= pd.Timedelta("31D"):
            return 12
        return next((rows for step, rows in SEASONS.items() if usual == pd.Timedelta(step)), None)
    return None


def following(times: pd.Series, number: int) -> list[str]:
    """The next time stamps after a series, as text: by its calendar where it has one, else by its usual distance."""
    if not len(times):
        return [""] * number
    if not pd.api.types.is_datetime64_any_dtype(times):
        step = float(spacing(times, np.zeros(len(times), int))[0] or 1.0)
        return [f"{float(times.iloc[-1]) + step * (k + 1):g}" for k in range(number)]
    calendar = pd.infer_freq(times) if len(times) >= 3 else None
    step = calendar or spacing(times, np.zeros(len(times), int))[0] or pd.Timedelta("1D")
    ahead = pd.date_range(times.iloc[-1], periods=number + 1, freq=step)[1:]
    return [str(stamp) for stamp in ahead]


def time_column(table: Table) -> str | None:
    """The column that is called like a time, or a first column of dates; None where there is none."""
    for name in table.names:
        if name.lower() in ("date", "time", "datetime", "timestamp", "date_time", "ds", "step", "time_step"):
            return name
    first = table.names[0]
    if not table.is_numeric(first) and not _dates(table.frame[first].head(20), False).isna().any():
        return first
    return None
