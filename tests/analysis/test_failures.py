"""Tasks that a run either solves or learns nothing of: failures that were not seen count, too."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.rates import outcome_of
from src.analysis.failures import Failures, failures_of
from src.analysis.models import Model, Point
from src.analysis.pairs import Pair
from src.analysis.sensitivity import by_margin, over_seeds
from src.analysis.task import Comparison, Task
from src.analysis.verdict import About, verdict
from src.statistics.looks import Look

MARGIN, COST = 0.01, 0.158


def pairs_of(number: int, failed: tuple[int, ...] = ()) -> tuple[list[Pair], Failures]:
    """Pairs whose losses are nearly 0, or the cost of a failure for some runs of B."""
    a = np.random.default_rng(0).uniform(0, 1e-4, (2, number))
    a[1, list(failed)] = COST
    made = [
        Pair(i, *map(float, a[:, i]), float(a[1, i] - a[0, i]), f"a{i}", f"b{i}", "complete") for i in range(number)
    ]
    return made, Failures(COST, {f"{m}{i}": m == "a" or i not in failed for m in "ab" for i in range(number)})


@pytest.mark.parametrize("pairs", [10, 60])
def test_called_the_same_on_the_margin_in_5_percent_of_studies(pairs: int) -> None:
    """B fails as often as moves the mean by the margin: the t test alone errs whenever no failure is seen."""
    rng, studies, share = np.random.default_rng(1), 300, 0.05
    drawn = rng.random((studies, pairs)) < share
    alone = sum(outcome_of(failed, share, rng, None) == "same" for failed in drawn) / studies
    told = sum(outcome_of(failed, share, rng, 1.0) == "same" for failed in drawn) / studies
    assert told <= stats.binom.ppf(0.999, studies, 0.05) / studies
    assert pairs == 60 or alone > 0.5


def test_the_number_of_pairs_that_is_asked_for_is_the_least_that_decides() -> None:
    needed = pairs_of(10)[1].needed(MARGIN, 0.05)
    assert needed == math.ceil(math.log(0.05) / math.log(1 - MARGIN / COST))
    outcomes = []
    for number in (needed - 1, needed):
        pairs, failures = pairs_of(number)
        outcomes.append(verdict(pairs, MARGIN, About(("gru", "lstm"), "adding", failures=failures)).outcome)
    assert outcomes == ["undecided", "same"]


def test_the_sentence_says_what_was_not_seen_and_what_it_takes() -> None:
    pairs, failures = pairs_of(10)
    said = verdict(pairs, MARGIN, About(("gru", "lstm"), "adding", "in test/mse", failures=failures))
    assert said.outcome == "undecided"
    assert said.failures == pytest.approx(COST * (1 - 0.05 ** (1 / 10)))  # the rule of three, exactly
    assert said.p_same == pytest.approx((1 - MARGIN / COST) ** 10)
    assert (
        "within the margin of 0.01 in test/mse, but failed runs too rare to appear in 10 pairs could change it by "
        "0.0409 in test/mse; to call them the same, 46 pairs without a failed run are needed."
    ) in said.sentence
    assert said.new_study == 46


def test_what_would_change_it_knows_of_failures() -> None:
    pairs, failures = pairs_of(10)
    said = verdict(pairs, MARGIN, About(("gru", "lstm"), "adding", failures=failures))
    c = Comparison("gru", "lstm", True, pairs, 10, mean=0.0, verdict=said)
    task = Task("adding", "main", "test/mse", "", "min", MARGIN)
    assert by_margin(task, c, said) == ["A margin above 0.0409 would make them practically the same."]
    assert over_seeds(task, c) == []


def test_looks_at_stricter_levels_need_more_pairs() -> None:
    pairs, failures = pairs_of(60)
    about = About(("gru", "lstm"), "adding", failures=failures)
    looks = [Look(50, 0.001, 0.001), Look(60)]
    assert verdict(pairs, MARGIN, about, looks).look == looks[1]
    assert verdict(pairs, MARGIN, about, [Look(50), Look(60)]).look == Look(50)


def test_better_is_said_as_before() -> None:
    pairs, failures = pairs_of(10, failed=tuple(range(9)))
    assert verdict(pairs, MARGIN, About(("gru", "lstm"), "adding", failures=failures)).outcome == "better"


def test_which_data_sets_it_is_for() -> None:
    points = [Point(0, 1e-4, "x", "finished", solved=True), Point(1, 0.16, "y", "chance", solved=False)]
    models = [Model("gru", points)]
    made = failures_of("adding", models, {"one": 0.158, "last": 0.3})
    assert made is not None
    assert made.cost == pytest.approx(0.158, abs=2e-4)
    assert made.solved == {"x": True, "y": False}
    assert failures_of("ett_h1", models, {"naive": 0.158}) is None
    assert failures_of("adding", [Model("gru", points[1:])], {"one": 0.158}) is None
