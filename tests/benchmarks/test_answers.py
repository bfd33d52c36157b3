"""Simulated sittings: what is said is what reports say, levels hold where naive ones do not, and the page's claim."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.answers import (
    CASES,
    MARKS,
    SAME,
    UNDECIDED,
    A,
    B,
    Half,
    first_said,
    in_turn,
    normal,
    said,
    sessions,
    skewed,
    wrong,
)
from src.statistics.crossed import over_seeds_and_sequences
from src.statistics.decision import decide_by
from src.statistics.sittings import look_of

PAGE = Path(__file__).parents[2] / "docs" / "error_rates.md"
NUMBER = 2000


def test_what_is_said_is_what_reports_say() -> None:
    """Session by session, from the same draws by the functions that reports use."""
    made = sessions(np.random.default_rng(0), normal, 6, 9, 1.0, 40)
    rng, counts = np.random.default_rng(0), dict.fromkeys(range(4), 0)
    of_seed, of_sequence = normal(rng, (40, 48, 1)) / np.sqrt(2), normal(rng, (40, 1, 9)) * np.sqrt(9 / 2)
    top = normal(rng, (40, 48, 9)) * np.sqrt(9 / 2) + of_seed + of_sequence
    for truth in (0.0, 1.0, 2.0, -3.0):
        turns = in_turn(made.looks, truth, 0.5, 1.0)
        for sitting, index in np.ndindex(turns.shape):
            look = look_of(sitting + 1, 6)
            cells = truth + 0.5 * top[index, : look.pairs]
            wide, narrow = (over_seeds_and_sequences(cells, np.ones(9), 1 - 2 * a) for a in (look.better, look.same))
            assert wide is not None
            assert narrow is not None
            outcome, winner = decide_by(wide.interval, narrow.interval, 1.0, ("A", "B"))
            expected = {"A": A, "B": B, "same": SAME, "undecided": UNDECIDED}[winner or outcome]
            assert turns[sitting, index] == expected
            counts[expected] += 1
    assert min(counts.values()) > 10


@pytest.mark.parametrize(("sequences", "ratio"), [(9, 0.1), (9, 10.0), (40, 1.0)])
def test_at_most_5_percent_are_wrong(sequences: int, ratio: float) -> None:
    """Over seeds alone it is far more where sequences matter; with a whole level at each look where seeds do."""
    made = sessions(np.random.default_rng(1), normal, 6, sequences, ratio, NUMBER)
    most = stats.binom.ppf(0.999, NUMBER, 0.05) / NUMBER
    worst = [
        max(wrong(in_turn(looks, truth, sd, margin), truth, margin) for truth, margin in CASES for sd in (0.2, 1.0))
        for looks in (made.looks, made.full, made.alone)
    ]
    assert worst[0] <= most
    assert worst[1] > most or ratio > 1
    assert worst[2] > most or ratio < 1


def test_skewed_differences_have_no_such_claim() -> None:
    made = sessions(np.random.default_rng(2), skewed, 6, 9, 1.0, NUMBER)
    turned = [Half(-look.mean, look.better, look.same) for look in made.looks]
    assert max(wrong(in_turn(looks, 1.0, 0.25, 1.0), 1.0, 1.0) for looks in (made.looks, turned)) > 0.06


def test_which_statements_are_wrong() -> None:
    looks = [Half(np.array([3.0, -3.0, 0.0, 9.0]), np.full(4, 1.0), np.full(4, size)) for size in (5.0, 0.5)]
    turns = in_turn(looks, 0.0, 1.0, 1.0)
    assert turns.tolist() == [[A, B, UNDECIDED, A], [A, B, SAME, A]]
    assert first_said(turns).tolist() == [A, B, SAME, A]
    assert [wrong(turns, truth, 1.0) for truth in (0.0, 1.0, 2.0)] == [0.75, 0.75, 0.5]
    assert wrong(turns[:, 2:3], 1.0, 1.0) == 1.0
    assert wrong(in_turn(looks, 0.0, 1.0, 0.0), 0.0, 0.0) == 0.75
    assert said(looks[0], 2.0, 1.0, 0.0).tolist() == [A, UNDECIDED, A, A]


def test_the_page_keeps_its_claim() -> None:
    table = PAGE.read_text().partition(MARKS[0])[2].partition(MARKS[1])[0]
    rows = re.findall(r"^\| \d+, \d+, (normal|skewed) \| (.*) \|$", table, re.MULTILINE)
    normals = [[float(cell) for cell in cells.split(" | ")] for kind, cells in rows if kind == "normal"]
    assert len(normals) == len(rows) / 2 == 6
    assert max(max(cells[: len(CASES)]) for cells in normals) <= 0.05
