"""Which test sequences runs share, and overlapping windows, of which few say less than their number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.analysis.collect import Collection
from src.analysis.compare import over_sequences
from src.analysis.models import Point, sum_up
from src.analysis.pack import read_pack, write_pack
from src.analysis.pairs import make_pairs
from src.analysis.run import Run
from src.analysis.sequences import Sequences, sequences_of
from src.analysis.small_print import small_print
from src.analysis.task import Comparison, Task
from src.analysis.tuning import Tuning
from src.statistics.crossed import over_seeds_and_sequences
from src.tasks.metrics import Metric

MSE = Metric("mse", "min", "", "loss", "count")
TASK = Task("ett_h1", "main", "test/mse", "", "min", 0.05)


def table(items: np.ndarray | None = None, number: int = 6) -> dict[str, np.ndarray]:
    arrays = {"row": np.arange(number), "loss": np.arange(number) + 1.0, "count": np.ones(number)}
    return arrays if items is None else {**arrays, "item": items}


def test_runs_with_unlike_items_were_not_tested_on_the_same_sequences() -> None:
    same = [sequences_of(table(np.array([3, 5, 8, 9, 11, 40]))).rows for _ in range(2)]
    other = sequences_of(table(np.array([3, 5, 8, 9, 11, 41]))).rows
    assert same[0] == same[1] != other
    named, unlike = (sequences_of(table(np.array(list(names)))).rows for names in ("abcdef", "abcdeg"))
    assert named != unlike
    # Files of older runs, without items, go by their rows.
    assert sequences_of(table()).rows == sequences_of(table()).rows != sequences_of(table(number=5)).rows


def windows(rows: list[int], lookback: int, horizon: int, loss: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """All windows of a test part with so many rows in each series."""
    counts = [n - horizon + 1 for n in rows]
    number = sum(counts)
    return {
        "row": np.arange(number),
        "item": np.concatenate([1000 * k + np.arange(n) for k, n in enumerate(counts)]),
        "series": np.repeat(np.arange(len(rows)), counts),
        "lookback": np.full(number, lookback),
        "horizon": np.full(number, horizon),
        "loss": np.random.default_rng(0).gamma(2, 1, number) if loss is None else loss,
        "count": np.ones(number),
    }


@pytest.mark.parametrize(
    ("rows", "lookback", "horizon", "sizes"),
    [
        # max(120, 2880 / 10) = 288 rows: nine blocks of 2,857 windows, the last of which takes the rest.
        ([2880], 96, 24, [288] * 8 + [2857 - 8 * 288]),
        ([2880], 96, 720, [816, 2161 - 816]),
        # Never from one series to the next, and a series that is too short for a block is one by itself.
        ([100, 30, 60], 8, 4, [12] * 7 + [97 - 84] + [12, 27 - 12] + [12] * 3 + [57 - 36]),
        ([10], 8, 4, [7]),
    ],
)
def test_windows_are_summed_over_blocks_of_time_within_each_series(
    rows: list[int], lookback: int, horizon: int, sizes: list[int]
) -> None:
    arrays = windows(rows, lookback, horizon)
    mixed = np.random.default_rng(1).permutation(len(arrays["row"]))
    sums = sequences_of({name: values[mixed] for name, values in arrays.items()})
    assert sums.windows
    assert sums.columns["count"].tolist() == sizes
    assert sums.number == len(arrays["row"])
    assert sums.columns["loss"][0] == pytest.approx(arrays["loss"][: sizes[0]].sum())
    assert sums.columns["loss"].sum() == pytest.approx(arrays["loss"].sum())


def compared(rows: list[int], horizon: int) -> tuple[Comparison, dict[str, Sequences], np.ndarray]:
    rng = np.random.default_rng(2)
    losses = rng.gamma(5, 1, (2, 5, sum(n - horizon + 1 for n in rows)))
    sequences = {
        f"{m}{s}": sequences_of(windows(rows, 96, horizon, losses[k, s])) for k, m in enumerate("ab") for s in range(5)
    }
    points = [[Point(s, sequences[f"{m}{s}"].ratio(MSE), f"{m}{s}", "finished") for s in range(5)] for m in "ab"]
    a, b = sum_up("gru", [], points[0]), sum_up("lstm", [], points[1])
    pairs = make_pairs(a.points, b.points, "min")
    made = over_sequences(TASK, pairs, MSE, sequences)
    made_of = Comparison("gru", "lstm", True, pairs, 5, sequences=made.better, sequences_note=made.note)
    return made_of, sequences, losses[1] - losses[0]


def test_the_interval_for_other_periods_is_over_blocks() -> None:
    comparison, _, top = compared([2880], 24)
    starts = np.arange(9) * 288
    by_hand = over_seeds_and_sequences(
        np.add.reduceat(top, starts, axis=1), np.diff([*starts, top.shape[1]]).astype(float)
    )
    assert by_hand is not None
    assert comparison.sequences is not None
    assert comparison.sequences.low == pytest.approx(by_hand.interval.low)
    assert comparison.sequences.high == pytest.approx(by_hand.interval.high)
    assert comparison.sequences_note == "over 5 seeds and 2,857 overlapping windows, in 9 blocks"


def test_below_six_blocks_the_answer_is_for_this_period_only() -> None:
    for rows, horizon, blocks in (([2880], 720, 2), ([2880], 500, 3), ([800, 800], 96, 6)):
        comparison, _, _ = compared(rows, horizon)
        assert (comparison.sequences is None) == (blocks < 6)
        said = small_print([replace(TASK, comparisons=[comparison])], [Run("x", 0)], [], None)
        about = [sentence for sentence in said if "this period only" in sentence]
        assert len(about) == (blocks < 6)
        if blocks < 6:
            note = f"The overlapping windows form fewer than 6 blocks of time ({blocks}): this period only."
            assert comparison.sequences_note == note
            assert about[0].startswith("Verdicts for ett_h1 are about this period only: forecasting windows overlap")


def test_a_pack_keeps_that_they_are_windows(tmp_path: Path) -> None:
    _, sequences, _ = compared([2880], 720)
    whole = sequences_of(table(np.arange(6)))
    write_pack(Collection("x", "runs", ["x"], sequences={**sequences, "other": whole}), tmp_path / "pack")
    again = read_pack(tmp_path / "pack").sequences
    assert again.keys() == {*sequences, "other"}
    assert (again["a0"].windows, again["other"].windows) == (True, False)
    assert again["a0"].columns["loss"].tolist() == sequences["a0"].columns["loss"].tolist()
    assert (again["a0"].rows, again["a0"].number) == (sequences["a0"].rows, 2161)


def test_the_trials_of_another_arm_are_not_those_of_the_models_compared() -> None:
    one = Tuning("ett_h1", "main", ["optimizer.lr"], "val/mse", "min", [], {}, {"gru": 5, "lstm": 5, "rnn": 3})
    runs = [Run("x", 0, model=model, data_name="ett_h1", arm="main") for model in ("gru", "lstm")]
    other = replace(one, arm="sgd", counts={"gru": 4, "lstm": 4})
    said = " ".join(small_print([TASK], runs, [one, other], None))
    assert "Each model's settings were chosen from 5 trials on validation" in said
