"""Runs are found wherever they lie; what is no run is listed and stops nobody."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.curves import POINTS, thinned
from src.analysis.sequences import BLOCKS, sequences_of
from src.analysis.summary import as_plain
from src.config.errors import UserError
from src.runs.record import digests_of, read_record
from src.runs.result import StudyJob
from src.runs.study_record import PlannedJob, PlannedJobs
from src.runs.typed_json import write_json
from src.tasks.metrics import Metric
from tests.analysis.fake import fake_run, fake_study

NLL = Metric("nll", "min", "nats", "loss", "count")


def test_what_a_run_says_is_read(tmp_path: Path) -> None:
    job = StudyJob("s", "final", "gru", "jsb_chorales", "adam", "0f")
    directory = fake_run(tmp_path / "s" / "0f", seed=3, value=8.4, job=job, lr=0.01)
    collection = collect([tmp_path / "s"], "study")
    (run,) = collection.runs
    assert (run.model, run.data_name, run.arm, run.seed, run.phase, run.study) == (
        "gru",
        "jsb_chorales",
        "adam",
        3,
        "final",
        "s",
    )
    assert run.metrics["test/nll"] == pytest.approx(8.4, abs=1e-12)
    assert run.values == {"optimizer.lr": 0.01}
    assert (run.hidden_size, run.mode) == (46, "min")
    assert run.command_line == "python -m src.train model=gru data=jsb_chorales seed=3"
    assert collection.sequences["0f"].ratio(NLL) == run.metrics["test/nll"]
    assert collection.curves["0f"].columns["val/nll"][-1] == pytest.approx(8.45 + 2 / 6, abs=1e-4)
    assert "val/loss" not in collection.curves["0f"].columns
    assert not collection.problems
    assert directory.name == Path(run.directory or "").name


def test_records_of_schema_1_say_the_same(tmp_path: Path) -> None:
    """A study's job was called a part, facts about the data stood among the notes, and tasks declared no metrics."""
    study = fake_study(tmp_path / "planted", pairs=3)
    now = collect([study], "study")
    for path in study.glob("*/result.json"):
        record = json.loads(path.read_text())
        record |= {"schema": 1, "part": record.pop("study_job"), "data": record["data"] | record["data"].pop("notes")}
        del record["declared"], record["data"]["name"], record["data"]["split_seed"]
        path.write_text(json.dumps(record))
    content = json.loads((study / "study.json").read_text())
    draws = {data: by_arm["main"] for data, by_arm in content["draws"].items()}
    (study / "study.json").write_text(json.dumps(content | {"schema": 1, "draws": draws}))
    before = collect([study], "study")
    assert not before.problems
    assert as_plain(summarise(before, asked(before))) == as_plain(summarise(now, asked(now)))


def test_runs_outside_studies_go_by_their_choices(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", model="lstm", data="nottingham", seed=1)
    config = tmp_path / "b"
    fake_run(config, model="lstm", data="ucr", seed=1)
    (config / "config.yaml").write_text((config / "config.yaml").read_text().replace("name: ucr", "name: BasicMotions"))
    assert [run.data_name for run in collect([tmp_path], "runs").runs] == ["nottingham", "ucr:BasicMotions"]


def test_corrupt_partial_and_foreign_records_are_listed(tmp_path: Path) -> None:
    """Each of them is planted beside a good study, whose verdict stands."""
    study = fake_study(tmp_path / "planted", pairs=6, tuning=False)
    good = len(list(study.glob("*/result.json")))
    sound = sorted(study.glob("*/result.json"))[0].parent

    def plant(name: str, text: str | bytes) -> None:
        (study / name).mkdir()
        (study / name / "result.json").write_bytes(text if isinstance(text, bytes) else text.encode())

    record = json.loads((sound / "result.json").read_text())
    plant("half", json.dumps(record)[:200])
    plant("binary", b"\x00\xff\xfe")
    plant("empty", "")
    plant("foreign", '{"accuracy": 0.9, "model": "resnet"}')
    plant("list", "[1, 2, 3]")
    plant("later", json.dumps({**record, "schema": 99}))
    plant("nameless", json.dumps({**record, "id": "n1", "study_job": None, "choices": {}}))
    plant("twisted", json.dumps({**record, "id": "n2", "metrics": [1, 2]}))
    plant("odd", json.dumps({**record, "id": "n3", "status": "exploded"}))
    (study / "dead").mkdir()
    (study / "dead" / "config.yaml").write_text("seed: 0\n")
    (sound / "metrics.csv").write_text("step,epoch\n1\n")
    (sound / "sequences" / "test.npz").write_bytes(b"PK not a zip")
    collection = collect([study], "study")
    assert len(collection.runs) == good
    names = [(Path(p.place).parent if p.place.endswith(".json") else Path(p.place)).name for p in collection.problems]
    by_place = {name: problem.kind for name, problem in zip(names, collection.problems, strict=True)}
    assert by_place == {
        **dict.fromkeys(("half", "binary", "empty", "list", "foreign", "later", "dead"), "unreadable"),
        **dict.fromkeys(("twisted", "odd"), "foreign"),
        "nameless": "nameless",
        sound.name: "incomplete",
    }
    assert len(collection.problems) == 12  # curve and sequences of the one that counts all the same
    summary = summarise(collection, asked(collection))
    assert summary.headline()[0][1].verdict.winner == "gru"  # type: ignore[union-attr]
    assert len(summary.problems) == 12


@pytest.mark.parametrize(
    "damage",
    [
        {"parameters": {"effective": "many"}},
        {"timing": {"seconds": "fast"}},
        {"data": {"checksum": {"a": 1}}},
        {"git": {"commit": ["b"]}},
        {"seed": True},
    ],
)
def test_parts_of_another_type_do_not_stop_a_comparison(tmp_path: Path, damage: dict) -> None:
    study = fake_study(tmp_path / "planted", pairs=2, tuning=False)
    broken = next(study.glob("*/result.json"))
    broken.write_text(json.dumps(json.loads(broken.read_text()) | damage))
    collection = collect([study], "study")
    summarise(collection, asked(collection))
    assert [problem.kind for problem in collection.problems] in (["foreign"], ["nameless"])
    assert len(collection.runs) == 3


def test_a_study_beside_plain_runs_keeps_its_plan_and_lends_it_to_nobody(tmp_path: Path) -> None:
    fake_study(tmp_path / "planted", pairs=3, tuning=False)
    for model in ("gru", "lstm"):
        for seed in range(2):
            place = tmp_path / f"plain-{model}-{seed}"
            fake_run(place, model=model, data="ett", seed=seed, metric="mse", value=0.4 + seed / 10)
    collection = collect([tmp_path], "runs")
    summary = summarise(collection, asked(collection))
    assert {(task.data, task.metric, task.margin is None) for task in summary.tasks} == {
        ("jsb_chorales", "test/nll", False),
        ("ett", "test/mse", True),
    }
    assert not [flag for flag in summary.flags if flag.kind == "missing"]


def test_why_nothing_can_be_compared_is_said(tmp_path: Path) -> None:
    for seed in range(2):
        fake_run(tmp_path / str(seed), seed=seed, status="failed")
        (tmp_path / str(seed) / "metrics.csv").write_text("epoch\n0\n")
    collection = collect([tmp_path], "runs")
    with pytest.raises(UserError, match=r"No run is finished yet \(2 failed\)"):
        summarise(collection, asked(collection))


def test_a_try_that_never_trained_is_no_run(tmp_path: Path) -> None:
    for number, status in enumerate(("failed", "interrupted", "finished")):
        fake_run(tmp_path / str(number), seed=number, status=status)
    collection = collect([tmp_path], "runs")
    assert [run.seed for run in collection.runs] == [2]
    (problem,) = collection.problems
    assert (problem.kind, Path(problem.place).name) == ("untrained", "1")  # it was asked for, and left no other trace
    (tmp_path / "0" / "checkpoints").mkdir()
    (tmp_path / "0" / "checkpoints" / "last.ckpt").touch()
    assert [run.seed for run in collect([tmp_path], "runs").runs] == [0, 2]


def test_two_settings_for_one_seed_are_the_reason(tmp_path: Path) -> None:
    for number, model in enumerate(("gru", "lstm") * 2):
        fake_run(tmp_path / ("r" * (1 + number)), model=model, lr=0.001 * (1 + number))
    collection = collect([tmp_path], "runs")
    with pytest.raises(UserError, match=r"Nothing can be compared: .* with different settings finished"):
        summarise(collection, asked(collection))


def test_a_damaged_study_json_is_refused(tmp_path: Path) -> None:
    """Without the plan its runs would be compared by another metric, with another margin or none."""
    study = fake_study(tmp_path / "planted", pairs=2, tuning=False)
    (study / "study.json").write_text('{"plan": ')
    for kind in ("study", "runs"):
        with pytest.raises(UserError, match=r"study\.json must be.* to write it again, .*experiments=planted"):
            collect([tmp_path], kind)


def test_machines_are_merged_and_duplicates_reported(tmp_path: Path) -> None:
    """Of one id the run that came furthest counts, whatever the order of the folders."""
    one = fake_study(tmp_path / "one" / "planted", pairs=3, tuning=False)
    other = tmp_path / "two" / "planted"
    shutil.copytree(one, other)
    run = sorted(one.glob("*/result.json"))[0]
    record = json.loads(run.read_text())
    run.write_text(json.dumps({**record, "status": "interrupted", "metrics": {}}))
    second = sorted(other.glob("*/result.json"))[1]
    record = json.loads(second.read_text())
    second.write_text(json.dumps({**record, "metrics": {**record["metrics"], "test/nll": 1.0}, "ended": 1.0}))
    for places in ([one, other], [other, one]):
        collection = collect(places, "runs")
        assert len(collection.runs) == 6
        assert {r.status for r in collection.runs} == {"finished"}
        assert min(r.metrics["test/nll"] for r in collection.runs) > 8
        duplicates = [p for p in collection.problems if p.kind == "duplicate"]
        assert len(duplicates) == 6
        assert sum("their test metrics differ" in p.sentence for p in duplicates) == 1
    assert len(collect([tmp_path / "one", one], "runs").problems) == 0  # the same folder twice is no duplicate


def test_each_machine_chose_on_its_own_data_sets(tmp_path: Path) -> None:
    for machine, data in (("one", "jsb_chorales"), ("two", "nottingham")):
        fake_study(tmp_path / machine / "planted", data=(data,), pairs=2)
    collection = collect([tmp_path / "one", tmp_path / "two"], "runs")
    assert set(collection.study.chosen) == {"jsb_chorales", "nottingham"}


def pieces(tmp_path: Path) -> list[Path]:
    """One plan without margins on two machines, each with one of its data sets (``study.only.data``) and two looks."""
    places = []
    both = {"jsb_chorales": {}, "nottingham": {}}
    for place, (data, margin) in enumerate((("jsb_chorales", 0.04), ("nottingham", 0.03))):
        study = fake_study(tmp_path / str(place) / "planted", data=(data,), pairs=6, margin=None, tuning=False)
        content = json.loads((study / "study.json").read_text())
        content["plan"]["data"] = both
        content["margins"] = {data: {"metric": "val/nll", "margin": margin, "baseline": 11.0, "reached": 8.5}}
        content["updated"] = content["registered"] + 1000 * place
        at = [content["registered"] + 10 * (place + 1) + later for later in (0, 30)]
        content["looks"] = [
            {"data": data, "arm": "main", "pairs": n, "time": time} for n, time in zip((6, 8), at, strict=True)
        ]
        (study / "study.json").write_text(json.dumps(content))
        for run in study.glob("*/result.json"):  # ids are those of one study, never the same twice
            record = json.loads(run.read_text())
            record["id"] = record["study_job"]["id"] = f"{place}{record['id'][1:]}"
            run.write_text(json.dumps(record))
        places.append(study)
    return places


def test_margins_and_looks_of_two_machines_are_kept(tmp_path: Path) -> None:
    places = pieces(tmp_path)
    for order in (places, places[::-1]):
        collection = collect(order, "runs")
        assert asked(collection).margin == {"jsb_chorales": 0.04, "nottingham": 0.03}
        summary = summarise(collection, asked(collection))
        assert len(summary.headline()) == 2
        assert not [c.verdict for _, c in summary.headline() if "no margin was fixed" in c.verdict.sentence]
        assert [(look.data, look.pairs) for look in collection.study.looks] == [
            ("jsb_chorales", 6),
            ("nottingham", 6),
            ("jsb_chorales", 8),
            ("nottingham", 8),
        ]
        assert not [flag for flag in summary.flags if flag.kind in ("look", "margin")]


def test_a_change_after_a_look_of_the_other_machine_is_flagged(tmp_path: Path) -> None:
    first, second = pieces(tmp_path)
    content = json.loads((second / "study.json").read_text())
    change = {"time": content["registered"] + 45, "before": "a", "after": "b", "keys": ["pairs"]}
    content |= {"changes": [change], "looks": []}
    (second / "study.json").write_text(json.dumps(content))
    collection = collect([first, second], "runs")
    (flag,) = [flag for flag in summarise(collection, asked(collection)).flags if flag.kind == "look"]
    assert "(pairs) after the look at 8 pairs of jsb_chorales (main)" in flag.sentence


def test_two_margins_of_one_data_set_are_flagged(tmp_path: Path) -> None:
    first, second = pieces(tmp_path)
    content = json.loads((second / "study.json").read_text())
    content["margins"]["jsb_chorales"] = {**content["margins"]["nottingham"], "margin": 0.06}
    (second / "study.json").write_text(json.dumps(content))
    collection = collect([second, first], "runs")
    (flag,) = [flag for flag in summarise(collection, asked(collection)).flags if flag.kind == "margin"]
    assert (flag.weight, flag.data) == ("serious", "jsb_chorales")
    assert flag.sentence == "The folders have different margins (0.04, 0.06); the newest is used."
    assert asked(collection).margin["jsb_chorales"] == 0.06


def test_several_studies_do_not_mix(tmp_path: Path) -> None:
    for name, gap in (("first", 0.2), ("second", -0.2)):
        fake_study(tmp_path / name, pairs=6, advantage=gap, tuning=False, seed=len(name))
    for place, path in enumerate(sorted(tmp_path.glob("*/*/result.json"))):  # studies give ids that are never the same
        record = json.loads(path.read_text())
        record["id"] = record["study_job"]["id"] = f"{place:016x}"
        path.write_text(json.dumps(record))
    collection = collect([tmp_path], "runs")
    summary = summarise(collection, asked(collection))
    winners = {task.arm: c.verdict.winner for task, c in summary.headline() if c.verdict}
    assert winners == {"first/main": "gru", "second/main": "lstm"}


def test_a_run_whose_loss_is_no_number_has_diverged(tmp_path: Path) -> None:
    directory = fake_run(tmp_path / "a")
    record = json.loads((directory / "result.json").read_text())
    record["metrics"]["test/loss"] = record["metrics"]["test/nll"] = "nan"
    (directory / "result.json").write_text(json.dumps(record))
    assert collect([tmp_path], "runs").runs[0].status == "diverged"


def test_runs_of_an_earlier_plan_are_listed_and_not_pooled(tmp_path: Path) -> None:
    study = fake_study(tmp_path / "smoke")
    every = collect([study], "study")
    now = json.loads((study / "study.json").read_text())["plan_hash"]
    stale, *rest = sorted(path.parent.name for path in study.glob("*/result.json"))
    job = PlannedJob("final", "gru", "jsb_chorales", "main", 0, {}, now)
    jobs = {name: job for name in rest} | {stale: replace(job, plan_hash="of an earlier plan")}
    write_json(study / "planned.json", PlannedJobs(jobs))
    collection = collect([study], "study")
    assert {run.directory for run in every.runs} - {run.directory for run in collection.runs} == {str(study / stale)}
    assert [(p.kind, p.place) for p in collection.problems] == [("stale", str(study / stale))]


def test_links_and_folders_of_wandb_are_not_followed(tmp_path: Path) -> None:
    directory = fake_run(tmp_path / "a")
    (tmp_path / "latest").symlink_to("a")
    shutil.copytree(directory, directory / "wandb" / "copy")
    collection = collect([tmp_path], "runs")
    assert (len(collection.runs), collection.problems) == (1, [])


def test_a_linked_run_of_a_study_is_named(tmp_path: Path) -> None:
    study = fake_study(tmp_path / "planted", pairs=2)
    record = collect([study], "study").study
    assert record is not None
    first, *rest = sorted(path.parent.name for path in study.glob("*/result.json"))
    job = PlannedJob("final", "gru", "jsb_chorales", "main", 0, {}, record.plan_hash)
    write_json(study / "planned.json", PlannedJobs(dict.fromkeys([first, *rest], job)))
    (study / first).rename(tmp_path / "away")
    (study / first).symlink_to(tmp_path / "away")
    (problem,) = collect([study], "study").problems
    assert (problem.place, "symbolic link" in problem.sentence) == (str(study / first), True)


@pytest.mark.parametrize("missing", ["nowhere", "."])
def test_nothing_to_read_is_said_in_a_sentence(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UserError, match=r"must be a directory with runs|There are no runs"):
        collect([tmp_path / missing], "runs")


def test_long_curves_are_thinned_and_keep_their_best_epoch() -> None:
    rows = [{"step": i, "epoch": i, "seconds": float(i), "val/loss": 2.0, "val/nll": 1.0 + i} for i in range(1000)]
    curve = thinned(rows, 501)  # type: ignore[arg-type]
    assert curve is not None
    assert len(curve.step) <= POINTS + 1
    assert {0, 501, 999} <= set(curve.epoch)
    assert list(curve.columns) == ["val/nll"]


def test_large_test_sets_are_summed_in_blocks() -> None:
    rng = np.random.default_rng(0)
    number = 10_000
    order = rng.permutation(number)
    loss, count = rng.normal(5, 1, number), rng.integers(1, 9, number).astype(float)
    columns = {"row": np.arange(number)[order], "loss": loss[order], "count": count[order]}
    sums = sequences_of({**columns, "prediction": np.arange(number) % 3, "target": np.zeros(number, dtype=int)})
    assert (sums.number, len(sums.columns["loss"])) == (number, BLOCKS)
    assert sums.ratio(NLL) == pytest.approx(loss.sum() / count.sum(), rel=1e-12)
    # Blocks are consecutive rows, so that two runs whose files have other orders share them.
    size = number / BLOCKS
    assert sums.columns["count"][0] == count[: int(np.ceil(size))].sum()
    assert sums.columns["right"].sum() == (np.arange(number) % 3 == 0).sum()
    assert sequences_of({"row": np.arange(3), "loss": np.ones(3), "count": np.ones(3)}).rows != sums.rows


def test_a_thousand_runs_take_less_than_twenty_seconds(tmp_path: Path) -> None:
    """Written by hand, with curves of 100 epochs and 77 test sequences: 25 tasks, two models, 20 seeds."""
    model = fake_run(tmp_path / "template", epochs=100)
    text = (model / "result.json").read_text()
    places = []
    for data in range(25):
        for name in ("gru", "lstm"):
            for seed in range(20):
                record = json.loads(text)
                value = 8.0 + (0.1 + 0.01 * np.cos(seed) if name == "lstm" else 0.0) + np.sin(seed + data)
                record |= {"id": f"{data}{name}{seed}", "seed": seed, "identity": f"{data}{name}{seed}"}
                record["choices"] = {"model": name, "data": f"set{data:02d}"}
                record["metrics"]["test/nll"] = value
                place = tmp_path / "many" / record["id"]
                place.mkdir(parents=True)
                (place / "sequences").mkdir()
                (place / "result.json").write_text(json.dumps(record))
                for file in ("metrics.csv", "sequences/test.npz"):
                    os.link(model / file, place / file)
                config = (model / "config.yaml").read_text().replace("jsb_chorales", f"set{data:02d}")
                (place / "config.yaml").write_text(config)
                places.append(place)
    begun = time.process_time()
    collection = collect([tmp_path / "many"], "runs")
    summary = summarise(collection, asked(collection, margin=0.05))
    seconds = time.process_time() - begun
    print(f"\n1,000 runs: {seconds:.1f} s of processor time")
    assert len(summary.runs) == len(places) == 1000
    assert summary.across is not None
    assert summary.across.better == 25
    assert seconds < 20


def test_files_that_are_not_those_of_the_record_are_left_out_and_named(tmp_path: Path) -> None:
    """A run whose config differs is left out; without its curve or its sequences it still counts."""
    damaged = {"gru": "config.yaml", "lstm": "metrics.csv", "rnn": "sequences/test.npz", "whole": None}
    for model, name in damaged.items():
        place = fake_run(tmp_path / "runs" / model, model=model)
        record = read_record(place)
        assert record is not None
        record.digests = digests_of(place)
        write_json(place / "result.json", record)
        if name == "config.yaml":
            (place / name).write_text((place / name).read_text().replace("0.003", "0.004"))
        elif name:
            shutil.copy(fake_run(tmp_path / "other", model=model, value=9.0) / name, place / name)
    collection = collect([tmp_path / "runs"], "runs")
    said = {(p.kind, Path(p.sentence.split(" was damaged or changed")[0]).name) for p in collection.problems}
    assert said == {("unreadable", "config.yaml"), ("incomplete", "metrics.csv"), ("incomplete", "test.npz")}
    assert {run.model for run in collection.runs} == {"lstm", "rnn", "whole"}
    models = {run.id: run.model for run in collection.runs}
    assert {models[name] for name in collection.curves} == {"rnn", "whole"}
    assert {models[name] for name in collection.sequences} == {"lstm", "whole"}
