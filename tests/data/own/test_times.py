"""Time stamps: read as people write them, in order, and carried on by the calendar."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.config.errors import UserError
from src.data.own.cells import Table
from src.data.own.csv_table import read_table
from src.data.own.times import following, read_times, refuse_twice, season_of, spacing, time_columns


def table(folder: Path, cells: list[str], name: str = "t") -> Table:
    path = folder / "a.csv"
    path.write_text("\n".join([f"{name},a", *(f'"{cell}",1' for cell in cells)]))
    return read_table(path)


def one(times: pd.Series) -> np.ndarray:
    return np.zeros(len(times), int)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%b %d %Y %H:%M"],
)
@pytest.mark.parametrize("hours", [30, 24 * 40])
def test_the_usual_ways_to_write_a_time_are_told_apart(tmp_path, form, hours):
    true = pd.Series(pd.date_range("2020-01-03", periods=hours, freq="h"))
    times = read_times(table(tmp_path, true.dt.strftime(form).tolist()), ["t"])
    assert (times == true).all()


def test_the_order_of_day_and_month_can_be_given(tmp_path):
    cells = ["01/02/2020", "02/02/2020"]
    assert read_times(table(tmp_path, cells), ["t"], day_first=True).dt.month.tolist() == [2, 2]
    assert read_times(table(tmp_path, cells), ["t"], day_first=False).dt.month.tolist() == [1, 2]


def test_a_clock_that_is_left_out_at_midnight_is_midnight(tmp_path):
    times = read_times(table(tmp_path, ["2020-01-01 23:00", "2020-01-02", "2020-01-02 01:00"]), ["t"])
    assert times.diff()[1:].tolist() == [pd.Timedelta("1h")] * 2


def test_numbers_are_times_too(tmp_path):
    assert read_times(table(tmp_path, ["1990", "1991"]), ["t"]).tolist() == [1990.0, 1991.0]


def test_days_in_eight_digits_are_days_where_all_are(tmp_path):
    days = table(tmp_path, ["20200228", "20200229", "20200301"])
    assert read_times(days, ["t"]).diff()[1:].tolist() == [pd.Timedelta("1D")] * 2
    assert any("eight digits" in note for note in days.notes)
    assert read_times(table(tmp_path, ["20200228", "20200230"]), ["t"]).tolist() == [20200228, 20200230]


def test_offsets_that_change_are_read_as_utc(tmp_path):
    source = table(tmp_path, ["2020-10-25 02:30:00+02:00", "2020-10-25 02:30:00+01:00"])
    times = read_times(source, ["t"])
    assert times.tolist() == [pd.Timestamp("2020-10-25 00:30"), pd.Timestamp("2020-10-25 01:30")]
    assert any("UTC" in note for note in source.notes)


def test_cells_that_are_no_times_are_named(tmp_path):
    with pytest.raises(UserError, match="line 3, column t: 'soon' is not a time"):
        read_times(table(tmp_path, ["2020-01-01", "soon", "2020-01-03"]), ["t"])
    with pytest.raises(UserError, match="line 3, column t: the time is missing"):
        read_times(table(tmp_path, ["2020-01-01", "", "2020-01-03"]), ["t"])


def test_the_same_time_twice_in_a_series_is_refused_with_both_lines(tmp_path):
    source = table(tmp_path, ["1", "2", "2"])
    times = read_times(source, ["t"])
    with pytest.raises(UserError, match=r"line 4, column t: 2 recurs \(first at .*line 3\).*group_column"):
        refuse_twice(source, times, one(times), ["t"], grouped=False)
    refuse_twice(source, times, np.array([0, 0, 1]), ["t"], grouped=True)


def test_spacing_counts_what_is_out_of_step_but_lets_months_be_months():
    hours = pd.Series(pd.date_range("2020-01-01", periods=10, freq="h")).drop(index=4).reset_index(drop=True)
    assert spacing(hours, one(hours)) == (pd.Timedelta("1h"), 1)
    months = pd.Series(pd.date_range("2020-01-01", periods=30, freq="MS"))
    assert spacing(months, one(months))[1] == 0
    two = pd.Series([1.0, 2.0, 3.0, 1.0, 2.0])
    assert spacing(two, np.array([0, 0, 0, 1, 1])) == (1.0, 0)
    assert spacing(two[:1], np.array([0])) == (None, 0)


def test_each_series_keeps_its_own_step_and_forecasts_go_on_by_the_same():
    days, months = pd.date_range("2020-01-01", periods=40), pd.date_range("2020-01-01", periods=30, freq="MS")
    both = pd.Series([*days, *months])
    assert spacing(both, np.repeat([0, 1], [40, 30]))[1] == 0, "months among days are no gaps"
    odd = pd.Series(np.cumsum([0.0, 1, 1, 4, 5, 6]))
    usual, other = spacing(odd, one(odd))
    assert (usual, other) == (4.0, 4)
    assert float(following(odd, 1)[0]) == odd.iloc[-1] + usual


@pytest.mark.parametrize(
    ("freq", "season"),
    [("h", 24), ("D", 7), ("MS", 12), ("15min", 96), ("30min", 48), ("7D", 52), ("QS", 4), ("QE", 4), ("3h", None)],
)
def test_seasons_follow_from_the_spacing(freq, season):
    times = pd.Series(pd.date_range("2020-01-01", periods=40, freq=freq))
    assert season_of(spacing(times, one(times))[0]) == season


def test_time_goes_on_by_the_calendar():
    months = pd.Series(pd.date_range("2020-10-01", periods=4, freq="MS"))
    assert following(months, 2) == ["2021-02-01 00:00:00", "2021-03-01 00:00:00"]
    weeks = pd.Series(pd.date_range("2020-01-01", periods=10, freq="28D"))
    assert following(weeks, 2) == ["2020-10-07 00:00:00", "2020-11-04 00:00:00"]
    gap = pd.Series(pd.to_datetime(["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01 02:00", "2020-01-01 05:00"]))
    assert following(gap, 1) == ["2020-01-01 06:00:00"]
    assert following(pd.Series([1.0, 3.0, 5.0]), 2) == ["7", "9"]
    assert following(pd.Series([5.0]), 2) == ["6", "7"]


def test_the_column_of_times_is_found_by_name_or_by_what_stands_first(tmp_path):
    def columns(cells: list[str], name: str, group: str | None = None) -> list[str]:
        return time_columns(table(tmp_path, cells, name), group)

    assert columns(["1", "2"], "Timestamp") == ["Timestamp"]
    assert columns(["2020-01-01", "2020-01-02"], "wann") == ["wann"]
    assert columns(["13.01.2020", "14.01.2020"], "wann") == ["wann"]
    assert columns(["x", "y"], "kind") == []
    assert columns(["1", "2"], "a1") == []
    assert columns(["8", "9", "8"], "time") == [], "hours of the day are no times"
    assert columns(["0", "0.1", "0.2"], "t") == ["t"]
    assert columns(["2", "0", "1"], "t") == ["t"], "whatever order the rows are in"
    assert columns(["2", "0", "3"], "t") == []
    assert columns(["20.5", "19.8", "20.1"], "T") == [], "temperatures neither"
    assert columns(["2020-01-01", "2020-01-01"], "date") == ["date"], "and dates that stand twice are refused later"
    assert columns(["2020-01-01", "2020-01-01"], "date", "date") == []


def test_a_date_and_a_clock_may_have_a_column_each(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Date;Time;a\n16/12/2006;17:24:00;1\n16/12/2006;17:25:00;2\n")
    source = read_table(path)
    assert time_columns(source, None) == ["Date", "Time"]
    assert read_times(source, ["Date", "Time"]).tolist() == [
        pd.Timestamp("2006-12-16 17:24"), pd.Timestamp("2006-12-16 17:25")
    ]  # fmt: skip
    path.write_text("Date;Time;a\n16/12/2006;17:24:00;1\n16/12/2006;;2\n")
    with pytest.raises(UserError, match="line 3, column Time: the time is missing"):
        read_times(read_table(path), ["Date", "Time"])
    path.write_text("Date;Time;a\n10/03/2004;18.00.00;1\n10/03/2004;19.00.00;2\n")
    assert time_columns(read_table(path), None) == ["Date", "Time"]
    assert read_times(read_table(path), ["Date", "Time"]).dt.hour.tolist() == [18, 19]
    path.write_text("Date;Time;a\n10/03/2004;18.5;1\n11/03/2004;19.25;2\n")
    assert time_columns(read_table(path), None) == ["Date"], "18.5 is no clock"


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1000, "ms"), (10**6, "us"), (10**9, "ns")])
def test_a_count_since_1970_is_a_time_where_it_is_called_one(tmp_path, factor, unit):
    cells = [str((1_400_000_000 + 3600 * hour) * factor) for hour in range(5)]
    source = table(tmp_path, cells, "timestamp")
    times = read_times(source, ["timestamp"])
    assert times[0] == pd.Timestamp("2014-05-13 16:53:20")
    assert season_of(spacing(times, one(times))[0]) == 24
    assert source.notes == [f"timestamp was read as a count since 1970, in {unit}."]
    assert read_times(table(tmp_path, cells, "height"), ["height"])[0] == 1_400_000_000 * factor
    assert read_times(table(tmp_path, ["1", "2"], "time"), ["time"]).tolist() == [1, 2]


def test_year_month_day_and_hour_may_have_a_column_each(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("No,year,month,day,hour,a\n1,2010,1,31,23,5\n2,2010,2,1,0,6\n")
    names = ["year", "month", "day", "hour"]
    assert time_columns(read_table(path), None) == names
    times = read_times(read_table(path), names)
    assert times.tolist() == [pd.Timestamp("2010-01-31 23:00"), pd.Timestamp("2010-02-01 00:00")]
    path.write_text("year,month,day,hour,a\n2010,1,31,23,5\n2010,2,30,0,6\n")
    with pytest.raises(UserError, match=r"line 3, columns year, month, day, hour: '2010 2 30 0' is not a valid date"):
        read_times(read_table(path), names)
    path.write_text("year,month,day,a\n2010,1,31,5\n2010,1,31,6\n")
    assert time_columns(read_table(path), None) == [], "a day that stands twice is something to read"


def test_months_with_the_day_last_or_first_are_months(tmp_path):
    months = pd.Series(pd.date_range("1985-01-01", periods=30, freq="MS"))
    american = [f"{day.month}/{day.day}/{day.year}" for day in months]
    times = read_times(table(tmp_path, american), ["t"])
    assert (times == months).all()
    assert season_of(spacing(times, one(times))[0]) == 12


def test_years_of_two_digits_are_never_ahead_of_today(tmp_path):
    months = pd.Series(pd.date_range("1949-01-01", periods=400, freq="MS"))
    source = table(tmp_path, months.dt.strftime("%b-%y").tolist())
    times = read_times(source, ["t"])
    assert (times == months).all()
    assert "previous century" in source.notes[0]


def test_numbers_go_on_to_the_last_digit():
    assert following(pd.Series([1e9, 1e9 + 60]), 2) == ["1000000120", "1000000180"]


def test_decimal_fractions_that_count_evenly_are_evenly_spaced():
    """0.15 - 0.1 is not 0.1 - 0.05 in binary fractions."""
    fractions = pd.Series([float(f"{0.05 * k:.2f}") for k in range(50)])
    assert (fractions.diff()[1:].round(12) == 0.05).all()
    assert len(set(fractions.diff()[1:])) > 1
    assert spacing(fractions, one(fractions))[1] == 0
    odd = fractions.copy()
    odd[20:] += 0.01
    assert spacing(odd, one(odd))[1] == 1
