"""Planned looks: levels against published boundaries, and all looks together err as seldom as one."""

import numpy as np
import pytest
from scipy import stats

from src.statistics.decision import decide
from src.statistics.looks import Look, planned_looks, spending_levels

NAMES = ("A", "B")


def test_levels_are_the_published_ones() -> None:
    """Lan-DeMets O'Brien-Fleming, one-sided 0.025 at equal steps: z of gsDesign's sfLDOF."""
    two = stats.norm.isf(spending_levels((5, 10), 0.025))
    assert two == pytest.approx([2.963, 1.969], abs=0.002)
    five = stats.norm.isf(spending_levels((2, 4, 6, 8, 10), 0.025))
    assert five == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.003)
    assert spending_levels((29,), 0.05) == pytest.approx([0.05])


def test_the_share_that_was_spent_is_what_the_last_look_lacks() -> None:
    rng = np.random.default_rng(0)
    paths = rng.normal(0, 1, (200_000, 29)).cumsum(1)
    crossed = np.zeros(len(paths), bool)
    for look in planned_looks([6, 10, 20, 29]):
        crossed |= paths[:, look.pairs - 1] / np.sqrt(look.pairs) > stats.norm.isf(look.better)
    assert crossed.mean() == pytest.approx(0.025, abs=0.0012)


@pytest.mark.parametrize(("margin", "mean", "wrong"), [(None, 0.0, "better"), (1.0, 1.0, "same")])
def test_all_looks_together_err_as_seldom_as_one(margin: float | None, mean: float, wrong: str) -> None:
    """Looking after every pair errs in one study of five; that is what the plan is for."""
    rng, studies = np.random.default_rng(1), 600
    drawn = rng.normal(mean, 1.0, (studies, 29))
    rates = []
    for looks in (planned_looks([6, 10, 20, 29]), [Look(n) for n in range(6, 30)]):
        said = [
            next((o for look in looks if (o := decide(x[: look.pairs], margin, NAMES, look=look)[0]) == wrong), "")
            for x in drawn
        ]
        rates.append(said.count(wrong) / studies)
    assert rates[0] <= stats.binom.ppf(0.999, studies, 0.05) / studies
    assert rates[1] > 0.12
