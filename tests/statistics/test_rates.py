"""Re-splits, solve rates, the luck of a search, posterior over data sets: against published examples or simulation."""

import numpy as np
import pytest
from scipy import stats

from src.statistics.datasets import cliques, improvement, probability_of_improvement, signed_rank_posterior
from src.statistics.intervals import t_interval
from src.statistics.resplits import over_splits
from src.statistics.solved import solve_rates
from src.statistics.trials import sigma_tune


def paired(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        ((14, 5, 0, 22), 0.011, 0.226),  # Altman et al., Statistics with Confidence, 2000, table 6.2
        ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland et al. 2014, airway hyper-responsiveness
    ],
)
def test_newcombes_interval_is_the_published_one(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    rates = solve_rates(*paired(*cells))
    assert rates is not None
    assert (rates.interval.low, rates.interval.high) == pytest.approx((low, high), abs=0.0005)


def test_mid_p_is_fagerlands() -> None:
    """Their airway example: 1 and 7 discordant pairs, mid-p 0.0391; and no discordant pair says nothing."""
    rates = solve_rates(*paired(0, 1, 7, 13))
    assert rates is not None
    assert rates.p == pytest.approx(0.0391, abs=5e-5)
    assert (rates.only_a, rates.only_b, rates.difference) == (1, 7, pytest.approx(-6 / 21))
    tied = solve_rates(*paired(3, 2, 2, 3))  # 6 of 16 outcomes are as likely as this one, all others are more extreme
    assert tied is not None
    assert tied.p == pytest.approx(1 - 6 / 16 / 2)
    equal = solve_rates(*paired(5, 0, 0, 5))
    assert equal is not None
    assert equal.p == 1.0
    assert solve_rates(np.zeros(0, bool), np.zeros(0, bool)) is None


def test_re_splits_are_not_independent_pairs() -> None:
    """The figures that failed: t over all runs covers 0.59 where sequences dominate; Nadeau and Bengio's does not."""
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(400):
        file = rng.normal(0, 1, 60)
        tests = [rng.permutation(60)[:12] for _ in range(5)]
        runs = np.array([file[test].mean() + rng.normal(0, 0.03, 6) for test in tests])
        corrected, naive = over_splits(runs.mean(1), 12, 48), t_interval(runs.ravel())
        assert corrected is not None
        assert naive is not None
        hits += [i.low <= 0 <= i.high for i in (corrected, naive)]
    assert hits[0] / 400 >= 0.92
    assert hits[1] / 400 < 0.75
    assert over_splits([0.1, 0.2, 0.3, 0.4], 12, 48) is None


def test_sigma_tune_is_what_resampling_trials_gives() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(8, 0.3, 10), rng.normal(8.2, 0.1, 10)
    drawn = [rng.choice(x, (100_000, 10)).min(1) for x in (a, b)]
    assert sigma_tune(a, b) == pytest.approx(float((drawn[0] - drawn[1]).std()), rel=0.01)
    assert sigma_tune([*a, np.inf], b) == pytest.approx(sigma_tune([*a, a.max()], b))
    assert sigma_tune([], [np.inf]) == 0.0


def test_the_posterior_is_baycomps() -> None:
    """Frozen from baycomp 1.0.3's SignedRankTest.probs(x, 0, rope=1, nsamples=200000); 20,000 draws here."""
    x = np.array([1.93, 0.31, 2.44, -0.22, 1.21, 0.84, 1.72, 2.27])
    got = signed_rank_posterior(x)
    assert (got.b, got.same, got.a) == pytest.approx(BAYCOMP, abs=0.01)
    assert got.b + got.same + got.a == pytest.approx(1.0)
    assert signed_rank_posterior(np.zeros(10)).same > 0.999


BAYCOMP = (0.0, 0.1728, 0.8272)


def test_probability_of_improvement_is_mann_whitneys_u() -> None:
    rng = np.random.default_rng(2)
    a = {"x": list(rng.normal(0.5, 1, 12)), "y": list(rng.normal(0, 1, 7))}
    b = {"x": list(rng.normal(0, 1, 9)), "y": list(rng.normal(0, 1, 7))}
    u = [stats.mannwhitneyu(a[k], b[k]).statistic / len(a[k]) / len(b[k]) for k in a]
    interval = probability_of_improvement(a, b)
    assert improvement(a, b) == pytest.approx(np.mean(u))
    assert interval.low < np.mean(u) < interval.high
    assert improvement({"x": [-np.inf]}, {"x": [-np.inf, 0.0]}) == 0.25


def test_cliques_are_the_lines_of_the_picture() -> None:
    different = np.zeros((4, 4), bool)
    for i, j in ((0, 2), (0, 3), (1, 3)):
        different[i, j] = different[j, i] = True
    assert cliques([1.0, 2.0, 3.0, 4.0], different.tolist()) == [[0, 1], [1, 2], [2, 3]]
    assert cliques([1.0, 2.0], [[False, True], [True, False]]) == []
