"""Every figure held against a formula, a table or another library; the planted fault must be seen."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from src.analysis.compare import adjusted, compare, over_sequences
from src.analysis.models import Model, Point, sum_up
from src.analysis.pairs import Pair, make_pairs, ranked_of
from src.analysis.sequences import Sequences
from src.analysis.task import Task
from src.statistics.datasets import friedman, interquartile_mean, pooled_iqm, profile, stratified
from src.statistics.intervals import bca_interval, t_interval, wilson_interval
from src.statistics.paired import correlation, probability_better, signed_rank
from src.statistics.power import detectable, pairs_for_80, power, power_better, power_same, power_same_at_least
from src.tasks.metrics import Metric

X = np.array([0.31, -0.12, 0.25, 0.08, 0.19, -0.03, 0.22, 0.4, 0.11, 0.05])
NLL = Metric("nll", "min", "nats", "loss", "count")
TASK = Task("jsb", "main", "test/nll", "nats", "min", 0.05, [], [])


def points(values: list[float | None], status: str = "finished") -> list[Point]:
    return [
        Point(seed, value, f"r{seed}", status if value is not None else "diverged") for seed, value in enumerate(values)
    ]


# ------------------------------------------------------------------------------------------------------- intervals


def test_t_interval_is_the_textbook_one() -> None:
    half = stats.t.ppf(0.975, 9) * X.std(ddof=1) / math.sqrt(10)
    interval = t_interval(X)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((X.mean() - half, X.mean() + half), rel=1e-12)
    assert t_interval([1.0]) is None


def test_bca_of_differences_is_the_paired_bca_of_two_samples() -> None:
    a = np.linspace(8.4, 8.6, 10)
    interval = bca_interval(X)
    paired = stats.bootstrap(
        (a + X, a),
        lambda b, a, axis: (b - a).mean(axis=axis),
        paired=True,
        n_resamples=9999,
        method="BCa",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((paired.low, paired.high), abs=0.01)
    assert interval == bca_interval(X)  # the same digits every time
    assert bca_interval([1.0, 1.0, 1.0]) is None


@pytest.mark.parametrize(("wins", "number"), [(7, 10), (10, 10), (0, 5), (20, 29)])
def test_wilson_is_scipys(wins: int, number: int) -> None:
    expected = stats.binomtest(wins, number).proportion_ci(0.95, "wilson")
    interval = wilson_interval(wins, number)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


# ----------------------------------------------------------------------------------------------------------- pairs


def test_differences_are_the_advantage_of_a_whatever_the_mode() -> None:
    a, b = points([8.5, 8.6]), points([8.7, 8.5])
    assert [p.difference for p in make_pairs(a, b, "min")] == pytest.approx([0.2, -0.1])
    assert [p.difference for p in make_pairs(a, b, "max")] == pytest.approx([-0.2, 0.1])


def test_pairs_are_made_by_seed_and_missing_ones_are_named() -> None:
    a = [Point(0, 1.0, "a0", "finished"), Point(2, 1.0, "a2", "finished"), Point(3, None, "a3", "failed")]
    b = [Point(2, 2.0, "b2", "chance"), Point(1, 2.0, "b1", "finished"), Point(3, 1.0, "b3", "finished")]
    assert [(p.seed, p.state) for p in make_pairs(a, b, "min")] == [
        (0, "missing"),
        (1, "missing"),
        (2, "complete"),
        (3, "missing"),
    ]


def test_a_diverged_run_ranks_worst() -> None:
    a = points([8.5, None, 8.5, None])
    b = points([8.6, 8.6, None, None])
    pairs = make_pairs(a, b, "min")
    assert [p.state for p in pairs] == ["complete", "a diverged", "b diverged", "both diverged"]
    ranked = ranked_of(pairs)
    assert ranked[1] == -ranked[2]
    assert ranked[1] < -abs(ranked[0])
    assert ranked[3] == 0
    better = probability_better(ranked, ("gru", "lstm"))
    assert better is not None
    assert (better.wins, better.ties, better.losses, better.estimate) == (2, 1, 1, 0.625)


def test_probability_is_read_as_bouthillier_does() -> None:
    def reading(wins: int, losses: int) -> str:
        better = probability_better(np.array([1.0] * wins + [-1.0] * losses), ("gru", "lstm"))
        assert better is not None
        return better.reading

    assert reading(6, 4) == "not significant"
    assert reading(20, 9) == "gru more often: significant and meaningful"
    assert reading(9, 20) == "lstm more often: significant and meaningful"
    assert reading(600, 400) == "gru more often: significant, not meaningful"  # interval 0.57 to 0.63


def exact_signed_rank(x: np.ndarray) -> float:
    """p by going through all 2^n signs of the mid-ranks."""
    x = x[x != 0]
    ranks = stats.rankdata(np.abs(x))
    observed = ranks[x > 0].sum()
    sums = np.array([np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=len(x))])
    return min(1.0, 2 * min((sums >= observed).mean(), (sums <= observed).mean()))


@pytest.mark.parametrize("x", [X, np.array([1.0, 2, 2, -1, 0, 3, 5]), np.array([0.5, 0.5, 0.5, -0.5, 1.0, 1.0])])
def test_signed_rank_is_exact_with_ties_and_zeros(x: np.ndarray) -> None:
    test = signed_rank(x)
    assert test is not None
    assert test[1] == pytest.approx(exact_signed_rank(x), abs=1e-12)
    assert test[0] == stats.wilcoxon(x, method="asymptotic").statistic


@pytest.mark.parametrize("unit", [100, 370])
def test_ties_survive_the_last_digits(unit: int) -> None:
    """Accuracies of so many sequences, recorded in float32: equal counts give equal ranks."""
    for seed in range(20):
        right = np.random.default_rng(seed).integers(0, 12, size=(2, 9)) + 0.9 * unit
        a, b = (np.float32(row / unit).astype(float).tolist() for row in right.round())
        test = signed_rank(ranked_of(make_pairs(points(a), points(b), "max")), max(*a, *b))
        assert test is not None
        counts = np.subtract(*right.round())
        assert test[1] == pytest.approx(exact_signed_rank(counts) if counts.any() else 1.0)


def test_signed_rank_of_nothing() -> None:
    assert signed_rank(np.array([])) is None
    assert signed_rank(np.zeros(2)) == (0.0, 1.0)


def test_holm_goes_over_all_tasks_and_pairs() -> None:
    """By hand: sorted p times the number of tests left, never smaller than the one before."""
    rng = np.random.default_rng(0)
    tasks = []
    for name in ("one", "two"):
        models = [sum_up(m, [], points(list(rng.normal(8.5 + 0.2 * i, 0.2, 8)))) for i, m in enumerate("abc")]
        task = Task(name, "main", "test/nll", "nats", "min", 0.05, models, [])
        comparisons = [compare(task, a, b, primary=False, sequences={}) for a, b in itertools.combinations(models, 2)]
        tasks.append(Task(name, "main", "test/nll", "nats", "min", 0.05, models, comparisons))
    tests = [c.wilcoxon for task in adjusted(tasks) for c in task.comparisons if c.wilcoxon]
    assert len(tests) == 6
    running = 0.0
    for place, test in enumerate(sorted(tests, key=lambda t: t.p)):
        running = max(running, min(1.0, test.p * (6 - place)))
        assert test.p_holm == pytest.approx(running, rel=1e-12)
        assert test.comparisons == 6


def test_correlation_within_pairs_and_what_it_saves() -> None:
    rng = np.random.default_rng(1)
    level = rng.normal(8.5, 0.1, 200)
    a, b = level + rng.normal(0, 0.02, 200), level + rng.normal(0, 0.02, 200)
    r, saved = correlation(a, b)
    assert r == pytest.approx(0.01 / (0.01 + 0.0004), abs=0.02)
    assert saved is not None
    assert r is not None
    assert saved == pytest.approx(1 - r, abs=0.01)  # equal variances: var(a - b) = 2 var (1 - r)


# ----------------------------------------------------------------------------------------------------------- power


@pytest.mark.parametrize(
    ("pairs", "comparisons", "expected"),
    [
        *((10, 1, 0.46), (29, 1, 0.92), (44, 1, 0.99)),
        *((10, 4, 0.19), (29, 4, 0.80), (44, 4, 0.96)),
        *((10, 12, 0.10), (29, 12, 0.68), (44, 12, 0.90)),
    ],
)
def test_power_of_the_signed_rank_test(pairs: int, comparisons: int, expected: float) -> None:
    """The values that other simulations gave (to two digits)."""
    assert power(pairs, comparisons) == pytest.approx(expected, abs=0.012)


def test_pairs_for_a_power() -> None:
    number = pairs_for_80()
    assert number is not None
    assert power(number) > 0.78 > power(number - 3)


def test_power_of_the_verdicts_tests_by_simulation() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(0.1, 0.1, (20_000, 12))
    hits = stats.ttest_1samp(draws, 0.03, axis=1, alternative="greater").pvalue < 0.025
    assert power_better(0.1, 0.1, 0.03, 12, 0.025) == pytest.approx(hits.mean(), abs=0.012)
    draws = rng.normal(0.01, 0.05, (20_000, 12))
    upper = stats.ttest_1samp(draws, 0.05, axis=1, alternative="less").pvalue < 0.05
    lower = stats.ttest_1samp(draws, -0.05, axis=1, alternative="greater").pvalue < 0.05
    both = (upper & lower).mean()
    assert power_same(0.01, 0.05, 0.05, 12, 0.05) == pytest.approx(both, abs=0.012)
    assert power_same_at_least(0.01, 0.05, 0.05, np.array([12]), 0.05)[0] == pytest.approx(both, abs=0.012)
    difference = detectable(0.1, 0.03, 12, 0.025)
    assert difference is not None
    assert power_better(difference, 0.1, 0.03, 12, 0.025) == pytest.approx(0.8, abs=1e-3)


# --------------------------------------------------------------------------------------------- seeds and sequences


def sequences_like(value: np.ndarray, counts: np.ndarray, rows: str = "x") -> Sequences:
    return Sequences(rows, len(counts), {"loss": value * counts, "count": counts})


def test_intervals_over_sequences_need_the_same_sequences_and_the_metric_on_record() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(5, 50, 30).astype(float)
    of = {f"{m}{s}": sequences_like(rng.normal(8 + (m == "b"), 1, 30), counts) for m in "ab" for s in range(5)}
    values = {m: [float(of[f"{m}{s}"].ratio(NLL) or 0) for s in range(5)] for m in "ab"}
    pairs = [
        Pair(s, values["a"][s], values["b"][s], values["b"][s] - values["a"][s], f"a{s}", f"b{s}", "complete")
        for s in range(5)
    ]
    made = over_sequences(TASK, pairs, NLL, of)
    assert made.better is not None
    assert made.same is not None
    assert made.note == "over 5 seeds and 30 test sequences"
    mean, over_seeds = np.mean([p.difference for p in pairs]), t_interval(np.array([p.difference for p in pairs]))
    assert over_seeds is not None
    assert made.better.low < made.same.low < mean < made.same.high < made.better.high
    assert made.better.high - made.better.low >= over_seeds.high - over_seeds.low
    other = {**of, "b3": sequences_like(np.ones(30), counts, rows="y")}
    assert over_sequences(TASK, pairs, NLL, other).note == "The runs were not all tested on the same sequences."
    wrong = {**of, "b3": sequences_like(np.ones(30), counts)}
    assert (
        over_sequences(TASK, pairs, NLL, wrong).note == "The sums over sequences do not reproduce the recorded metric."
    )
    del other["b3"]
    assert "record of its losses" in over_sequences(TASK, pairs, NLL, other).note
    assert over_sequences(TASK, pairs, NLL, None).note.startswith("The runs were tested on different data")


# ------------------------------------------------------------------------------------------------- across the tasks

# Frozen: rliable 1.2.0 with pandas 2.2.3, numpy 1.26.4 (it does not import beside pandas 3), runs x tasks:
#   metrics.aggregate_iqm(a), library.create_performance_profile({"a": a}, tau, reps=10),
#   library.get_interval_estimates({"a": a}, aggregate_iqm, reps=20000)
SCORES = [
    [0.6, 0.66, 0.545],
    [0.422, 0.509, 0.402],
    [0.612, 0.868, 0.502],
    [0.476, 0.698, 0.671],
    [0.621, 0.414, 0.594],
]
OTHERS = [
    [0.674, 0.164, 0.386],
    [0.025, 0.178, 0.04],
    [0.441, 0.183, 0.568],
    [0.539, 0.453, -0.129],
    [0.365, 0.488, 0.528],
]


def by_task(scores: list[list[float]]) -> dict[str, list[float]]:
    return {f"task{i}": list(column) for i, column in enumerate(zip(*scores, strict=True))}


def test_interquartile_mean_is_rliables() -> None:
    assert pooled_iqm(by_task(SCORES)) == pytest.approx(0.5687777777777777, abs=1e-12)
    assert pooled_iqm(by_task(OTHERS)) == pytest.approx(0.354, abs=1e-12)
    assert interquartile_mean([0.0, 1.0, 2.0, 100.0]) == 1.5


def test_profile_is_rliables() -> None:
    expected = [1.0, 1.0, 0.73333333, 0.06666667, 0.0]
    assert profile(by_task(SCORES), [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx(expected, abs=1e-8)


def test_stratified_interval_is_rliables() -> None:
    interval = stratified(by_task(SCORES))
    assert (interval.low, interval.high) == pytest.approx((0.49711111, 0.62588889), abs=0.01)


def test_data_sets_weigh_the_same_however_many_runs_they_have() -> None:
    few, many = [0.0, 0.1, 0.2, 0.3], [1.0, 1.1, 1.2, 1.3]
    once, often = {"x": few, "y": many}, {"x": few * 7, "y": many}
    assert pooled_iqm(often) == pytest.approx(pooled_iqm(once), abs=1e-12)
    assert interquartile_mean([v for of in often.values() for v in of]) < 0.2  # what pooling the runs would say


def test_friedman_ranks_by_hand() -> None:
    means = [[0.9, 0.8, 0.7]] * 6 + [[0.7, 0.8, 0.9]] * 4
    ranks, statistic, p = friedman(means, ["max"] * 10)
    assert ranks == pytest.approx([1.8, 2.0, 2.2])
    # 12 n / (k (k + 1)) (sum of squared mean ranks - k (k + 1)^2 / 4), Demsar 2006, section 3.2.2
    assert statistic == pytest.approx(12 * 10 / 12 * (1.8**2 + 2.0**2 + 2.2**2 - 12))
    assert p == pytest.approx(stats.chi2.sf(statistic, 2))
    assert friedman(means, ["min"] * 10)[0] == pytest.approx([2.2, 2.0, 1.8])


def test_a_model_is_summed_up() -> None:
    model: Model = sum_up("gru", [], points([8.0, 8.2, 8.9, None]))
    assert (model.n, model.diverged, model.median) == (3, 1, 8.2)
    assert model.mean == pytest.approx(25.1 / 3)
    assert model.sd == pytest.approx(np.std([8.0, 8.2, 8.9], ddof=1))
    assert model.solve_rate is None  # none of them says whether it solved the task
    solved = [Point(s, 0.1, f"r{s}", "finished", solved=s > 0) for s in range(4)]
    assert sum_up("gru", [], solved).solve_rate == 0.75
