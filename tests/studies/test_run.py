"""What a study launches, chooses and never does twice, by a launcher that only writes records."""

import fcntl
import io
import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from src.config.errors import UserError
from src.runs.record import RunRecord, read_record
from src.runs.study_record import read_study
from src.studies.progress import Reader, table
from src.studies.remarks import remarks
from src.studies.run import RunsFailed, Study, run_study
from src.studies.state import current_jobs
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
SCHEMA_1 = Path(__file__).parent / "begun_under_schema_1.json"


def bowl(best: dict[str, float], noise: float = 0.0) -> Callable[[dict[str, Any]], float]:
    """Validation loss with its optimum at a learning rate of its own for each model, and a bit of luck by seed."""

    def value(settings: dict[str, Any]) -> float:
        luck = noise * math.sin(1000 * settings["optimizer.lr"] + settings["seed"])
        return abs(math.log(settings["optimizer.lr"] / best[settings["model"]])) + luck

    return value


def test_trials_repeats_choice_and_pairs(make_study: Make) -> None:
    launcher = FakeLauncher(bowl({"gru": 3e-3, "lstm": 1e-2}))
    study = make_study(launcher)
    final = run_study(study)
    assert launcher.phases() == ["trial"] * 12 + ["repeat"] * 8 + ["final"] * 6
    trials = [s for s in launcher.launched if s["study_job"]["phase"] == "trial"]
    draws = {m: [s["optimizer.lr"] for s in trials if s["model"] == m] for m in ("gru", "lstm")}
    assert draws["gru"] == draws["lstm"]
    assert len(set(draws["gru"])) == 6
    assert all(1e-4 <= lr <= 1e-1 for lr in draws["gru"])
    # The choice, against a plain loop over the draws.
    for model, optimum in (("gru", 3e-3), ("lstm", 1e-2)):
        nearest = min(draws[model], key=lambda lr: abs(math.log(lr / optimum)))
        assert study.state.record.chosen["ucr"]["main"][model].values == {"optimizer.lr": nearest}
        assert {job.values["optimizer.lr"] for job in final if job.model == model} == {nearest}
    # Trials leave the test set alone, and share no seed with the final runs, whose seeds are the pairs.
    assert [s["test"] for s in launcher.launched] == [False] * 20 + [True] * 6
    seeds = {
        phase: {s["seed"] for s in launcher.launched if s["study_job"]["phase"] == phase}
        for phase in ("trial", "repeat")
    }
    assert seeds == {"trial": {1000}, "repeat": {1001, 1002}}
    assert [(job.model, job.seed) for job in final] == [(m, s) for s in range(3) for m in ("gru", "lstm")]
    assert len({s["study_job"]["id"] for s in launcher.launched}) == 26
    assert launcher.launched[0]["ckpt"] == "auto"


def test_the_mean_of_the_repeats_decides_not_the_luck_of_the_trial(make_study: Make) -> None:
    def value(settings: dict[str, Any]) -> float:
        lucky = settings["seed"] == 1000 and settings["optimizer.lr"] > 1e-2
        return -5.0 if lucky else settings["optimizer.lr"]

    study = make_study(
        FakeLauncher(value),
        tuning={"draws": {"optimizer.lr": [1e-3, 2e-3, 5e-2]}, "repeat": {"best": 2, "seeds": 2}, "extensions": 0},
    )
    run_study(study)
    chosen = study.state.record.chosen["ucr"]["main"]["gru"]
    assert chosen.values == {"optimizer.lr": 1e-3}
    assert [c.values["optimizer.lr"] for c in chosen.candidates] == [1e-3, 5e-2]


def test_the_same_command_again_launches_nothing(make_study: Make) -> None:
    curve = bowl({"gru": 3e-3, "lstm": 1e-2}, noise=0.1)
    first = run_study(make_study(FakeLauncher(curve)))
    again = FakeLauncher(curve)
    assert [job.id for job in run_study(make_study(again))] == [job.id for job in first]
    assert again.launched == []


@pytest.mark.parametrize("stop", [1, 11, 12, 15, 20, 23, 25])
def test_stopped_anywhere_it_goes_on_and_repeats_nothing(make_study: Make, stop: int) -> None:
    curve = bowl({"gru": 3e-3, "lstm": 1e-2}, noise=0.1)
    count = iter(range(1000))
    first = FakeLauncher(lambda s: KeyboardInterrupt if next(count) == stop else curve(s))
    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(first))
    second = FakeLauncher(curve)
    run_study(make_study(second))
    done = [s["study_job"]["id"] for s in first.launched[:-1]] + [s["study_job"]["id"] for s in second.launched]
    assert len(done) == len(set(done)) == 26


def test_a_failed_run_is_tried_once_more_and_then_listed(make_study: Make) -> None:
    good = bowl({"gru": 3e-3, "lstm": 1e-2})
    broken = lambda s: None if (s["model"], s["seed"]) == ("lstm", 1) else good(s)  # noqa: E731
    launcher = FakeLauncher(broken)
    with pytest.raises(RunsFailed, match=r"1 run of the study failed.*it broke.*try them again") as caught:
        run_study(make_study(launcher))
    failed = [s["study_job"]["id"] for s in launcher.launched if (s["model"], s["seed"]) == ("lstm", 1)]
    assert len(failed) == 2
    assert failed[0] in str(caught.value)
    assert launcher.phases().count("final") == 7  # the others went on
    again = FakeLauncher(broken)
    with pytest.raises(RunsFailed):
        run_study(make_study(again))
    assert [s["study_job"]["id"] for s in again.launched] == failed[:1]
    run_study(make_study(FakeLauncher(good)))


def test_a_diverged_trial_ranks_worst_and_a_model_without_trials_is_left_out(make_study: Make) -> None:
    good = bowl({"gru": 1e-4, "lstm": 1e-4})
    launcher = FakeLauncher(lambda s: math.inf if s["model"] == "lstm" or s["optimizer.lr"] < 1e-3 else good(s))
    study = make_study(launcher, tuning={**PLAN["tuning"], "extensions": 0})
    final = run_study(study)
    assert {job.model for job in final} == {"gru"}
    assert study.state.record.chosen["ucr"]["main"]["gru"].values["optimizer.lr"] > 1e-3
    assert [(out.model, out.data) for out in study.state.record.left_out] == [("lstm", "ucr")]


def test_a_choice_at_the_edge_extends_the_range_for_all_models(make_study: Make) -> None:
    curve = bowl({"gru": 3e-3, "lstm": 0.4})
    launcher = FakeLauncher(curve)
    study = make_study(
        launcher,
        tuning={
            "draws": {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "number": 12}},
            "repeat": {"best": 2, "seeds": 1},
            "extensions": 3,
        },
    )
    run_study(study)
    made = study.state.record.extensions
    assert [(e.key, e.side) for e in made] == [("optimizer.lr", "high")] * 3
    assert [e.before[1] for e in made[1:]] == [e.after[1] for e in made[:-1]]
    assert made[0].because.model == "lstm"
    for extension in made:
        for lr in extension.draws:
            assert extension.before[1] <= lr <= extension.after[1]
            tried = [
                s["model"] for s in launcher.launched if s["optimizer.lr"] == lr and s["study_job"]["phase"] == "trial"
            ]
            assert tried == ["gru", "lstm"]
    # Interrupted after its extensions, the study knows them.
    again = FakeLauncher(curve)
    run_study(
        make_study(
            again,
            tuning={
                "draws": {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "number": 12}},
                "repeat": {"best": 2, "seeds": 1},
                "extensions": 3,
            },
        )
    )
    assert again.launched == []


def test_two_models_with_the_same_settings_are_refused(make_study: Make) -> None:
    """They would share every run: the second had no result of its own, and nothing said so."""
    launcher = FakeLauncher(bowl({"gru": 3e-3, "again": 3e-3}))
    study = make_study(
        launcher,
        models={"gru": {}, "again": {"model": "gru"}},
        primary={"models": ["gru", "again"], "metric": "test/acc", "margin": 0.05},
    )
    with pytest.raises(UserError, match="gru and again of the study have the same settings: drop one"):
        run_study(study)
    assert launcher.launched == []


def test_one_arms_extension_moves_neither_the_draws_nor_the_range_of_another(make_study: Make) -> None:
    optimum = {"main": 3e-3, "sgd": 0.4}
    study = make_study(
        FakeLauncher(lambda s: abs(math.log(s["optimizer.lr"] / optimum[s["study_job"]["arm"]]))),
        arms={"main": {}, "sgd": {"optimizer": "sgd"}},
        tuning={
            "draws": {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "number": 12}},
            "repeat": {"best": 1, "seeds": 1},
            "extensions": 2,
        },
    )
    run_study(study)
    assert [e.arm for e in study.state.record.extensions] == ["sgd", "sgd"]
    record = read_study(study.state.directory)
    assert record is not None
    main, sgd = (record.draws["ucr"][arm]["optimizer.lr"] for arm in ("main", "sgd"))
    assert (len(main), max(main) <= 1e-2) == (12, True)
    assert sgd == main + [lr for extension in record.extensions for lr in extension.draws]


def test_the_arm_is_named_where_a_study_has_several(make_study: Make, caplog: pytest.LogCaptureFixture) -> None:
    for arms, called in (
        ({"main": {}}, "lstm on ucr"),
        ({"main": {}, "sgd": {"optimizer": "sgd"}}, "lstm on ucr in sgd"),
    ):
        caplog.clear()
        with caplog.at_level("INFO"):
            run_study(make_study(FakeLauncher(bowl({"gru": 3e-3, "lstm": 0.4})), name=f"of{len(arms)}", arms=arms))
        said = [line.getMessage() for line in caplog.records if "at the edge" in line.getMessage()]
        assert any(line.startswith(f"{called} chose optimizer.lr=") for line in said)
        assert len(set(said)) == len(said)


def test_a_list_is_extended_by_a_step(make_study: Make) -> None:
    study = make_study(
        FakeLauncher(lambda s: 1 / s["data.batch_size"]),
        tuning={"draws": {"data.batch_size": [4, 8, 16]}, "repeat": {"best": 1, "seeds": 1}, "extensions": 1},
    )
    run_study(study)
    (made,) = study.state.record.extensions
    assert (made.draws, made.before, made.after) == ([32], [4, 16], [4, 32])
    assert study.state.record.chosen["ucr"]["main"]["gru"].values == {"data.batch_size": 32}


@pytest.mark.parametrize(
    ("key", "draw", "best"),
    [
        ("model.dropout", [0.0, 0.4, 0.8], 2),
        ("model.num_layers", [1, 2], 0),
        ("model.dropout", {"low": 0.1, "high": 0.6, "number": 4}, 2),
    ],
)
def test_an_extension_tries_no_value_that_a_run_would_refuse(
    make_study: Make, key: str, draw: Any, best: float
) -> None:
    launcher = FakeLauncher(lambda s: abs(s[key] - best))
    study = make_study(launcher, tuning={"draws": {key: draw}, "repeat": {"best": 1, "seeds": 1}})
    assert len(run_study(study)) == 6
    assert {s[key] for s in launcher.launched} == {*study.state.record.draws["ucr"]["main"][key]}
    for made in study.state.record.extensions:
        assert made.draws == [trial[key] for trial in made.trials]
    assert all(s["model.num_layers"] > 0 if key.endswith("layers") else s[key] < 1 for s in launcher.launched)


def test_a_run_that_another_process_is_at_is_waited_for(make_study: Make) -> None:
    curve = bowl({"gru": 3e-3, "lstm": 1e-2})
    launcher = FakeLauncher(curve)
    study = make_study(launcher, tuning=None)
    job = study.jobs.job("final", "gru", "ucr", "main", 0, {})
    other = RunRecord(study.state.directory / job.id)
    other.begin({}, seed=0, study_job={"study": "tiny", "phase": "final", "model": "gru", "data": "ucr", "id": job.id})
    with open(other.directory / ".lock") as lock, pytest.raises(OSError, match="unavailable"):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def end() -> None:
        time.sleep(0.3)
        other.note(best={"epoch": 1, "value": 1.0})
        other.end("finished")

    thread = threading.Thread(target=end)
    thread.start()
    launcher.curve = lambda s: 1.0
    final = run_study(study)
    thread.join()
    assert job.id in [j.id for j in final]
    assert job.id not in [s["study_job"]["id"] for s in launcher.launched]
    assert len(launcher.launched) == 5


def test_the_plan_is_registered_before_the_first_final_run_and_its_changes_are_kept(make_study: Make) -> None:
    seen: list[Any] = []
    directory: list[Path] = []

    def value(settings: dict[str, Any]) -> float:
        record = read_study(directory[0])
        assert record is not None
        seen.append((settings["study_job"]["phase"], record.registered))
        return 1.0 + settings["optimizer.lr"]

    study = make_study(FakeLauncher(value), tuning={**PLAN["tuning"], "extensions": 0})
    directory.append(study.state.directory)
    run_study(study)
    assert {phase: at is not None for phase, at in seen} == {"trial": False, "repeat": False, "final": True}
    first = study.state.record.plan_hash
    changed = make_study(FakeLauncher(value), tuning={**PLAN["tuning"], "extensions": 0}, pairs=4)
    run_study(changed)
    (change,) = changed.state.record.changes
    assert change.keys == ["pairs"]
    assert (change.before, change.after) == (first, changed.state.record.plan_hash)
    assert changed.state.record.registered_hash == first


def test_a_piece_is_the_same_study(make_study: Make) -> None:
    arms = {"main": {}, "sgd": {"optimizer": "sgd"}}
    whole = make_study(FakeLauncher(lambda s: 1.0), arms=arms, tuning=None)
    piece = make_study(FakeLauncher(lambda s: 1.0), arms=arms, tuning=None, only={"arms": ["sgd"]})
    assert piece.plan.hash == whole.plan.hash
    assert piece.state.record.changes == []
    assert {job.arm for job in run_study(piece)} == {"sgd"}
    assert len(run_study(whole)) == 12
    launcher = whole.launch
    assert isinstance(launcher, FakeLauncher)
    assert {s["study_job"]["arm"] for s in launcher.launched} == {"main"}


def test_a_bidirectional_network_is_left_out_where_the_future_is_the_answer(make_study: Make, tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("to be or not to be, that is the question\n" * 40)
    study = make_study(
        FakeLauncher(lambda s: 1.0),
        models={"gru": {}, "gru_bi": {}, "lstm": {}},
        data={"text": {"data.path": str(text)}},
        tuning=None,
        primary={**PLAN["primary"], "metric": "test/bpc"},
    )
    assert {job.model for job in run_study(study)} == {"gru", "lstm"}
    assert [(o.model, o.data) for o in study.state.record.left_out] == [("gru_bi", "text")]


def test_planned_runs_are_written_down_before_they_run(make_study: Make) -> None:
    study = make_study(FakeLauncher(lambda s: KeyboardInterrupt), tuning=None)
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    planned = current_jobs(study.state.directory)
    assert len(planned) == 6
    assert all(read_record(study.state.directory / name) is None for name in planned)


def test_runs_of_an_earlier_plan_are_not_counted_and_said_to_be_there(make_study: Make) -> None:
    launcher = FakeLauncher(lambda s: 1.0)
    run_study(make_study(launcher, tuning=None))
    study = make_study(launcher, tuning=None, settings={"trainer.max_epochs": 3, "logger": "csv"})
    assert current_jobs(study.state.directory) == {}
    run_study(study)
    assert len(launcher.launched) == 12
    progress = Reader(study.state.directory).read()
    assert len(progress.ended) == sum(len(row.ended) for row in progress.rows.values()) == 6
    assert "6 runs from an earlier plan" in " ".join(remarks(study.state.directory, progress.ended))


def test_an_edited_network_runs_anew_from_its_trials_and_the_change_is_on_record(
    make_study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was chosen and measured with the old source never mixes with the new one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    launcher, name = FakeLauncher(lambda s: s["optimizer.lr"]), "_target_"
    models = {"gru": {}, "mine": {"model": "base", f"+model.{name}": "edited_net.Net"}}
    changes = {
        "models": models, "tuning": {"draws": {"optimizer.lr": [1e-3, 2e-3]}, "extensions": 0},
        "primary": {**PLAN["primary"], "models": ["gru", "mine"]},
    }  # fmt: skip
    (tmp_path / "edited_net.py").write_text("class Net: pass")
    run_study(make_study(launcher, **changes))
    once = len(launcher.launched)
    run_study(make_study(launcher, **changes))
    assert len(launcher.launched) == once
    (tmp_path / "edited_net.py").write_text("class Net: changed = True")
    study = make_study(launcher, **changes)
    run_study(study)
    assert [s["model"] for s in launcher.launched[once:]] == ["base"] * (once // 2)
    assert len(current_jobs(study.state.directory)) == once
    (change,) = study.state.record.changes
    assert change.keys == ["source code or data file of mine on ucr (main)"]


def test_the_best_so_far_is_the_largest_where_the_monitored_metric_is_to_be_large(make_study: Make) -> None:
    accuracies = iter([0.7, 0.9, 0.8])
    maximise = {**PLAN["settings"], "task.monitor": "val/acc", "task.mode": "max"}
    launcher = FakeLauncher(lambda s: next(accuracies) if s["model"] == "gru" else 0.5, monitor="val/acc")
    study = make_study(launcher, tuning=None, settings=maximise)
    run_study(study)
    rows = Reader(study.state.directory).read().rows
    assert rows["ucr", "main", "gru"].best == 0.9
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(table(Reader(study.state.directory).read()))
    assert "0.9" in console.export_text()


def test_the_best_so_far_is_the_smallest_elsewhere(make_study: Make) -> None:
    losses = iter([0.7, 0.9, 0.8])
    study = make_study(FakeLauncher(lambda s: next(losses) if s["model"] == "gru" else math.inf), tuning=None)
    run_study(study)
    rows = Reader(study.state.directory).read().rows
    assert (rows["ucr", "main", "gru"].best, rows["ucr", "main", "lstm"].best) == (0.7, None)
    assert (len(rows["ucr", "main", "lstm"].ended), rows["ucr", "main", "lstm"].runs["diverged"]) == (3, 3)


def test_a_study_begun_under_schema_1_goes_on_and_repeats_nothing(make_study: Make) -> None:
    """The fixture is what the code of schema 1 left of a study that was stopped among its final runs.

    Its drawn values and its metric are today's, since draws and selection have changed.
    """
    begun = json.loads(SCHEMA_1.read_text())
    plan = {key: value for key, value in begun["study.json"]["plan"].items() if key != "overrides"}
    optimum = {"main": 1e-3, "sgd": 0.1}
    launcher = FakeLauncher(lambda s: abs(math.log(s["optimizer.lr"] / optimum[s["study_job"]["arm"]])))
    fresh = make_study(launcher, **plan)
    # The runs' names follow the results version of today's code, which is not what is asked here.
    text = SCHEMA_1.read_text()
    for name, job in begun["planned.json"].items():
        given = (job[key] for key in ("phase", "model", "data", "arm", "seed", "values"))
        text = text.replace(name, fresh.jobs.job(*given).id)
    begun = json.loads(text)
    for name in ("study.json", "planned.json"):
        (fresh.state.directory / name).write_text(json.dumps(begun[name]))
    for name, result in begun["results"].items():
        (fresh.state.directory / name).mkdir()
        (fresh.state.directory / name / "result.json").write_text(json.dumps(result))

    before = read_study(fresh.state.directory)
    assert before is not None
    assert before.draws["ucr"]["sgd"] == begun["study.json"]["draws"]["ucr"]
    study = make_study(launcher, **plan)
    final = run_study(study)
    done = {s["study_job"]["id"] for s in launcher.launched}
    assert (len(done), len(final), len(begun["results"])) == (5, 8, 25)
    assert not done & begun["results"].keys()
    after = study.state.record
    assert after == read_study(fresh.state.directory)
    assert [change.keys for change in after.changes] == [["pairs"]]  # the one that schema 1 had noted
    assert (after.registered, after.registered_hash) == (before.registered, before.plan_hash)
    assert (after.chosen, after.extensions, after.plan) == (before.chosen, before.extensions, before.plan)
    assert len(after.draws["ucr"]["main"]["optimizer.lr"]) == 3
    assert json.loads((fresh.state.directory / "study.json").read_text())["schema"] == 2
    planned = json.loads((fresh.state.directory / "planned.json").read_text())
    assert (planned["schema"], list(planned["jobs"])) == (2, list(begun["planned.json"]))


def test_a_study_json_of_something_else_is_refused(make_study: Make, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(UserError, match=r"study\.json must be a study\.json of schema 2 or older"):
        make_study(FakeLauncher(lambda s: 1.0))


def test_the_last_digits_of_a_mean_break_no_tie(make_study: Make) -> None:
    """0.1 + 0.2 and 0.15 + 0.15 have one mean, but for rounding: the loss decides, which favours the second trial."""
    values = {1e-3: (0.15, 0.15), 2e-3: (0.1, 0.2)}
    assert sum(values[1e-3]) / 2 < sum(values[2e-3]) / 2
    study = make_study(
        FakeLauncher(
            lambda s: values[s["optimizer.lr"]][s["seed"] % 2],
            facts=lambda s: {"metrics": {"val/loss": 0.5 if s["optimizer.lr"] == 2e-3 else 0.6}},
        ),
        tuning={"draws": {"optimizer.lr": [1e-3, 2e-3]}, "repeat": {"best": 2, "seeds": 2}, "extensions": 0},
    )
    run_study(study)
    assert study.state.record.chosen["ucr"]["main"]["gru"].values == {"optimizer.lr": 2e-3}
