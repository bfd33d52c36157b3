"""Flags on how a study was tuned, and the margin that was registered where the plan has none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.checks import task_flags, tuning_flags
from src.analysis.collect import collect
from src.analysis.models import Model
from src.analysis.published import Reference
from src.analysis.task import Task
from src.analysis.tuning import Trial, Tuning
from src.runs.study_record import LogUniform
from tests.analysis.fake import fake_study


def tuning(tried: list[float], chosen: float, draw: LogUniform) -> Tuning:
    return Tuning(
        data="jsb_chorales",
        arm="main",
        keys=["optimizer.lr"],
        metric="val/nll",
        mode="min",
        trials=[
            Trial(f"{model}-{lr}", model, {"optimizer.lr": lr}, 1.0, 1000, "trial", "finished")
            for lr in tried
            for model in ("gru", "lstm")
        ],
        chosen={model: {"optimizer.lr": chosen} for model in ("gru",)},
        counts={"gru": len(tried), "lstm": len(tried)},
        ranges={"optimizer.lr": [draw.low, draw.high]},
        drawn={"optimizer.lr": draw},
    )


def flags(*args: Any) -> dict[str, str]:
    return {flag.kind: flag.sentence for flag in tuning_flags(tuning(*args), [])}


def test_a_choice_beside_a_stretch_that_was_not_tried_is_flagged() -> None:
    draw = LogUniform(3e-5, 1e-2, 10)
    # The ten independent draws of the published study lie like this: a factor of 7 above what was chosen.
    found = flags([4e-5, 2e-4, 5e-4, 6e-4, 4.2e-3, 8e-3], 6e-4, draw)
    assert found == {
        "gap": "Next to gru's optimizer.lr = 0.0006, nothing was tried from 0.0006 to 0.0042: a gap wider "
        "than two strata of the draws."
    }
    assert flags([4e-5, 2e-4, 5e-4, 6e-4, 1.5e-3, 8e-3], 6e-4, draw) == {}


def test_a_range_with_fewer_than_eight_draws_is_flagged() -> None:
    found = flags([2e-4, 6e-4, 1.5e-3], 6e-4, LogUniform(1e-4, 3e-3, 3))
    assert found == {"tuning": "optimizer.lr was tuned with 3 draws: with fewer than 8, the result is mostly luck."}


def test_a_choice_made_before_the_plan_tuned_a_key_has_no_gap_in_it() -> None:
    draw = LogUniform(3e-5, 1e-2, 8)
    made = tuning([4e-5, 2e-4, 5e-4, 6e-4, 1.5e-3, 8e-3], 6e-4, draw)
    assert tuning_flags(replace(made, drawn={**made.drawn, "model.dropout": LogUniform(0.01, 0.5, 8)}), []) == []


@pytest.mark.parametrize(("planned", "margin"), [(None, 0.07), (0.3, 0.3)])
def test_the_registered_margin_counts_where_the_plan_has_none(
    tmp_path: Path, planned: float | None, margin: float
) -> None:
    study = fake_study(tmp_path / "open", pairs=2)
    content = json.loads((study / "study.json").read_text())
    (data,) = content["plan"]["data"]
    content["plan"]["primary"]["margin"] = planned
    content["margins"] = {data: {"metric": "val/nll", "margin": 0.07, "gap": 1.4, "baseline": 10.0, "reached": 8.6}}
    (study / "study.json").write_text(json.dumps(content))
    collection = collect([study], "study")
    wanted = asked(collection)
    assert wanted.margin == {data: margin}
    reason = "a convention computed from validation before the first final run (val/nll: "
    about = [line for task in summarise(collection, wanted).tasks for line in task.about_margin if reason in line]
    assert [line.startswith(f"The margin on {data} is 0.07") for line in about] == [True] * (planned is None)


def test_falling_short_of_a_published_figure_by_more_than_the_margin_is_serious() -> None:
    models = [Model("gru_chung", [], n=3, mean=3.81), Model("lstm_chung", [], n=3, mean=3.25)]
    published = [Reference("n", "test/nll", cell, 3.23, "Chung et al. 2014", "unconfirmed") for cell in ("gru", "lstm")]
    task = Task("n", "main", "test/nll", "nats per step", "min", 0.2, models, references=published)
    (flag,) = [flag for flag in task_flags(task, [], 0.02, None, {}) if flag.kind == "published"]
    assert (flag.weight, flag.models) == ("serious", ["gru_chung"])
    assert (
        "reaches 3.81 on average, short of the published 3.23 (Chung et al. 2014, unconfirmed) by 0.58" in flag.sentence
    )
    assert not [f for f in task_flags(replace(task, margin=None), [], 0.02, None, {}) if f.kind == "published"]
