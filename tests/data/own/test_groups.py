"""Groups are guessed as times are: by name or by blocks, said, and never where one series would be torn apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.describe import Classes, Horizon
from src.data.own.csv import CSV

RNG = np.random.default_rng(0)


def read(folder: Path, frame: pd.DataFrame, **options: Any) -> CSV:
    frame.to_csv(folder / "a.csv", index=False)
    built = CSV(path=str(folder / "a.csv"), lookback=4, horizon=2, **options)
    built.setup()
    return built


def said(built: CSV) -> str:
    return " ".join(str(note) for note in built.notes.values())


@pytest.mark.parametrize("times", [np.arange(40), pd.date_range("2024", periods=40).astype(str)])
def test_the_form_of_the_forecasting_libraries_is_known(tmp_path, times):
    names = np.repeat(["H1", "H2", "H3"], 40)
    frame = pd.DataFrame({"unique_id": names, "ds": np.tile(times, 3), "y": RNG.normal(size=120)})
    built = read(tmp_path, frame)
    assert (built.roles.group, built.roles.time, built.roles.features) == ("unique_id", ["ds"], ["y"])
    assert isinstance(built.description.output, Horizon)
    assert "The column unique_id was read as groups" in said(built)


@pytest.mark.parametrize("name", ["id", "recording_id", "Subject", "series"])
@pytest.mark.parametrize("numbers", [True, False])
def test_a_name_that_repeats_is_taken_for_the_groups(tmp_path, name, numbers):
    names = np.repeat(np.arange(30) if numbers else [f"r{k}" for k in range(30)], 5)
    frame = pd.DataFrame({name: names, "u": RNG.normal(size=150), "kind": np.repeat(["a", "b"] * 15, 5)})
    built = read(tmp_path, frame, target="kind")
    assert (built.roles.group, built.description.output) == (name, Classes(("a", "b")))
    assert sum(len(split) for split in built.splits.values()) == 30  # type: ignore[arg-type]


def test_words_in_blocks_are_taken_for_the_groups_and_can_be_refused(tmp_path):
    frame = pd.DataFrame({"place": np.repeat(["x", "y", "z"], 40), "u": RNG.normal(size=120)})
    built = read(tmp_path, frame)
    assert built.roles.group == "place"
    assert "because its values are in blocks; data.group_column sets another, or none." in said(built)
    assert read(tmp_path, frame, group_column="none").roles.group is None


@pytest.mark.parametrize(
    "column",
    [
        {"id": np.arange(120)},  # each row's own
        {"season": np.repeat(["winter", "summer"], 60)},  # in a series whose times stand once
        {"id": np.repeat([1, 2], 60)},  # the same
        {"u2": np.repeat([1, 2, 3], 40)},  # numbers
        {"id": RNG.normal(size=120)},
        {"remark": ["fine"] * 120},
    ],
)
def test_one_series_stays_one(tmp_path, column):
    times = {"when": pd.date_range("2024-01-01", periods=120, freq="h")} if {"season", "id"} & column.keys() else {}
    built = read(tmp_path, pd.DataFrame({**times, **column, "u": RNG.normal(size=120)}))
    assert built.roles.group is None


def test_what_is_named_is_never_taken(tmp_path):
    frame = pd.DataFrame(
        {"subject": np.repeat(range(12), 10), "take": np.repeat(range(60), 2), "u": RNG.normal(size=120)}
    )
    frame["kind"] = frame["take"] % 2
    assert read(tmp_path, frame, target="kind", split_by="subject").roles.group == "take"
