"""Windows: which rows are read and forecast, and that none is lost or crosses a border it may not cross."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.windows import WindowSplit, window_starts


def test_a_window_is_the_rows_seen_and_the_rows_that_follow():
    values = torch.arange(40.0).view(20, 2)
    split = WindowSplit(values, values[:, :1], torch.tensor([0, 3, 9]), lookback=4, horizon=3)
    batch = split[torch.tensor([2, 1])]
    assert batch.x.shape == (2, 4, 2)
    assert batch.y.shape == (2, 3, 1)
    for k, start in enumerate([9, 3]):
        assert torch.equal(batch.x[k], values[start : start + 4])
        assert torch.equal(batch.y[k], values[start + 4 : start + 7, :1])
    assert batch.lengths.tolist() == [4, 4]
    assert batch.rows.tolist() == [2, 1]


def test_windows_hold_no_copy_of_the_rows():
    values = torch.zeros(20, 2)
    split = WindowSplit(values, values, torch.arange(10), lookback=4, horizon=3)
    assert split.values.data_ptr() == values.data_ptr() == split.targets.data_ptr()


def test_validation_and_test_look_back_across_the_border_and_lose_no_row():
    splits = np.repeat([0, 1, 2], [8640, 2880, 2880])
    counts = [len(window_starts(np.array([14400]), splits, split, 96, 96)) for split in range(3)]
    assert counts == [8640 - 96 - 96 + 1, 2880 - 96 + 1, 2880 - 96 + 1] == [8449, 2785, 2785]
    assert window_starts(np.array([14400]), splits, 1, 96, 96)[0] == 8640 - 96


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_starts_are_those_of_a_plain_loop(series, lookback, horizon):
    lengths = np.array([sum(s) for s in series])
    splits = np.concatenate([np.repeat([0, 1, 2], s) for s in series]).astype(int)
    if len(splits) < lookback + horizon:
        return
    for split in range(3):
        expected, begin = [], 0
        for length in lengths.tolist():
            for start in range(begin, begin + length - lookback - horizon + 1):
                if all(splits[row] == split for row in range(start + lookback, start + lookback + horizon)):
                    expected.append(start)
            begin += length
        assert window_starts(lengths, splits, split, lookback, horizon).tolist() == expected


def test_too_few_rows_make_no_window():
    assert len(window_starts(np.array([3]), np.zeros(3, int), 0, 2, 1)) == 1
    assert len(window_starts(np.array([3]), np.zeros(3, int), 0, 3, 1)) == 0
    with pytest.raises(IndexError):
        WindowSplit(torch.zeros(3, 1), torch.zeros(3, 1), torch.tensor([2]), lookback=2, horizon=1)[torch.tensor([0])]
