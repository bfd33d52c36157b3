"""The verdict: what it says where, in which words, and that its three statements contradict each other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from src.analysis.models import point
from src.analysis.pairs import Pair
from src.analysis.run import Run, flat
from src.analysis.verdict import About, Verdict, minutes
from src.analysis.verdict import verdict as verdict_of
from src.config.errors import UserError
from src.runs.result import Timing
from src.statistics.decision import LEAST, decide, pairs_to_decide
from src.statistics.looks import Look, planned_looks
from src.studies.progress import Reader

NAMES = ("gru", "lstm")


def pair(seed: int, difference: float | None, state: str = "complete") -> Pair:
    return Pair(seed, 0.0, difference, difference, f"a{seed}", f"b{seed}", state if difference is None else "complete")  # type: ignore[arg-type]


def verdict(
    differences: "np.ndarray | list[float]",
    margin: float | None,
    names: tuple[str, str],
    data: str,
    unit: str,
    lost: tuple[int, int] = (0, 0),
    looks: list[Look] | None = None,
    **about: object,
) -> Verdict:
    """Of complete pairs with these differences, and pairs that a diverged run has cost."""
    pairs = [pair(seed, float(value)) for seed, value in enumerate(differences)]
    pairs += [pair(len(pairs) + i, None, "a diverged") for i in range(lost[0])]
    pairs += [pair(len(pairs) + i, None, "b diverged") for i in range(lost[1])]
    return verdict_of(pairs, margin, About(names, data, unit, **about), looks)  # type: ignore[arg-type]


def spread(mean: float, sd: float, pairs: int) -> np.ndarray:
    """Differences with exactly that mean and standard deviation."""
    x = np.random.default_rng(0).normal(size=pairs)
    return mean + sd * (x - x.mean()) / x.std(ddof=1)


@pytest.mark.parametrize(
    ("mean", "margin", "outcome", "winner"),
    [
        (0.20, 0.05, "better", "gru"),
        (-0.20, 0.05, "better", "lstm"),
        (0.0, 0.05, "same", None),
        (0.02, 0.05, "same", None),  # not zero, and too small to matter
        (0.06, 0.05, "undecided", None),  # beyond the margin, but not surely
        (0.06, None, "better", "gru"),
        (0.0, None, "undecided", None),
        (0.0, 0.0, "undecided", None),
    ],
)
def test_outcomes(mean: float, margin: float | None, outcome: str, winner: str | None) -> None:
    answer = verdict(spread(mean, 0.03, 10), margin, NAMES, "jsb", "nats")
    assert (answer.outcome, answer.winner) == (outcome, winner)
    assert ("margin" in answer.method) == bool(margin)


@settings(max_examples=100, deadline=None)
@given(st.floats(-0.3, 0.3), st.floats(0.001, 0.3), st.integers(LEAST, 40), st.floats(0.001, 0.2))
def test_the_intervals_the_tests_and_the_verdict_say_the_same(mean: float, sd: float, n: int, margin: float) -> None:
    """Against t tests written out by hand; and A against B is B against A turned round."""
    x = spread(mean, sd, n)
    answer = verdict(x, margin, NAMES, "jsb", "")
    se, df = x.std(ddof=1) / np.sqrt(n), n - 1
    above = stats.t.sf((abs(x.mean()) - margin) / se, df)
    within = max(stats.t.sf((x.mean() + margin) / se, df), stats.t.cdf((x.mean() - margin) / se, df))
    assert answer.p_better == pytest.approx(above, rel=1e-6, abs=1e-12)
    assert answer.p_same == pytest.approx(within, rel=1e-6, abs=1e-12)
    if min(abs(above - 0.025), abs(within - 0.05)) > 1e-9:
        expected = "better" if above < 0.025 else "same" if within < 0.05 else "undecided"
        assert answer.outcome == expected
    turned = verdict(-x, margin, NAMES[::-1], "jsb", "")
    assert (turned.outcome, turned.winner) == (answer.outcome, answer.winner)
    assert turned.sentence == answer.sentence or answer.winner is None


def test_better_and_same_exclude_each_other() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        x = rng.normal(rng.uniform(-0.2, 0.2), 0.05, 8)
        answer = verdict(x, 0.05, NAMES, "jsb", "")
        assert answer.p_better is not None
        assert answer.p_same is not None
        assert not (answer.p_better < 0.025 and answer.p_same < 0.05)


def test_below_six_pairs_there_is_no_verdict_but_what_is_known() -> None:
    """How many there are, who was better how often and by how much, and what it takes to reach six."""
    assert verdict([], 0.05, NAMES, "jsb", "nats").sentence == "jsb: no verdict; no pair is complete, and 6 are needed."
    one = verdict([0.3], 0.05, NAMES, "jsb", "nats")
    assert (one.outcome, one.interval_better) == ("no verdict", None)
    assert one.sentence == "jsb: no verdict; one pair is complete, and 6 are needed; gru was better in 1 of 1."
    few = verdict([0.3, 0.2, -0.1], 0.05, NAMES, "jsb", "nats", seconds=[50.0, 60.0, 70.0])
    assert few.outcome == "no verdict"
    assert few.sentence == (
        "jsb: no verdict; 3 pairs are complete, and 6 are needed; gru was better in 2 of 3, and gru is ahead of lstm "
        "by 0.13 nats on average; 3 more take about 2.6 to 3.4 minutes."
    )
    assert verdict([5.0] * 5, 0.02, NAMES, "ucr", "").outcome == "no verdict"
    level = verdict([0.0], 0.05, NAMES, "jsb", "nats")
    assert level.sentence == "jsb: no verdict; one pair is complete, and 6 are needed; they were level."


def test_equal_pairs_decide_from_six_on() -> None:
    assert verdict([0.0] * (LEAST - 1), 0.02, NAMES, "ucr", "").outcome == "no verdict"
    assert verdict([0.0] * LEAST, 0.02, NAMES, "ucr", "").outcome == "same"


def test_only_planned_numbers_of_pairs_are_ever_tested() -> None:
    """Between two looks nothing is decided however clear it is, and what a look decided further pairs do not undo."""
    looks, clear = planned_looks([6, 12]), list(spread(0.5, 0.05, 12))
    before = verdict(clear[:5], 0.05, NAMES, "jsb", "nats", looks=looks)
    assert (before.outcome, before.look, before.next_look) == ("no verdict", None, 6)
    assert "the plan looks at 6;" in before.sentence
    first = verdict(clear[:6], 0.05, NAMES, "jsb", "nats", looks=looks)
    assert (first.outcome, first.winner, first.pairs) == ("better", "gru", 6)
    assert first.interval_better is not None
    assert first.interval_better.level == pytest.approx(1 - 2 * looks[0].better)
    turned = [*clear[:6], *(-9.0 for _ in range(6))]
    assert verdict(turned, 0.05, NAMES, "jsb", "nats", looks=looks).winner == "gru"
    open_first = verdict(spread(0.05, 0.05, 9), 0.05, NAMES, "jsb", "nats", looks=looks)
    assert (open_first.outcome, open_first.pairs, open_first.next_look) == ("undecided", 6, 12)
    assert open_first.sentence.endswith("; the plan looks again at 12 pairs.")


def test_where_the_test_sequences_are_the_limit_it_says_so() -> None:
    wide = verdict(spread(0.06, 0.1, 10), 0.05, NAMES, "jsb", "nats", floor=0.2)
    assert wide.sentence.endswith(
        "deciding for other test sequences as well would take more sequences, not more pairs."
    )


def test_minutes_are_a_range() -> None:
    assert minutes(10, [3600.0, 5400.0]) == "10 to 14 hours"  # the middle 80 %
    assert minutes(6, [60.0, 60.0]) == "6.0 minutes"
    assert minutes(0, [10.0]) is None


def test_a_verdict_never_favours_the_side_that_diverged_more() -> None:
    ahead = spread(0.3, 0.02, 8)
    assert decide(ahead, 0.05, NAMES, lost=(0, 2)) == ("better", "gru")
    assert decide(ahead, 0.05, NAMES, lost=(2, 2)) == ("better", "gru")
    assert decide(ahead, 0.05, NAMES, lost=(1, 0)) == ("undecided", None)
    assert decide(-ahead, 0.05, NAMES, lost=(0, 1)) == ("undecided", None)
    assert decide(spread(0.0, 0.01, 8), 0.05, NAMES, lost=(0, 1)) == ("undecided", None)
    answer = verdict(ahead, 0.05, NAMES, "jsb", "nats", lost=(1, 0))
    assert answer.new_study is None
    assert answer.sentence.endswith(
        ", beyond the margin; if runs diverged, models are never called the same, and the one that diverged more "
        "often never better; diverged and therefore excluded from the mean: 1 of gru."
    )


def test_sentences() -> None:
    """Numbers have the digits that their interval supports."""

    def said(mean: float, sd: float, pairs: int, margin: float | None = 0.05) -> str:
        return verdict(spread(mean, sd, pairs), margin, NAMES, "jsb", "nats").sentence

    assert said(0.2, 0.03, 10) == (
        "jsb: gru better than lstm, by 0.200 nats on average (95 % interval 0.179 to 0.221, 10 pairs): beyond the "
        "margin of 0.05 nats."
    )
    assert said(-0.2, 0.03, 10).startswith(
        "jsb: lstm better than gru, by 0.200 nats on average (95 % interval 0.179 to 0.221"
    )
    assert said(-0.02, 0.03, 29) == (
        "jsb: gru and lstm practically the same; lstm is ahead of gru by 0.020 nats on average (95 % interval 0.009 "
        "to 0.031, 29 pairs): within the margin of 0.05 nats; the difference is not zero, but too small to matter."
    )
    assert said(0.0, 0.2, 10) == (
        "jsb: undecided; gru and lstm are level on average (95 % interval -0.14 to 0.14, 10 pairs), which extends "
        "beyond the margin of 0.05 nats; a new study of about 139 pairs would decide in about 4 of 5 cases at this "
        "mean and spread; adding pairs to this one until it decides would exceed the 5 % error rate."
    )
    assert ": not zero, but possibly below the margin of 0.05 nats; " in said(0.07, 0.06, 10)
    assert said(0.05, 0.06, 10).endswith("deciding would take more than 1000 pairs at this mean and spread.")
    assert said(0.01, 0.06, 10, None).startswith("jsb: undecided")
    assert "no margin was fixed" in said(0.01, 0.06, 10, None)
    assert said(0.3, 0.06, 10, None).endswith("beyond 0, and no margin was fixed.")


@pytest.mark.parametrize(("mean", "sd"), [(0.12, 0.1), (0.0, 0.1), (0.03, 0.05), (-0.11, 0.12)])
def test_the_pairs_that_it_names_do_decide(mean: float, sd: float) -> None:
    """Simulated: with so many pairs in all, four of five studies are decided, and with fewer not."""
    first = spread(mean, sd, 6)
    number = pairs_to_decide(first, 0.05)
    assert number is not None
    rng = np.random.default_rng(7)

    def decided(pairs: int) -> float:
        draws = rng.normal(mean, sd, (1500, pairs))
        half = stats.sem(draws, axis=1) * stats.t.ppf([[0.975], [0.95]], pairs - 1)
        m = draws.mean(1)
        better, same = np.abs(m) - half[0] > 0.05, np.abs(m) + half[1] < 0.05
        return float((better | same).mean())

    assert decided(number) == pytest.approx(0.81, abs=0.04)
    assert decided(6 + (number - 6) // 2) < 0.75


def test_what_more_pairs_take_includes_reading_validation_and_the_test() -> None:
    """Four runs of 137 s in all were said to take 14 to 16 s: the time between the first and the last step."""
    timing = Timing(seconds=4.0)
    run = Run(id="a", seed=0, model="gru", data_name="ucr", status="finished", metrics={"test/nll": 1.0}, timing=timing)
    once = replace(run, attempts=1, started=100.0, ended=134.0)
    took = [
        each and each.seconds for each in (point(r, "test/nll", "min") for r in (run, once, replace(once, attempts=2)))
    ]
    assert took == [4.0, 34.0, 4.0]  # pauses between processes are no work
    assert flat(once)["attempts"] == 1  # so that a pack says the same as the folders


def test_a_folder_of_runs_that_is_no_study_is_for_compare(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"no study\.json.*are read by compare folders={tmp_path}\."):
        Reader(tmp_path).read()
