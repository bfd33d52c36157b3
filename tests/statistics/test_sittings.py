"""Sittings: levels that add up, what fits in the time, an interval that may be watched."""

import math

import numpy as np
import pytest
from scipy import stats

from src.statistics.decision import LEAST, decide
from src.statistics.intervals import t_interval
from src.statistics.looks import Look
from src.statistics.power import BETTER, SAME, power_better, power_same
from src.statistics.sittings import LEAST_CAP, TRIALS, allocation, confidence_sequence, look_of, share, visible


def test_all_sittings_together_have_the_levels_of_one_look() -> None:
    looks = [look_of(sitting, 7) for sitting in range(1, 60)]
    assert sum(share(sitting) for sitting in range(1, 60)) == pytest.approx(1)
    assert sum(look.better for look in looks) == pytest.approx(BETTER)
    assert sum(look.same for look in looks) == pytest.approx(SAME)
    assert [look.pairs for look in looks[:4]] == [7, 14, 28, 56]


def test_power_is_that_of_the_reference() -> None:
    """At 10, 20 and 40 pairs, the spread as large as the margin, equal models are called the same so often."""
    powers = [power_same(0.0, 1.0, 1.0, look.pairs, look.same) for look in (look_of(s, 10) for s in (1, 2, 3))]
    assert powers == pytest.approx([0.70, 0.95, 1.00], abs=0.012)


@pytest.mark.parametrize(("margin", "mean", "wrong"), [(None, 0.0, "better"), (1.0, 1.0, "same")])
def test_sittings_together_err_in_5_percent_and_with_a_full_level_each_in_more(
    margin: float | None, mean: float, wrong: str
) -> None:
    rng, sessions = np.random.default_rng(2), 800
    drawn = rng.normal(mean, 1.0, (sessions, 80))
    rates = []
    for looks in ([look_of(s, 10) for s in range(1, 5)], [Look(look_of(s, 10).pairs) for s in range(1, 5)]):
        rates.append(
            sum(any(decide(x[: k.pairs], margin, ("A", "B"), look=k)[0] == wrong for k in looks) for x in drawn)
            / sessions
        )
    most = stats.binom.ppf(0.999, sessions, 0.05) / sessions
    assert rates[0] <= most < rates[1]


@pytest.mark.parametrize("seconds", [60, 333, 600, 1800, 3600, 36000])
@pytest.mark.parametrize("models", [2, 3, 5])
@pytest.mark.parametrize("run_seconds", [0.7, 4.1, 24.0, 100.0, 900.0])
def test_what_is_allocated_fits_in_the_time(seconds: int, models: int, run_seconds: float) -> None:
    made = allocation(seconds, 2, run_seconds, models)
    assert (made.pairs + made.trials) * models <= made.runs
    assert made.runs * run_seconds * made.cap <= 0.8 * seconds * 2 + 1e-6
    assert 0 < made.cap <= 1
    assert made.planned == (made.pairs >= LEAST) == (made.reason is None)
    if made.planned:
        assert made.trials >= TRIALS
        assert made.runs - (made.pairs + made.trials) * models < models  # no run is left that each could have
    assert made.cap == 1 or made.runs <= (LEAST + TRIALS) * models


def test_pairs_trials_and_cap_are_those_of_the_reference() -> None:
    for runs in (20, 27, 64, 100):
        made = allocation(runs * 10 / 0.8, 1, 10, 2)
        assert (made.runs, made.pairs, made.cap) == (runs, max(6, math.floor(0.3 * runs + 1e-9)), 1.0)
        assert made.trials == runs // 2 - made.pairs
    short = allocation(15 * 10 / 0.8, 1, 10, 2)  # 15 runs of full length
    assert (short.runs, short.pairs, short.trials, short.cap, short.planned) == (20, 6, 4, 0.75, True)
    none = allocation(1 * 10 / 0.8, 1, 10, 2)
    assert (none.runs, none.pairs, none.trials, none.cap, none.planned) == (4, 0, 2, LEAST_CAP, False)
    assert none.reason == "4 runs fit, each with 25% of its updates, but 20 are needed: 6 pairs and 4 trials per model"


def test_the_watched_interval_seldom_ever_misses_where_t_often_does() -> None:
    rng, paths = np.random.default_rng(3), 400
    missed = {"watched": 0, "t": 0}
    for x in rng.normal(0.5, 1.0, (paths, 60)):
        for name, interval in (("watched", confidence_sequence), ("t", t_interval)):
            made = [interval(x[:n]) for n in range(2, 61)]
            missed[name] += any(i is not None and not i.low <= 0.5 <= i.high for i in made)
    assert missed["watched"] <= stats.binom.ppf(0.999, paths, 0.05)
    assert missed["t"] > 0.2 * paths


def test_the_watched_interval_by_its_formula() -> None:
    assert confidence_sequence(np.array([1.0])) is None
    assert confidence_sequence(np.array([1.0, 2.0])) is None  # the whole line
    x = np.arange(10.0)
    made = confidence_sequence(x)
    assert made is not None
    # The likelihood ratio of the t mixture at an end is 1 / alpha (Lai 1976, with n mu^2 / s^2 in place of t).
    n, c, mean = 10, 0.3, x.mean()
    t2 = n * (made.high - mean) ** 2 / x.var(ddof=1) / (n - 1)
    ratio = math.sqrt(c / (n + c)) * ((1 + t2) / (1 + c / (n + c) * t2)) ** (n / 2)
    assert ratio == pytest.approx(20)
    still = confidence_sequence(np.full(10, 0.25))
    assert still is not None
    assert still.low == still.high == 0.25


def test_the_visible_difference_is_found_in_four_of_five() -> None:
    look = look_of(1, 8)
    difference = visible(0.4, 0.1, look)
    assert difference is not None
    assert float(power_better(difference, 0.4, 0.1, 8, look.better)) == pytest.approx(0.8, abs=1e-6)
    assert visible(0.0, 0.1, look) is None
