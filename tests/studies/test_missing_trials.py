"""A study never chooses while a trial is missing: it says which, ends non-zero, and the same command completes it."""

import json
import logging
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.runs.record import RunRecord
from src.studies.progress import Reader, table
from src.studies.run import RunsFailed, Study, run_study
from src.studies.state import current_jobs
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
TUNING = {"draws": {"optimizer.lr": [1e-3, 2e-3, 4e-3]}, "repeat": {"best": 2, "seeds": 2}, "extensions": 0}
DATA = {"ucr": {}, "copy_memory": {}}


def good(settings: dict[str, Any]) -> float:
    return abs(math.log(settings["optimizer.lr"] / 2e-3)) + settings["seed"] / 1e6


def is_victim(settings: dict[str, Any], phase: str) -> bool:
    job = settings["study_job"]
    return (job["phase"], job["data"], job["model"], settings["optimizer.lr"]) == (phase, "ucr", "lstm", 2e-3)


class Dying(FakeLauncher):
    """Leaves some runs as a process that was killed in them does: in the middle, with no word."""

    def __init__(self, phase: str, how: str) -> None:
        super().__init__(good)
        self.phase, self.how = phase, how

    def run(self, settings: dict[str, Any]) -> str | None:
        if not is_victim(settings, self.phase):
            return super().run(settings)
        self.launched.append(settings)
        record = RunRecord(Path(settings["hydra.sweep.dir"]) / settings["hydra.sweep.subdir"])
        record.begin({}, study_job=settings["study_job"], seed=settings["seed"])
        record.end("failed" if self.how == "failed" else "interrupted", "it broke" if self.how == "failed" else None)
        if self.how == "damaged":
            (record.directory / "result.json").write_bytes(b"\x00" * 100)
        elif self.how == "unsaid":
            content = json.loads((record.directory / "result.json").read_text())
            (record.directory / "result.json").write_text(json.dumps(content | {"status": "finished"}))
        return "it broke" if self.how == "failed" else None


@pytest.mark.parametrize("phase", ["trial", "repeat"])
@pytest.mark.parametrize("how", ["failed", "interrupted", "damaged", "unsaid"])
def test_no_choice_without_a_trial_or_repeat_and_the_others_go_on(
    make_study: Make, caplog: pytest.LogCaptureFixture, phase: str, how: str
) -> None:
    dying = Dying(phase, how)
    study = make_study(dying, tuning=TUNING, data=DATA, pairs=2)
    with caplog.at_level(logging.WARNING), pytest.raises(RunsFailed) as caught:
        run_study(study)
    words = str(caught.value)
    assert "Nothing was chosen for ucr in main" in words
    assert "Run the same command to try them again: python -m " in words
    victims = {s["study_job"]["id"] for s in dying.launched if is_victim(s, phase)}
    assert victims == set(study.errors)
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("missing: ")]
    assert len(lines) == len(victims) == {"trial": 1, "repeat": 2}[phase]
    assert all(any(name in line for line in lines) for name in victims)
    assert f"{phase} of lstm on ucr in main" in lines[0]
    assert list(study.state.record.chosen) == ["copy_memory"], "the other data set is chosen for and measured"
    assert {s["study_job"]["data"] for s in dying.launched if s["study_job"]["phase"] == "final"} == {"copy_memory"}
    # The same command completes it, and the end is that of a study to which nothing happened.
    second = FakeLauncher(good)
    final = run_study(make_study(second, tuning=TUNING, data=DATA, pairs=2))
    assert victims <= {s["study_job"]["id"] for s in second.launched}
    chosen = make_study(second, tuning=TUNING, data=DATA, pairs=2).state.record.chosen["ucr"]["main"]
    assert {c.values["optimizer.lr"] for c in chosen.values()} == {2e-3}
    assert len(final) == 8


def test_another_arm_waits_for_the_arm_that_gives_the_margin(make_study: Make) -> None:
    def value(settings: dict[str, Any]) -> float | None:
        job = settings["study_job"]
        return None if (job["arm"], job["phase"], job["model"]) == ("main", "trial", "gru") else good(settings)

    launcher = FakeLauncher(value)
    primary = {**PLAN["primary"], "margin": None}
    study = make_study(launcher, tuning=TUNING, arms={"main": {}, "sgd": {"optimizer": "sgd"}}, primary=primary)
    with pytest.raises(RunsFailed, match="Nothing was chosen for ucr in main"):
        run_study(study)
    assert "final" not in launcher.phases()
    assert (study.state.record.registered, study.state.record.margins) == (None, {})


def test_a_trial_that_diverged_is_no_missing_one(make_study: Make) -> None:
    launcher = FakeLauncher(lambda s: math.inf if s["optimizer.lr"] == 4e-3 else good(s))
    run_study(make_study(launcher, tuning=TUNING))
    assert launcher.phases().count("final") == 6


@pytest.mark.parametrize("what", ["a file", "a link", "a link inside"])
def test_a_run_whose_folder_cannot_be_written_into_is_missing_and_the_others_go_on(
    make_study: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    first = make_study(FakeLauncher(good), tuning=TUNING, data=DATA, pairs=2)
    run_study(first)
    victim, *_ = (name for name, job in current_jobs(first.state.directory).items() if job.phase == "trial")
    place, mine = first.state.directory / victim, tmp_path / "mine"
    mine.mkdir()
    shutil.rmtree(place)
    if what == "a file":
        place.write_text("x")
    elif what == "a link":
        place.symlink_to(mine)
    else:
        place.mkdir()
        (place / "train.log").symlink_to(mine / "train.log")
    again = make_study(FakeLauncher(good), tuning=TUNING, data=DATA, pairs=2)
    with pytest.raises(
        RunsFailed, match=r"Nothing was chosen for .*Run the same command to try them again: python -m "
    ):
        run_study(again)
    (line,) = (words for words in caplog.messages if words.startswith("missing: "))
    assert str(place) in line
    assert ("is a file" if what == "a file" else "is a symbolic link") in line
    assert (list(again.errors), list(mine.iterdir())) == ([victim], [])
    table(Reader(first.state.directory).read())
    shutil.rmtree(place) if what == "a link inside" else place.unlink()
    run_study(make_study(FakeLauncher(good), tuning=TUNING, data=DATA, pairs=2))
