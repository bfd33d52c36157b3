"""The verdict over seeds and test sequences together: its own looks and levels, and what it says where it cannot be."""

import numpy as np
import pytest

from src.analysis.compare import compare
from src.analysis.models import Point, sum_up
from src.analysis.sequences import Sequences
from src.analysis.task import Comparison, Task
from src.statistics.looks import Look
from src.statistics.sittings import look_of
from src.tasks.metrics import Metric

NLL = Metric("nll", "min", "nats", "loss", "count")
SITTINGS = [look_of(sitting, 6) for sitting in (1, 2, 3)]


def compared(
    top: np.ndarray, margin: float | None = 1.0, looks: list[Look] | None = None, known: bool = True
) -> Comparison:
    """GRU against LSTM, whose losses by seed and sequence are by so much larger, (seeds, sequences)."""
    sequences, points = {}, list[list[Point]]()
    for name, losses in (("a", np.full(top.shape, 50.0)), ("b", 50.0 + top)):
        points.append([])
        for seed, loss in enumerate(losses):
            sums = Sequences("x", top.shape[1], {"loss": loss, "count": np.ones(top.shape[1])})
            sequences[f"{name}{seed}"] = sums
            points[-1].append(Point(seed, sums.ratio(NLL), f"{name}{seed}", "finished"))
    a, b = sum_up("gru", [], points[0], "nll"), sum_up("lstm", [], points[1], "nll")
    task = Task("jsb", "main", "nll", "nats", "min", margin)
    return compare(task, a, b, primary=True, metric=NLL, sequences=sequences if known else None, looks=looks)


def layout(mean: float, of_seed: float, of_sequence: float, seeds: int, sequences: int) -> np.ndarray:
    """Differences by seed and sequence with exactly these standard deviations of their means over the other."""
    rng = np.random.default_rng(0)
    by_seed, by_sequence = rng.normal(size=(seeds, 1)), rng.normal(size=sequences)
    by_seed, by_sequence = ((x - x.mean()) / x.std(ddof=1) for x in (by_seed, by_sequence))
    return np.asarray(mean + of_seed * by_seed + of_sequence * by_sequence + rng.normal(0, 0.01, (seeds, sequences)))


def test_what_holds_for_these_sequences_need_not_hold_for_others() -> None:
    c = compared(layout(1.5, 0.1, 3.0, 8, 10))
    assert c.verdict is not None
    assert c.both is not None
    assert (c.verdict.outcome, c.both.outcome) == ("better", "undecided")
    assert c.both.more_sequences
    assert "over 8 seeds and 10 test sequences)" in c.both.sentence
    assert c.both.sentence.endswith("; deciding would take more sequences, not more pairs.")
    wide = compared(layout(1.5, 0.1, 3.0, 8, 400))  # as unlike, and far more of them
    assert wide.both is not None
    assert (wide.both.outcome, wide.both.winner, wide.both.more_sequences) == ("better", "gru", False)
    assert wide.both.sentence.startswith("jsb: gru better than lstm, by 1.5")
    assert "over 8 seeds and 400 test sequences): beyond the margin of 1 nats." in wide.both.sentence


@pytest.mark.parametrize(
    ("mean", "outcome", "winner"), [(0.0, "same", None), (2.0, "better", "gru"), (-2.0, "better", "lstm")]
)
def test_it_is_decided_by_the_intervals_that_are_shown(mean: float, outcome: str, winner: str | None) -> None:
    c = compared(layout(mean, 0.2, 0.5, 6, 20), looks=SITTINGS)
    assert c.both is not None
    assert (c.both.outcome, c.both.winner, c.both.pairs, c.both.look) == (outcome, winner, 6, SITTINGS[0])
    assert c.both.interval_better is not None
    assert c.both.interval_same is not None
    assert c.both.interval_better.level == pytest.approx(1 - 2 * SITTINGS[0].better)
    assert c.both.interval_same.level == pytest.approx(1 - 2 * SITTINGS[0].same)
    assert (c.both.interval_better, c.both.interval_same) == (c.sequences_better, c.sequences_same)
    assert c.both.floor is not None
    assert 0 < c.both.floor < (c.both.interval_better.high - c.both.interval_better.low) / 2


def test_it_has_looks_of_its_own() -> None:
    """Where the first sitting decides over seeds alone, it need not over both; and no later pair undoes what it did."""
    top = layout(1.5, 0.1, 0.9, 11, 10)
    first = compared(top, looks=SITTINGS)
    assert first.verdict is not None
    assert first.both is not None
    assert (first.verdict.outcome, first.verdict.pairs) == ("better", 6)
    assert (first.both.outcome, first.both.pairs, first.both.next_look) == ("undecided", 6, 12)
    turned = np.concatenate([layout(2.5, 0.1, 0.5, 6, 10), np.full((18, 10), -9.0)])
    stands = compared(turned, looks=SITTINGS)
    assert stands.both is not None
    assert (stands.both.outcome, stands.both.winner, stands.both.pairs) == ("better", "gru", 6)


def test_no_verdict_below_six_pairs_before_the_look_or_without_the_sequences() -> None:
    few, early = compared(layout(9.0, 0.1, 0.1, 5, 20)), compared(layout(9.0, 0.1, 0.1, 5, 20), looks=SITTINGS)
    for c in (few, early):
        assert c.both is not None
        assert (c.both.outcome, c.both.look) == ("no verdict", None)
    assert early.both is not None
    assert "5 pairs are complete, and the plan looks at 6" in early.both.sentence
    unknown, single = compared(layout(9.0, 0.1, 0.1, 8, 20), known=False), compared(np.full((8, 1), 9.0))
    assert unknown.both is not None
    assert single.both is not None
    assert unknown.both.sentence.startswith("jsb: no verdict; the runs were tested on different data")
    assert single.both.sentence == "jsb: no verdict; there are too few test sequences to generalise beyond these."
    assert unknown.verdict is not None
    assert unknown.verdict.outcome == "better"
