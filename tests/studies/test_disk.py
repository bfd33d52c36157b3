"""The disk that a study needs is said before it begins, and the weights of its tuning go when the choice is made."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from src.config.errors import UserError
from src.runs.load import load_run, read_checkpoint
from src.runs.record import RunRecord
from src.studies.disk import check_disk, needed
from src.studies.progress import Reader
from src.studies.run import Study, run_study
from src.train import train
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
TUNING = {"draws": {"optimizer.lr": [1e-3, 2e-3, 4e-3]}, "repeat": {"best": 2, "seeds": 2}, "extensions": 1}


class WithWeights(FakeLauncher):
    """Runs that leave checkpoints, those that fail too."""

    def __init__(self, curve: Callable[[dict[str, Any]], float | None] = lambda s: abs(s["optimizer.lr"] - 4e-3)):
        super().__init__(curve)  # type: ignore[arg-type]

    def run(self, settings: dict[str, Any]) -> str | None:
        folder = RunRecord(Path(settings["hydra.sweep.dir"]) / settings["hydra.sweep.subdir"]).checkpoints
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("best", "last"):
            torch.save({"state_dict": {}}, folder / f"{name}.ckpt")
        return super().run(settings)


def weights_by_phase(study: Study, launcher: FakeLauncher) -> dict[str, set[int]]:
    """By phase, how many checkpoints the runs have."""
    found: dict[str, set[int]] = {}
    for settings in launcher.launched:
        job = settings["study_job"]
        number = len(list((study.state.directory / job["id"] / "checkpoints").glob("*.ckpt")))
        found.setdefault(job["phase"], set()).add(number)
    return found


def test_weights_of_the_tuning_go_after_the_choice_and_nothing_is_repeated(make_study: Make) -> None:
    launcher = WithWeights()
    study = make_study(launcher, tuning=TUNING)
    run_study(study)
    assert weights_by_phase(study, launcher) == {"trial": {0}, "repeat": {0}, "final": {2}}
    assert study.state.record.extensions, "the repeats of the first choice are removed as well"
    again = WithWeights()
    run_study(make_study(again, tuning=TUNING))
    assert again.launched == []
    assert Reader(study.state.directory).read().runs.total() == len(launcher.launched)
    trial = next(s["study_job"]["id"] for s in launcher.launched)
    for name in ("best", "last"):
        with pytest.raises(UserError, match=r"The weights of .* were removed .*study\.keep_weights=true.*final run"):
            read_checkpoint(study.state.directory / trial / "checkpoints" / f"{name}.ckpt")
    with pytest.raises(UserError, match=r"The weights of .* were removed"):
        load_run(study.state.directory / trial)


def test_they_stay_where_they_are_asked_for_which_is_no_other_plan(make_study: Make) -> None:
    launcher = WithWeights()
    study = make_study(launcher, tuning=TUNING, keep_weights=True)
    run_study(study)
    assert weights_by_phase(study, launcher) == {"trial": {2}, "repeat": {2}, "final": {2}}
    assert study.plan.hash == make_study(WithWeights(), tuning=TUNING).plan.hash
    # Left out at the next start, they go then.
    run_study(make_study(WithWeights(), tuning=TUNING))
    assert weights_by_phase(study, launcher) == {"trial": {0}, "repeat": {0}, "final": {2}}


def test_they_stay_while_a_trial_is_missing(make_study: Make) -> None:
    launcher = WithWeights(lambda s: None if (s["model"], s["optimizer.lr"]) == ("lstm", 1e-3) else 1.0)
    study = make_study(launcher, tuning=TUNING)
    with pytest.raises(UserError, match="Nothing was chosen"):
        run_study(study)
    assert weights_by_phase(study, launcher) == {"trial": {2}}


def test_what_a_study_needs_is_close_to_what_its_runs_take(
    make_study: Make, quick: Callable[..., Any], tmp_path: Path
) -> None:
    """Against runs of the same kind on the disk."""
    study = make_study(FakeLauncher(lambda s: 1.0), tuning=None, models={"gru": {"model.hidden_size": 64}, "lstm": {}})
    need = needed(study.plan, study.jobs)
    assert need.runs == 2 * 3
    for model, width in (("gru", 64), ("lstm", 128)):
        train(quick(f"model={model}", f"model.hidden_size={width}", f"paths.runs_dir={tmp_path / 'single'}"))
    taken = sum(file.stat().st_size for file in (tmp_path / "single").rglob("*") if file.is_file())
    assert taken < need.bytes / 3 < 2 * taken + 100_000


def test_what_is_there_already_needs_no_more_disk_and_kept_weights_need_more(make_study: Make) -> None:
    study = make_study(FakeLauncher(lambda s: s["optimizer.lr"]), tuning={**TUNING, "extensions": 0})
    before = needed(study.plan, study.jobs)
    assert before.runs == 2 * (3 + 2 * 2 + 3)
    assert 0 < before.tuning_weights < before.bytes
    kept = make_study(FakeLauncher(lambda s: 1.0), tuning={**TUNING, "extensions": 0}, keep_weights=True)
    assert needed(kept.plan, kept.jobs).bytes > before.bytes
    run_study(study)
    after = needed(study.plan, study.jobs)
    assert (after.runs, after.bytes) == (0, 0)


def test_a_study_that_does_not_fit_is_refused_before_its_first_run(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(FakeLauncher(lambda s: 1.0), tuning=None)
    assert "6 runs need about" in check_disk(study.plan, study.jobs)
    monkeypatch.setattr("src.studies.disk.shutil.disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 0, 10**5))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"6 runs need about .* MB in .*tiny; 0\.1 MB are free: free some space, or"):
        check_disk(study.plan, study.jobs)


def test_a_model_that_cannot_be_built_ends_no_estimate(make_study: Make) -> None:
    models = {"gru": {}, "lstm": {"model.budget": 7, "model.budget_tolerance": 0.0001}}
    study = make_study(FakeLauncher(lambda s: 1.0), tuning=None, models=models)
    assert needed(study.plan, study.jobs).runs == PLAN["pairs"]
