"""Every reason for distrust is planted in a study that has none, and is said; a sound study has no flag."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.flags import Flag
from src.analysis.summary import Summary
from tests.analysis.fake import fake_run, fake_study

Edit = Callable[[dict[str, Any]], None]


def summary_of(study: Path, **wanted: Any) -> Summary:
    collection = collect([study], "study")
    return summarise(collection, asked(collection, **wanted))


def flags_of(study: Path, **wanted: Any) -> list[Flag]:
    """All but "published": planted results fall short of published ones (see test_study_flags.py)."""
    summary = summary_of(study, **wanted)
    flags = [*summary.flags, *(flag for task in summary.tasks for flag in task.flags)]
    return [flag for flag in flags if flag.kind != "published"]


def edit(study: Path, change: Edit, *, model: str | None = None, phase: str = "final", seed: int | None = None) -> int:
    """Change the records of some runs; how many."""
    changed = 0
    for path in study.glob("*/result.json"):
        record = json.loads(path.read_text())
        job = record["study_job"]
        if job["phase"] == phase and model in (None, job["model"]) and seed in (None, record["seed"]):
            change(record)
            path.write_text(json.dumps(record))
            changed += 1
    return changed


def change_study(study: Path, change: Edit) -> None:
    content = json.loads((study / "study.json").read_text())
    change(content)
    (study / "study.json").write_text(json.dumps(content))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return fake_study(tmp_path / "planted", pairs=4)


def test_a_sound_study_has_no_flag(study: Path) -> None:
    assert flags_of(study) == []
    assert summary_of(study).problems == []


def put(**content: Any) -> Edit:
    return lambda record: record.update(content)


def inside(key: str, **content: Any) -> Edit:
    return lambda record: record[key].update(content)


@pytest.mark.parametrize(
    ("kind", "weight", "change", "words"),
    [
        ("failed", "serious", put(status="failed", metrics={}), "1 of 4 runs of lstm failed."),
        ("unfinished", "serious", put(status="interrupted", metrics={}), "1 of 4 runs of lstm are not finished."),
        ("diverged", "serious", put(status="diverged", metrics={}), "1 of 4 runs of lstm diverged; they rank worst"),
        ("chance", "serious", inside("metrics", **{"test/nll": 10.6}), "1 of 4 runs of lstm are no better than"),
        ("checksum", "serious", inside("data", checksum="other"), "read different data: gru sum-of-jsb_c"),
        ("precision", "serious", inside("backend", precision="bf16"), "The runs differ in precision: "),
        ("results_version", "serious", put(results_version=2), "results version"),
        ("source", "serious", put(sources={"model": "b" * 64}), "of model._target_: lstm aaaaaaaaaaaa (2), lstm bbb"),
        ("code", "note", inside("git", commit="b" * 40), "from different commits: gru a57abe2674de (4), lstm a57abe2"),
        ("dirty", "note", inside("git", clean=False), "1 of 8 runs come from a working tree with uncommitted changes"),
        (
            "backend",
            "note",
            inside("backend", name="torch"),
            "differences in time are not due to the models alone: gru fused (4)",
        ),
        (
            "last_epoch",
            "note",
            lambda record: (put(stop_reason=None)(record), inside("best", is_last=True)(record)),
            "In 1 of 4 runs of lstm, the last epoch was the best: longer training might improve them.",
        ),
        (
            "last_epoch",
            "note",
            lambda record: (put(stop_reason="patience")(record), inside("best", is_last=True)(record)),
            "In 1 of 4 runs of lstm, patience ran out although the last epoch was the best",
        ),
        (
            "shared",
            "note",
            inside("timing", shared=True),
            "1 of 8 runs was timed on a machine that other processes were using",
        ),
        (
            "leaked",
            "note",
            inside("data", notes={"test/leaked": 1}),
            "1 of the test sequences is also in the training set.",
        ),
        ("measured", "serious", inside("data", notes={"test/measured": 0.5}), "1 of 8 runs used only part of the"),
        (
            "leaked",
            "serious",
            inside("data", notes={"test/leaked": 9}, sequences={"test": 77}),
            "9 of the test sequences are also in the training set.",
        ),
    ],
)
def test_what_befell_one_run_is_said(study: Path, kind: str, weight: str, change: Edit, words: str) -> None:
    if kind == "results_version":
        edit(study, put(results_version=1))
    if kind == "source":  # each model has its own; older records have none
        edit(study, put(sources={"model": "a" * 64}), model="lstm")
        edit(study, put(sources={"model": "c" * 64}), model="gru")
        edit(study, put(sources={}), model="lstm", seed=0)
    assert edit(study, change, model="lstm", seed=2) == 1
    here = [flag for flag in flags_of(study) if flag.kind == kind]
    assert [flag.weight for flag in here] == [weight]
    assert words in here[0].sentence
    others = {"failed": {"missing"}, "unfinished": {"missing"}}.get(kind, set())
    assert {flag.kind for flag in flags_of(study)} == {kind} | others


def test_data_drawn_from_the_seed_differ_from_seed_to_seed(study: Path) -> None:
    """Then chance is that of the run's own test set, and no interval over other sequences is claimed."""
    for seed in range(4):
        edit(study, inside("data", checksum=f"drawn from {seed}"), seed=seed)
    edit(study, inside("baselines", **{"test/markov/nll": 1.0, "test/unigram/nll": 1.0}), seed=2)
    flags = flags_of(study)
    assert {flag.kind for flag in flags} == {"chance"}
    (task, comparison), *_ = summary_of(study).headline()
    assert {model.chance for model in task.models} == {1}
    assert comparison.sequences is None
    edit(study, inside("data", checksum="other"), model="gru", seed=3)
    assert "checksum" in {flag.kind for flag in flags_of(study)}


def test_no_margin_in_place_of_the_plans_is_said(study: Path) -> None:
    (flag,) = [flag for flag in flags_of(study, margin=0) if flag.kind == "plan"]
    assert flag.sentence.startswith("margin=0 was set on the command line")


def test_a_diverged_run_is_ranked_and_counted_and_in_no_mean(study: Path) -> None:
    edit(study, put(status="diverged", metrics={}), model="lstm", seed=2)
    (task, comparison), *_ = summary_of(study).headline()
    lstm = next(model for model in task.models if model.model == "lstm")
    assert (lstm.n, lstm.diverged, comparison.n) == (3, 1, 3)
    assert comparison.probability is not None
    assert comparison.probability.wins == 4
    assert comparison.verdict is not None
    assert comparison.verdict.sentence.endswith("diverged and therefore excluded from the mean: 1 of lstm.")


def test_budgets_beyond_the_tolerance(study: Path) -> None:
    edit(study, inside("parameters", effective=19_500), model="lstm")
    (flag,) = flags_of(study)
    assert flag.kind == "budget"
    assert flag.sentence == "Budgets (effective) differ by 4.7%, more than the 2% allowed: gru 18,630, lstm 19,500."
    change_study(study, lambda content: content["plan"].update(tolerance=0.05))
    assert flags_of(study) == []


def test_budgets_of_another_kind_are_compared_in_that_kind(study: Path) -> None:
    edit(study, put(budget={"of": "flops", "wanted": 1_000_000, "actual": 1_000_000, "error": 0.0}), model="gru")
    edit(study, put(budget={"of": "flops", "wanted": 1_000_000, "actual": 1_100_000, "error": 0.1}), model="lstm")
    assert "Budgets (flops) differ by 10.0%" in flags_of(study)[0].sentence


def test_unequal_tuning(study: Path) -> None:
    lstm = [p for p in study.glob("*/result.json") if json.loads(p.read_text())["study_job"]["phase"] == "trial"][-1]
    lstm.unlink()
    (lstm.parent / "config.yaml").unlink()
    for rest in ("metrics.csv", ".lock"):
        (lstm.parent / rest).unlink(missing_ok=True)
    unequal = [flag for flag in flags_of(study) if flag.kind == "tuning"]
    assert [flag.sentence.partition(":")[0] for flag in unequal] == ["The models had unequal numbers of trials"]


def test_unlike_draws(study: Path) -> None:
    paths = [p for p in study.glob("*/result.json") if json.loads(p.read_text())["study_job"]["phase"] == "trial"]
    config = paths[0].parent / "config.yaml"
    lr = next(line for line in config.read_text().splitlines() if "lr:" in line)
    config.write_text(config.read_text().replace(lr, "  lr: 0.02"))
    assert [flag.sentence for flag in flags_of(study)] == ["The models were not tuned on the same draws."]


def test_final_runs_that_do_not_share_their_settings(study: Path) -> None:
    path = next(p for p in study.glob("*/result.json") if json.loads(p.read_text())["study_job"]["phase"] == "final")
    config = path.parent / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.003", "lr: 0.0042"))
    assert "do not share their tuned settings" in flags_of(study)[0].sentence


def test_seeds_of_trials_in_final_runs(study: Path) -> None:
    edit(study, put(seed=2), phase="trial", model="gru")
    sentences = [flag.sentence for flag in flags_of(study) if flag.kind == "seeds"]
    assert sentences == ["Trials and final runs share the seeds 2."]


def extended(data: str, arm: str, to: list[float]) -> dict[str, Any]:
    """The range of the learning rate, extended."""
    facts = {"time": 1.0, "key": "optimizer.lr", "side": "low", "before": [1e-4, 3e-2], "draws": [], "trials": []}
    return {**facts, "data": data, "arm": arm, "after": to, "because": {"model": "gru", "value": 1e-4}}


@pytest.mark.parametrize(("value", "side"), [(0.00013, "low"), (0.028, "high"), (0.003, None)])
def test_a_choice_at_the_edge(study: Path, value: float, side: str | None) -> None:
    def choose(content: dict[str, Any]) -> None:
        content["chosen"]["jsb_chorales"]["main"]["gru"]["values"]["optimizer.lr"] = value

    change_study(study, choose)
    sentences = [flag.sentence for flag in flags_of(study) if flag.kind == "edge"]
    assert sentences == (
        [] if side is None else [f"gru's choice of optimizer.lr = {value} is at the {side} edge of the range tried."]
    )
    extension = extended("jsb_chorales", "main", [1e-6, 10.0])
    change_study(study, put(extensions=[extension]))
    assert not [flag for flag in flags_of(study) if flag.kind == "edge"]


def test_an_extension_in_one_arm_leaves_the_range_of_another(tmp_path: Path) -> None:
    study = fake_study(tmp_path / "planted", pairs=2, arms=("main", "adam"))

    def choose(content: dict[str, Any]) -> None:
        content["chosen"]["jsb_chorales"]["main"]["gru"]["values"]["optimizer.lr"] = 0.028
        content["extensions"] = [extended("jsb_chorales", "adam", [1e-4, 10.0])]

    change_study(study, choose)
    ranges = {tuning.arm: tuning.ranges["optimizer.lr"] for tuning in summary_of(study).tuning}
    assert ranges == {"main": [1e-4, 3e-2], "adam": [1e-4, 10.0]}
    edges = [(flag.arm, flag.sentence) for flag in flags_of(study) if flag.kind == "edge"]
    assert edges == [("main", "gru's choice of optimizer.lr = 0.028 is at the high edge of the range tried.")]


def test_a_plan_that_changed_after_the_first_final_run(study: Path) -> None:
    change_study(study, put(registered=100.0, changes=[{"time": 50.0, "before": "a", "after": "b", "keys": ["pairs"]}]))
    assert flags_of(study) == []
    change_study(study, put(changes=[{"time": 150.0, "before": "a", "after": "b", "keys": ["primary.margin"]}]))
    (flag,) = flags_of(study)
    assert (flag.kind, flag.weight) == ("plan", "serious")
    assert flag.sentence == "The plan changed after the first final run started: primary.margin."
    plan = summary_of(study).plan
    assert plan is not None
    assert plan.changes[0].late is True
    change_study(study, put(registered=None, changes=[]))
    assert [flag.sentence for flag in flags_of(study)] == ["The plan was not registered before the final runs."]


def test_a_margin_that_is_not_the_plans_is_said(study: Path) -> None:
    assert flags_of(study, margin=0.05) == []
    assert flags_of(study, margin=0.5)[0].sentence == "margin=0.5 was set on the command line; the plan has 0.05."


def test_missing_pairs(study: Path) -> None:
    change_study(study, lambda content: content["plan"].update(pairs={"default": 2, "jsb_chorales": 6}))
    assert [flag.sentence for flag in flags_of(study)] == ["2 of 6 pairs of gru and lstm are missing."]


def test_planned_data_and_models_without_a_run_are_missing_and_not_left_out(study: Path) -> None:
    def plan(content: dict[str, Any]) -> None:
        content["plan"]["data"]["nottingham"] = {}
        content["plan"]["models"]["rnn"] = {}

    change_study(study, plan)
    sentences = [flag.sentence for flag in flags_of(study)]
    assert "The study has no final runs yet for nottingham; the results cover the rest." in sentences
    assert "4 of 4 pairs of gru and rnn are missing (seeds 0, 1, 2, 3)." in sentences
    change_study(
        study, put(left_out=[{"model": "rnn", "data": d, "reason": "?"} for d in ("nottingham", "jsb_chorales")])
    )
    assert [flag.sentence for flag in flags_of(study)] == [
        "The study has no final runs yet for nottingham; the results cover the rest."
    ]


def test_two_runs_that_claim_one_seed(tmp_path: Path) -> None:
    for seed in range(3):
        for model in ("gru", "lstm"):
            fake_run(tmp_path / f"{model}{seed}", model=model, seed=seed, value=8.5 + 0.1 * (model == "lstm"))
    fake_run(tmp_path / "again" / "gru1", model="gru", seed=1, value=8.4, lr=0.1)
    summary = summary_of(tmp_path)
    (flag,) = [flag for flag in summary.tasks[0].flags if flag.kind == "conflict"]
    assert flag.weight == "serious"
    assert "2 runs with different settings finished: none of them is used" in flag.sentence
    assert [pair.state for pair in summary.tasks[0].comparisons[0].pairs] == ["complete", "missing", "complete"]


def test_the_same_run_made_twice_counts_once(tmp_path: Path) -> None:
    for seed in range(3):
        for model in ("gru", "lstm"):
            fake_run(tmp_path / f"{model}{seed}", model=model, seed=seed, value=8.5 + 0.1 * (model == "lstm"))
    fake_run(tmp_path / "again" / "gru1", model="gru", seed=1, value=8.5)
    fake_run(tmp_path / "dead" / "gru2", model="gru", seed=2, status="failed", lr=0.5)
    (tmp_path / "dead" / "gru2" / "metrics.csv").write_text("epoch\n0\n")
    summary = summary_of(tmp_path)
    flags = [flag for flag in summary.tasks[0].flags if flag.kind == "conflict"]
    assert [flag.weight for flag in flags] == ["note", "note"]
    assert summary.tasks[0].comparisons[0].n == 3


def test_runs_without_a_test_do_not_count_and_are_listed(study: Path) -> None:
    edit(study, put(metrics={"val/nll": 8.0}), model="gru", seed=0)
    summary = summary_of(study)
    assert [p.sentence for p in summary.problems] == [
        "The run is finished but lacks test/nll (trained with test=false?)."
    ]
    assert [flag.kind for flag in summary.tasks[0].flags if flag.kind != "published"] == ["missing"]
