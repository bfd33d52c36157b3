"""A margin that the plan leaves open follows from validation, before the first final run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.analysis.checks import plan_flags
from src.analysis.plan import plan_of
from src.config.errors import UserError
from src.runs.record import RunRecord
from src.runs.study_record import read_study
from src.statistics.margin import default_margin
from src.studies.run import Study, run_study
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
TUNING: dict[str, Any] = {
    "draws": {"optimizer.lr": [1e-3, 2e-3, 3e-3]},
    "repeat": {"best": 1, "seeds": 2},
    "extensions": 0,
}
OPEN: dict[str, Any] = {"tuning": TUNING, "primary": {"models": ["gru", "lstm"], "metric": "test/acc"}}


def launcher(reached: dict[str, float], baseline: float = 0.2, test: int = 370) -> FakeLauncher:
    """Runs whose validation accuracy is their model's, 0.01 more with each further seed."""

    def accuracy(settings: dict[str, Any]) -> float:
        return reached[settings["model"]] + 0.01 * max(0, settings["seed"] - 1000)

    def facts(settings: dict[str, Any]) -> dict[str, Any]:
        value = accuracy(settings)
        return {
            "metrics": {"val/acc": value, "val/loss": abs(settings["optimizer.lr"] - 2e-3)},
            "val_baselines": {"majority/acc": baseline, "uniform/acc": 0.1, "majority/nll": 2.0},
            "data": {"sequences": {"train": 270, "val": 27, "test": test}},
        }

    class WithSequences(FakeLauncher):
        def run(self, settings: dict[str, Any]) -> str | None:
            directory = Path(settings["hydra.sweep.dir"]) / settings["hydra.sweep.subdir"]
            RunRecord(directory).write_sequences("val", {"count": np.ones(27)})
            return super().run(settings)

    return WithSequences(accuracy, "val/acc", facts)


@pytest.mark.parametrize(
    ("gap", "distance", "least", "margin"),
    [
        (2.13, None, 0.0, 0.1),
        (0.72, 0.285, 0.0, 0.04),
        (0.7, 0.1, 0.0, 0.02),
        (0.7, 0.0, 1 / 370, 0.003),
        (0.7, 0.001, 1 / 1000, 0.001),
        (0.7, 0.0, 0.0, None),
        (0.0, None, 0.1, None),
        (-1.0, None, 0.1, None),
    ],
)
def test_the_formula(gap: float, distance: float | None, least: float, margin: float | None) -> None:
    assert default_margin(gap, distance, least) == margin


def test_the_margin_is_on_record_before_the_first_final_run_and_stays(make_study: Make) -> None:
    runs = launcher({"gru": 0.5, "lstm": 0.8})
    seen: list[Any] = []
    plain = runs.curve

    def watching(settings: dict[str, Any]) -> Any:
        record = read_study(study.state.directory)
        seen.append((settings["study_job"]["phase"], bool(record and record.margins)))
        return plain(settings)

    runs.curve = watching
    study = make_study(runs, **OPEN)
    run_study(study)
    assert set(seen) == {("trial", False), ("repeat", False), ("final", True)}
    made = study.state.record.margins["ucr"]
    # The repeats of the better model, seeds 1001 and 1002: 0.81 and 0.82; the gap to the majority 0.615, to 1 0.185.
    assert made.reached == pytest.approx(0.815)
    assert (made.metric, made.margin, made.baseline) == ("val/acc", 0.03, 0.2)
    assert (made.gap, made.distance) == (pytest.approx(0.615), pytest.approx(0.185))
    again = make_study(launcher({"gru": 0.1, "lstm": 0.1}), **OPEN)
    run_study(again)
    assert again.state.record.margins["ucr"] == made


def test_a_margin_is_at_least_one_item_of_the_test_set(make_study: Make) -> None:
    study = make_study(launcher({"gru": 0.5, "lstm": 0.97}, test=30), **OPEN)
    run_study(study)
    assert study.state.record.margins["ucr"].margin == 0.04  # 1/30 rounded up; a fifth of the distance is 0.003


def test_no_margin_where_no_model_beats_the_trivial_predictor_and_the_study_says_why(
    make_study: Make, caplog: pytest.LogCaptureFixture
) -> None:
    study = make_study(launcher({"gru": 0.5, "lstm": 0.6}, baseline=0.9), **OPEN)
    run_study(study)
    made = study.state.record.margins["ucr"]
    assert made.margin is None
    assert "ucr has no margin" in caplog.text
    assert "no model beats the best trivial predictor on val/acc" in caplog.text
    (flag,) = (f for f in plan_flags(plan_of(study.state.record), []) if f.kind == "margin")
    assert made.reason is not None
    assert made.reason in flag.sentence


def test_the_first_arm_gives_the_margin_and_must_have_been_run(make_study: Make) -> None:
    arms = {"main": {}, "sgd": {"optimizer": "sgd"}}
    with pytest.raises(UserError, match=r"excludes main, whose repeats determine the margin of ucr: run main first"):
        run_study(make_study(launcher({"gru": 0.5, "lstm": 0.8}), **OPEN, arms=arms, only={"arms": ["sgd"]}))
    run_study(make_study(launcher({"gru": 0.5, "lstm": 0.8}), **OPEN, arms=arms, only={"arms": ["main"]}))
    study = make_study(launcher({"gru": 0.5, "lstm": 0.8}), **OPEN, arms=arms, only={"arms": ["sgd"]})
    assert {job.arm for job in run_study(study)} == {"sgd"}


def test_a_margin_in_the_plan_is_not_computed(make_study: Make) -> None:
    study = make_study(
        launcher({"gru": 0.5, "lstm": 0.8}), tuning=TUNING, primary={**PLAN["primary"], "metric": "test/acc"}
    )
    run_study(study)
    assert study.state.record.margins == {}


def test_equal_accuracies_are_told_apart_by_the_loss(make_study: Make) -> None:
    study = make_study(launcher({"gru": 0.5, "lstm": 0.8}), **OPEN)
    run_study(study)
    chosen = study.state.record.chosen["ucr"]["main"]["gru"]
    assert chosen.values == {"optimizer.lr": 2e-3}  # whose loss is the smallest of three with equal accuracies
    tuning = {**TUNING, "repeat": {"best": 3, "seeds": 2}}
    study = make_study(launcher({"gru": 0.5, "lstm": 0.8}), **{**OPEN, "tuning": tuning}, name="candidates")
    run_study(study)
    assert study.state.record.chosen["ucr"]["main"]["gru"].values == {"optimizer.lr": 2e-3}
