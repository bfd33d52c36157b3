"""Simulated studies with a known truth: the verdict is wrong no more often, and right as often, as it says.

Further rates, those of docs/error_rates.md among them: ``python -m benchmarks.rates``.
"""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from src.analysis.answer import summarise
from src.analysis.asked import Asked, asked
from src.analysis.collect import Collection
from src.analysis.run import Run
from src.analysis.sequences import Sequences
from src.analysis.summary import Summary
from src.statistics.decision import ERROR_RATE, decide
from src.statistics.intervals import bca_interval, t_interval, wilson_interval
from src.statistics.paired import signed_rank
from src.statistics.power import BETTER, SAME, detectable, power, power_same
from src.tasks.metrics import Metric

NAMES = ("gru", "lstm")
NLL = Metric("nll", "min", "nats", "loss", "count")
SD, MARGIN = 0.1, 0.05
QUICK = 500  # simulated studies where a test must be over in seconds
WHOLE = 200


def rates(mean: float, pairs: int, studies: int = QUICK, sd: float = SD, margin: float | None = MARGIN) -> Counter[str]:
    """How often each outcome is the verdict, as a share, over studies whose true difference is ``mean``."""
    rng = np.random.default_rng(11)
    outcomes = Counter(
        {"better": "A"}.get(outcome, outcome) if winner != NAMES[1] else "B"
        for outcome, winner in (decide(rng.normal(mean, sd, pairs), margin, NAMES) for _ in range(studies))
    )
    return Counter({name: count / studies for name, count in outcomes.items()})  # type: ignore[misc]


def at_most(rate: float, studies: int) -> float:
    """What a true rate stays below in 999 of 1000 simulations."""
    return float(stats.binom.ppf(0.999, studies, rate)) / studies


# ------------------------------------------------------------------------------------------------------ the verdict


@pytest.mark.parametrize("pairs", [6, 10, 29])
@pytest.mark.parametrize("margin", [None, MARGIN])
def test_equal_models_are_seldom_called_better(pairs: int, margin: float | None) -> None:
    share = rates(0.0, pairs, margin=margin)
    assert share["A"] + share["B"] <= at_most(ERROR_RATE, QUICK)


@pytest.mark.parametrize("pairs", [10, 29])
def test_a_difference_on_the_margin_is_seldom_called_either(pairs: int) -> None:
    """The hardest truths: just inside, "better" is wrong; just outside, "same" is."""
    share = rates(MARGIN, pairs, sd=0.03)
    assert share["A"] <= at_most(ERROR_RATE / 2, QUICK)
    assert share["same"] <= at_most(ERROR_RATE, QUICK)
    # And the levels are used up: a verdict that never errs is no test.
    assert share["A"] > 0.01
    assert share["same"] > 0.025


def test_a_verdict_without_the_margin_would_be_wrong_too_often() -> None:
    """The fault this guards against: the 95 % interval against 0 calls practically equal models better."""
    inside = rates(0.04, 29, sd=0.05, margin=None)
    assert inside["A"] > 0.5
    assert rates(0.04, 29, sd=0.05)["A"] <= at_most(ERROR_RATE / 2, QUICK)


@pytest.mark.parametrize("pairs", [6, 10, 29])
def test_a_difference_is_found_at_the_power_that_is_printed(pairs: int) -> None:
    difference = detectable(SD, MARGIN, pairs, BETTER)
    assert difference is not None
    assert rates(difference, pairs)["A"] == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("pairs", [6, 10, 29])
def test_equality_is_found_at_the_power_that_is_printed(pairs: int) -> None:
    said = power_same(0.0, 0.06, MARGIN, pairs, SAME)
    assert rates(0.0, pairs, sd=0.06)["same"] == pytest.approx(said, abs=0.07)


@pytest.mark.parametrize(("pairs", "expected"), [(10, 0.46), (29, 0.92)])
def test_the_signed_rank_test_has_the_power_that_is_printed(pairs: int, expected: float) -> None:
    rng = np.random.default_rng(12)
    draws = rng.normal(stats.norm.ppf(0.75), 1.0, (QUICK, pairs))
    tests = [signed_rank(x) for x in draws]
    hits = np.mean([test is not None and test[1] < 0.05 for test in tests])
    assert hits == pytest.approx(power(pairs), abs=0.07)
    assert power(pairs) == pytest.approx(expected, abs=0.012)


# ---------------------------------------------------------------------------------------------------- the intervals


def coverage(shape: str, pairs: int, studies: int) -> dict[str, tuple[float, float]]:
    """Of 95 % intervals of a mean: ours, and what scipy alone gives over the same draws."""
    rng = np.random.default_rng(13)
    draw = rng.normal if shape == "normal" else lambda loc, scale, size: rng.exponential(scale, size)
    ours, theirs = Counter[str](), Counter[str]()
    for x in draw(1.0, 1.0, (studies, pairs)):
        for name, interval in (("t", t_interval(x)), ("BCa", bca_interval(x))):
            assert interval is not None
            ours[name] += interval.low <= 1.0 <= interval.high
        half = stats.t.ppf(0.975, pairs - 1) * stats.sem(x)
        theirs["t"] += bool(abs(x.mean() - 1.0) <= half)
        bca = stats.bootstrap((x,), np.mean, n_resamples=999, method="BCa", rng=rng).confidence_interval
        theirs["BCa"] += bool(bca.low <= 1.0 <= bca.high)
    return {name: (ours[name] / studies, theirs[name] / studies) for name in ours}


@pytest.mark.parametrize("pairs", [10, 29])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_intervals_cover_as_often_as_scipys(pairs: int, shape: str) -> None:
    cover = coverage(shape, pairs, 300)
    assert cover["t"][0] == cover["t"][1]
    assert cover["BCa"][0] == pytest.approx(cover["BCa"][1], abs=0.025)
    if pairs == 29 and shape == "normal":
        assert min(cover["t"][0], cover["BCa"][0]) >= 0.92


def wilson_coverage(pairs: int, probability: float) -> float:
    """Exactly, over all numbers of wins."""
    wins = np.arange(pairs + 1)
    inside = [i.low <= probability <= i.high for i in (wilson_interval(int(k), pairs) for k in wins)]
    return float(stats.binom.pmf(wins, pairs, probability)[inside].sum())


@pytest.mark.parametrize(("pairs", "probability"), [(10, 0.5), (10, 0.75), (10, 0.9), (29, 0.75), (29, 0.9)])
def test_wilsons_interval_covers(pairs: int, probability: float) -> None:
    """Where the percentile bootstrap has 0.65 at 10 pairs and 0.9."""
    assert wilson_coverage(pairs, probability) >= 0.92


# ------------------------------------------------------------------------------------------------------ whole studies


def study(
    rng: np.random.Generator, difference: float, pairs: int = 10, sequences: int = 40
) -> tuple[Collection, Asked]:
    """Runs of two data sets: on ``first`` A is better by ``difference``, on ``second`` the two are equal.

    The test sequences are a sample too: each favours one of the models by an amount of its own (SD 0.1).
    """
    collection = Collection("planted", "study", ["planted"])
    for data, gap in (("first", difference), ("second", 0.0)):
        counts = rng.integers(20, 60, sequences).astype(float)
        favours = rng.normal(0, 0.1, sequences)
        for seed in range(pairs):
            level = 8.5 + rng.normal(0, 0.3)
            for model in NAMES:
                behind = gap + favours if model == "lstm" else 0.0
                loss = counts * (level + behind + rng.normal(0, SD / np.sqrt(2)) + rng.normal(0, 0.2, sequences))
                of = Sequences(data, sequences, {"loss": loss, "count": counts})
                name = f"{data}{model}{seed}"
                metrics = {"test/nll": of.ratio(NLL) or 0.0}
                run = Run(name, seed, "finished", model=model, data_name=data, metrics=metrics, identity=name)
                collection.runs.append(run)
                collection.sequences[name] = of
    return collection, asked(collection, models=NAMES, metric="test/nll", margin=MARGIN)


def verdicts(summary: Summary) -> dict[str, str]:
    return {task.data: c.verdict.winner or c.verdict.outcome for task, c in summary.headline() if c.verdict}


@pytest.mark.slow
def test_two_hundred_whole_studies() -> None:
    """From runs to the summary: verdicts, printed power, and the intervals over other test sequences."""
    rng = np.random.default_rng(14)
    # What a seed adds to the difference of a pair, sequences' noise included; what sequences add is the same for all.
    spread = np.hypot(SD, np.sqrt(2) * 0.2 / np.sqrt(40))
    difference = detectable(spread, MARGIN, 10, BETTER)
    assert difference is not None
    said, covered = {"first": Counter[str](), "second": Counter[str]()}, Counter[str]()
    for _ in range(WHOLE):
        summary = summarise(*study(rng, difference, pairs=10))
        for data, outcome in verdicts(summary).items():
            said[data][outcome] += 1
        for task, comparison in summary.headline():
            truth = difference if task.data == "first" else 0.0
            for name, interval in (("seeds", comparison.t), ("sequences", comparison.sequences)):
                assert interval is not None
                covered[name] += interval.low <= truth <= interval.high
    shares = {data: {k: v / WHOLE for k, v in counts.items()} for data, counts in said.items()}
    coverage = {name: count / (2 * WHOLE) for name, count in covered.items()}
    print(f"\n{WHOLE} studies, difference {difference:.3f}: {shares}; over other sequences: {coverage}")
    wrong = said["second"]["gru"] + said["second"]["lstm"]
    assert wrong / WHOLE <= at_most(ERROR_RATE, WHOLE)
    assert shares["first"]["gru"] == pytest.approx(0.8, abs=0.1)
    assert said["first"]["lstm"] + said["first"]["same"] <= at_most(ERROR_RATE, WHOLE) * WHOLE
    assert coverage["sequences"] > coverage["seeds"] + 0.02
    assert coverage["sequences"] >= 0.9
