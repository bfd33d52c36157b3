"""Timestamps of a table: reading, sorting, and continuing them into the future."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from src.config.errors import UserError, counted
from src.data.own.cells import MISSING, Table

UNIX = ("unix", "unix_time", "unix_timestamp", "unixtime")
WORDS = ("date", "time", "datetime", "timestamp", "date_time", "ds", "step", "time_step", "year", *UNIX)
COUNTERS = ("frame", "index", "idx", "t")  # times only if they count up: T may be a temperature
CLOCK = r"\d{1,2}(:\d\d|\.\d\d\.\d\d$)"
# In a cell that pandas reads as a date, which "May", "10a" or "18:00" would be, too.
DATE = re.compile(r".*(\b(19|20)\d\d(\b|[TQ])|\b\d{1,4}([-/.])\w{1,9}\4\d{1,4}).*")
YEAR_FIRST = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?$")
CALENDAR = ("year", "month", "day", "hour", "minute", "second")  # one column each; the first three are required
# Names of columns that count since 1970, and the range of such counts: the years 1980 to 2100.
SINCE_1970 = (*UNIX, "timestamp", "date", "time", "datetime", "ds")
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
FIRST, LAST = 315532800.0, 4102444800.0
DAY = pd.Timedelta("1D")
# Rows in a day (or week, or year), by the interval between rows.
SEASONS = {"15min": 96, "30min": 48, "1h": 24, "1D": 7, "7D": 52}


def read_times(table: Table, names: Sequence[str], day_first: bool | None = None) -> pd.Series:
    """Read a column as timestamps, or as numbers if all its cells are numbers (steps, years, seconds).

    Whole numbers that count s, ms, us or ns since 1970 are timestamps, if the column's name suggests time.

    Args:
        table: the table.
        names: the column; or a date and a clock column; or those of year, month, day and so on.
        day_first: whether 01/02/2020 is in February; None: true if only that reads all cells, or sorts them better.

        Raises:
            UserError: a cell is not a time; the message names the first one.
    """
    if (known := _already(table, names)) is not None:
        return known
    for name in names:
        table.refuse(table.text(name).str.lower().isin(MISSING), name, "the time is missing ({cell})")
    cells, name = together(table, names), " and ".join(names)
    if tuple(name.lower() for name in names) == CALENDAR[: len(names)] and len(names) > 2:
        return _from_calendar(table, names)
    if len(names) == 1 and (counted := _from_numbers(table, name, cells)) is not None:
        return counted
    read = {first: _dates(cells, first) for first in ([False, True] if day_first is None else [day_first])}
    whole = {first: times for first, times in read.items() if not times.isna().any()}
    if not whole:
        times = min(read.values(), key=lambda t: int(t.isna().sum()))
        row = int(times.isna().to_numpy().argmax())
        raise UserError(
            f"{table.where(row)}, column {name}: {cells.iloc[row]!r} is not a time in the format of the others."
        )
    whole = {first: _in_the_past(table, name, cells, times) for first, times in whole.items()}
    chosen = min(whole, key=lambda first: _disorder(whole[first]))
    if day_first is None and chosen:
        other = table.setting("data.day_first=false")
        table.note(f"{name} was read with the day before the month; {other} to read the month first.")
    if whole[chosen].dt.tz is not None:
        table.note(f"{name} has UTC offsets and was converted to UTC.")
        return whole[chosen].dt.tz_convert(None)
    return whole[chosen]


def _already(table: Table, names: Sequence[str]) -> pd.Series | None:
    """Return times stored as such, or unambiguous because written year first; None for others."""
    cells = table.frame[names[0]]
    if len(names) > 1 or cells.isna().any():
        return None
    if not pd.api.types.is_datetime64_any_dtype(cells):
        if pd.api.types.is_numeric_dtype(cells) or not YEAR_FIRST.match(cells.iloc[0]):
            return None
        cells = pd.to_datetime(cells, errors="coerce", format="ISO8601")
    elif cells.dt.tz is not None:
        table.note(f"{names[0]} has UTC offsets and was converted to UTC.")
        cells = cells.dt.tz_convert(None)
    return None if cells.isna().any() else cells


def _from_numbers(table: Table, name: str, cells: pd.Series) -> pd.Series | None:
    numbers, _ = table.parsed(name)
    if not np.isfinite(numbers).all():
        return None
    if name.lower() in SINCE_1970 and bool((numbers % 1 == 0).all()):
        for unit, per_second in UNITS.items():
            if FIRST * per_second <= numbers.min() and numbers.max() <= LAST * per_second:
                table.note(f"{name} was read as a count since 1970, in {unit}.")
                return pd.Series(pd.to_datetime(numbers.astype(np.int64), unit=unit))
    days = pd.to_datetime(cells, format="%Y%m%d", errors="coerce")
    if not cells.str.fullmatch(r"(19|20)\d{6}").all() or days.isna().any():
        return pd.Series(numbers)
    table.note(f"{name} was read as dates, with year, month and day in eight digits.")
    return days


def _from_calendar(table: Table, names: Sequence[str]) -> pd.Series:
    numbers = pd.DataFrame({word: table.parsed(name)[0] for word, name in zip(CALENDAR, names, strict=False)})
    times = pd.to_datetime(numbers, errors="coerce")
    if (bad := times.isna().to_numpy()).any():
        row = int(bad.argmax())
        cells = together(table, names).iloc[row]
        raise UserError(f"{table.where(row)}, columns {', '.join(names)}: {cells!r} is not a valid date and time.")
    return times


def together(table: Table, names: Sequence[str]) -> pd.Series:
    """Join the cells of the time columns with spaces; a clock like 18.00.00 gets colons."""
    first, *rest = (table.text(name) for name in names)
    rest = [column.str.replace(r"^(\d{1,2})\.(\d\d)\.(\d\d)$", r"\1:\2:\3", regex=True) for column in rest]
    return first.str.cat(rest, sep=" ") if rest else first


def _dates(cells: pd.Series, day_first: bool) -> pd.Series:
    # Offsets that change within a file (summer time) can only be represented in UTC.
    offset = bool(cells.str.fullmatch(r".*\d:\d\d.*([+-]\d\d:?\d\d|Z)").any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas warns that it parses cell by cell
        times = pd.to_datetime(cells, errors="coerce", dayfirst=day_first, utc=offset)
        # Some programs omit the clock at midnight.
        return times if not times.isna().any() else pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=offset)


def _in_the_past(table: Table, name: str, cells: pd.Series, times: pd.Series) -> pd.Series:
    late = times.dt.tz_localize(None) > pd.Timestamp.now()
    if not late.any() or cells.str.contains(r"\d{4}").any():
        return times
    table.note(f"{name} has two-digit years: those in the future were read as in the previous century.")
    return times.where(~late, times - pd.DateOffset(years=100))


def _disorder(times: pd.Series) -> tuple[bool, int, int]:
    """Score how unlike a series the times look: unsorted, irregular (months are allowed), with varying intervals."""
    out_of_step = spacing(times, np.zeros(len(times), int))[1]
    return not times.is_monotonic_increasing, out_of_step, int((times.diff().diff()[2:] != pd.Timedelta(0)).sum())


def refuse_twice(table: Table, times: pd.Series, groups: np.ndarray, names: Sequence[str], grouped: bool) -> None:
    """Refuse two rows of one series at the same time; rows are sorted.

    Raises:
        UserError: two rows have the same time; the message names both lines.
    """
    same = (times.to_numpy()[1:] == times.to_numpy()[:-1]) & (groups[1:] == groups[:-1])
    if same.any():
        row = int(same.argmax())
        more = f"; if the file has several series, {table.setting('data.group_column=COLUMN')}, which identifies them"
        raise UserError(
            f"{table.where(row + 1)}, column {' and '.join(names)}: {together(table, names).iloc[row + 1]} recurs "
            f"(first at {table.where(row)}){'' if grouped else more}."
        )


def usual_steps(times: pd.Series, groups: np.ndarray) -> pd.Series:
    """Return each series' usual interval between rows: the lower median, which occurs in the data; NaT for one row."""
    return times.diff().where(pd.Series(groups).diff() == 0).groupby(groups).quantile(0.5, "lower")


def spacing(times: pd.Series, groups: np.ndarray) -> tuple[pd.Timedelta | float | None, int]:
    """Return the usual interval in most series, and how many rows differ from the usual interval of their series."""
    steps = times.diff()[1:][groups[1:] == groups[:-1]]
    if not len(steps):
        return None, 0
    of_series = usual_steps(times, groups)
    usual = of_series.reindex(groups[steps.index]).set_axis(steps.index)
    # Months, quarters and years vary in length, and differences of decimal fractions in their last bits.
    slack = usual.where(usual >= 28 * DAY, 0 * usual) if isinstance(usual.iloc[0], pd.Timedelta) else usual / 100
    return of_series.mode().iloc[0], int(((steps - usual).abs() > 0.12 * slack).sum())


def distance(step: pd.Timedelta | float) -> str:
    """Return the distance between two rows in words.

    >>> distance(pd.Timedelta("1D")), distance(pd.Timedelta("90min")), distance(0.050000000000000044)
    ('1 day', '0 days 01:30:00', '0.05')
    """
    if not isinstance(step, pd.Timedelta):
        return f"{step:.6g}"
    return str(step) if step % DAY else counted(int(step / DAY), "day")


def season_of(usual: pd.Timedelta | float | None) -> int | None:
    """Return the number of hourly rows in a day, daily rows in a week, ...; None for other intervals."""
    if not isinstance(usual, pd.Timedelta):
        return None
    if (months := _months(usual)) is not None:
        return 12 // months if months < 12 else None
    return next((rows for step, rows in SEASONS.items() if usual == pd.Timedelta(step)), None)


def seasons(times: pd.Series, groups: np.ndarray) -> np.ndarray:
    """Return each series' season (series,), from the usual interval of its rows; 0 if it has none."""
    if not pd.api.types.is_datetime64_any_dtype(times):
        return np.zeros(groups[-1] + 1, int)
    steps = usual_steps(times, groups)
    weekdays = (times.dt.dayofweek < 5).groupby(groups).all() & (steps == DAY)
    return np.where(weekdays, 5, [season_of(step) or 0 for step in steps])


def _months(step: pd.Timedelta) -> int | None:
    """Return the number of months between rows with this interval: 1, 2, 3, 4, 6 or 12; None for other intervals."""
    days = step / DAY
    return next((m for m in (1, 2, 3, 4, 6, 12) if 28 * m + (m > 1) <= days <= 31 * m - (m > 2)), None)


def following(times: pd.Series, number: int) -> list[str]:
    """Return the timestamps that follow a series as text: by its calendar if it has one, else by its usual interval."""
    if not len(times):
        return [""] * number
    last, step = times.iloc[-1], usual_steps(times, np.zeros(len(times), int)).iloc[0]
    if not pd.api.types.is_datetime64_any_dtype(times):
        return [f"{last + (1.0 if pd.isna(step) else step) * (k + 1):.15g}" for k in range(number)]
    step = DAY if pd.isna(step) else step
    # Every 28 or 30 days is no calendar: the day of the month changes, although no interval does.
    drifts = len(times) > 3 and times.diff().nunique() == 1 and times.dt.day.nunique() > 1
    if not drifts and (months := _months(step)) is not None:
        # Count from the last timestamp, not step by step: a 31st would become a 28th in February and stay there.
        ends = bool(times.dt.is_month_end.all())
        ahead = [last + pd.DateOffset(months=months * (k + 1)) for k in range(number)]
        ahead = [stamp + pd.offsets.MonthEnd(0) if ends else stamp for stamp in ahead]
    elif step == DAY and len(times) > 5 and bool((times.dt.dayofweek < 5).all()):
        ahead = [last + pd.offsets.BusinessDay(k + 1) for k in range(number)]
    else:
        ahead = [last + step * (k + 1) for k in range(number)]
    return [str(stamp) for stamp in ahead]


def resampled(
    times: pd.Series, groups: np.ndarray, values: np.ndarray, every: str, by: str
) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """Resample rows: return (times, groups, values) of every interval between a series' first and last time.

    Args:
        times: (rows,) timestamps, increasing within each series.
        groups: (rows,) the series of each row.
        values: (rows, features), NaN if missing.
        every: the interval in pandas notation: ``1h``, ``1D``, ``MS`` (months by their first day), ``ME``.
        by: ``mean``, ``last`` or ``sum`` of the values in an interval; NaN without any.

    Raises:
        UserError: there are no timestamps, or the interval is invalid.
    """
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise UserError(f"data.resample={every} needs timestamps, but the times are numbers.")
    table = pd.DataFrame(values).assign(time=times.to_numpy(), group=groups)
    try:
        intervals = table.groupby("group").resample(every, on="time")
        means = intervals.sum(min_count=1) if by == "sum" else getattr(intervals, by)()
    except ValueError as error:
        raise UserError(
            f"data.resample must be a time interval such as 15min, 1h, 1D, W, MS (months by their first day) or ME (by "
            f"their last), got {every}."
        ) from error
    index = means.index
    return (
        pd.Series(index.get_level_values("time")),
        index.get_level_values("group").to_numpy(),
        means[range(values.shape[1])].to_numpy(),
    )


def time_columns(table: Table, group: str | None) -> list[str]:
    """Return the time column by its name, with its clock column if there is one; else a leading column of dates.

    Numbers are times only if unique within a group, because hours of the day or months are values to read.
    """
    called = {name.lower(): name for name in reversed(table.names)}
    of_group = [] if group is None else [group]
    if (
        "date" in called
        and "time" in called
        and bool(Table.as_text(table.frame[called["time"]].head(20)).str.match(CLOCK).all())
    ):
        return [called["date"], called["time"]]
    if all(word in called and table.is_numeric(called[word]) for word in CALENDAR[:3]) and group not in CALENDAR:
        number = next((k for k, word in enumerate(CALENDAR) if word not in called), len(CALENDAR))
        columns = [called[word] for word in CALENDAR[:number]]
        if not stands_twice(table, [*columns, *of_group]):
            return columns
    for word in (*WORDS, *COUNTERS):
        if word in called and called[word] != group:
            name = called[word]
            twice = table.is_numeric(name) and stands_twice(table, [name, *of_group])
            if not table.is_numeric(name) or (not twice and (word in WORDS or _counts(table, name, group))):
                return [name]
    first = table.names[0]
    dates = not table.is_numeric(first) and first != group
    some = Table.as_text(table.frame[first].head(100))
    return [first] if dates and any(not _dates(some, day_first).isna().any() for day_first in (False, True)) else []


def columns_of_dates(table: Table, taken: Collection[str | None]) -> list[str]:
    """Return the columns, except those ``taken``, in which every cell is a date, with or without a clock."""
    return [name for name in table.names if name not in taken and _has_dates(table.frame[name])]


def _has_dates(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column):
        return not column.isna().any()
    if pd.api.types.is_numeric_dtype(column):
        return False
    return all(  # a few cells show most columns of words at once
        bool(cells.str.fullmatch(DATE).all()) and any(not _dates(cells, first).isna().any() for first in (False, True))
        for cells in (column.head(100), column)
    )


def mostly_differ(table: Table, name: str, group: str | None) -> bool:
    """Return whether more than half of the cells of a column are the first with their content in their group."""
    columns = [name] if group is None else [name, group]
    return bool((~table.frame.duplicated(columns)).mean() > 0.5)


def stands_twice(table: Table, names: Sequence[str]) -> bool:
    """Return whether two rows have the same cells in these columns."""
    first = table.frame[names[0]]
    if len(names) == 1 and not pd.api.types.is_string_dtype(first):
        values = first.to_numpy()
        if bool((values[1:] > values[:-1]).all()):  # most times increase from row to row, which is quicker to check
            return False
    return bool(table.frame.duplicated(list(names)).any())


def _counts(table: Table, name: str, group: str | None) -> bool:
    """Return whether a column's unique values per group increase by row, or count 0, 1, 2, ... in any order."""
    numbers = pd.Series(table.parsed(name)[0])
    of_group = numbers.groupby(table.frame[group] if group is not None else np.zeros(len(numbers), int))
    rise = bool((of_group.diff().dropna() > 0).all())
    return rise or bool((of_group.max() - of_group.min() == of_group.size() - 1).all() and (numbers % 1 == 0).all())
