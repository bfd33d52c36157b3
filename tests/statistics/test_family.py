"""Verdicts as one family: Holm's steps over three-sided tests, and how often any of them is wrong."""

import numpy as np
import pytest

from benchmarks.rates import family_of
from src.statistics.family import Finding, holm_verdicts
from src.statistics.paired import holm

ONE_LOOK = (10,)


def test_the_steps_are_holms() -> None:
    """Against statsmodels' adjusted p-values: one-sided tests of "better" at 2.5 %, tests of "the same" at 5 %."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        p = rng.uniform(0, 0.05, 5) ** rng.integers(1, 3)
        better = rng.random(5) < 0.5
        tests = [Finding(bool(b), x / 2 if b else x, 0, ONE_LOOK) for b, x in zip(better, p, strict=True)]
        assert holm_verdicts(tests) == [adjusted < 0.05 for adjusted in holm(p)]


def test_undecided_data_sets_are_members_too() -> None:
    clear = Finding(True, 0.02, 0, ONE_LOOK)
    assert holm_verdicts([clear]) == [True]
    assert holm_verdicts([clear, None]) == [False, False]


def test_a_look_has_the_levels_of_its_plan() -> None:
    """At the first of two looks a third of all that may be spent is far less than a third of the level of one look."""
    first, only = Finding(True, 0.0005, 0, (10, 20)), Finding(True, 0.0005, 0, ONE_LOOK)
    assert only.holds(3)
    assert first.holds(1)
    assert not first.holds(3)


@pytest.mark.parametrize(("mean", "margin", "wrong"), [(0.0, None, ("A", "B")), (1.0, 1.0, ("A", "same"))])
def test_any_of_eight_verdicts_is_wrong_in_5_percent(mean: float, margin: float | None, wrong: tuple[str, ...]) -> None:
    """Each by itself about a third of the families holds a wrong one; 0.05 + three standard errors of 400 families."""
    rng, single, family = np.random.default_rng(1), dict.fromkeys(wrong, 0), dict.fromkeys(wrong, 0)
    for _ in range(400):
        said, stands = family_of(mean + rng.normal(0, 0.6, (8, 10)), margin)
        for name in wrong:
            single[name] += any(word == name for word in said)
            family[name] += any(word == name and kept for word, kept in zip(said, stands, strict=True))
    assert max(single.values()) / 400 > 0.12
    assert (sum(family.values()) if margin is None else max(family.values())) / 400 < 0.083
