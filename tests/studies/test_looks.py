"""Looks that a plan fixes are taken in turn and noted once."""

from collections.abc import Callable
from typing import Any

import pytest

from src.analysis.checks import plan_flags
from src.analysis.plan import plan_of
from src.studies.run import RunsFailed, Study, run_study
from tests.studies.conftest import FakeLauncher

Make = Callable[..., Study]
LOOKS: dict[str, Any] = {"pairs": 8, "looks": [6, 8], "tuning": None}


def test_a_look_is_noted_once_when_its_pairs_are_complete(make_study: Make) -> None:
    launcher = FakeLauncher(lambda s: KeyboardInterrupt if s["seed"] == 7 else 1.0)
    study = make_study(launcher, **LOOKS)
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    assert [s["seed"] for s in launcher.launched[:12]] == [seed for seed in range(6) for _ in range(2)]
    (first,) = study.state.record.looks
    assert (first.data, first.arm, first.pairs) == ("ucr", "main", 6)
    study = make_study(FakeLauncher(lambda s: 1.0), **LOOKS)
    final = run_study(study)
    assert [job.seed for job in final] == [seed for seed in range(8) for _ in range(2)]
    assert [look.pairs for look in study.state.record.looks] == [6, 8]
    assert study.state.record.looks[0] == first


def test_a_look_is_not_taken_while_one_of_its_runs_has_failed(make_study: Make) -> None:
    study = make_study(FakeLauncher(lambda s: None if s["seed"] == 2 else 1.0), **LOOKS)
    with pytest.raises(RunsFailed):
        run_study(study)
    assert study.state.record.looks == []


def test_pairs_that_change_after_a_look_are_flagged_with_the_look(make_study: Make) -> None:
    launcher = FakeLauncher(lambda s: 1.0)
    run_study(make_study(launcher, **LOOKS))
    study = make_study(launcher, **{**LOOKS, "pairs": 12, "looks": [6, 12]})
    flags = [flag for flag in plan_flags(plan_of(study.state.record), []) if flag.kind == "look"]
    (flag,) = flags
    assert "(pairs, looks) after the look at 8 pairs of ucr (main)" in flag.sentence
    other = make_study(launcher, **{**LOOKS, "pairs": 12, "looks": [6, 12], "tolerance": 0.03})
    assert len([f for f in plan_flags(plan_of(other.state.record), []) if f.kind == "look"]) == 1
