"""A record is always whole, says how the run ended, and belongs to one process at a time."""

import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from src.config.errors import UserError
from src.runs.record import STALE, RunRecord, find_runs, read_record, read_sequences
from src.runs.result import DataFacts, RunResult, StudyJob


def begun(directory: Path) -> RunRecord:
    record = RunRecord(directory)
    record.begin({"seed": 0}, seed=0, name="x")
    return record


def read(directory: Path) -> RunResult:
    result = read_record(directory)
    assert result is not None
    return result


def test_a_run_from_begin_to_end(tmp_path: Path) -> None:
    record = begun(tmp_path)
    assert read(tmp_path).status == "running"
    record.note(metrics={"val/acc": 0.5})
    record.note(metrics={"test/acc": 0.25})
    record.end("finished")
    result = read(tmp_path)
    assert result == record.result
    assert result.status == "finished"
    assert result.metrics == {"val/acc": 0.5, "test/acc": 0.25}
    assert (result.schema, result.attempts, result.id) == (2, 1, tmp_path.name)
    assert result.started is not None
    assert result.ended is not None
    assert result.started <= result.ended
    assert not list(tmp_path.glob(".result*"))


def test_two_processes_cannot_work_in_one_directory(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(UserError, match="Another process is using"):
        begun(tmp_path)
    record.end("finished")
    again = begun(tmp_path)
    assert again.result.attempts == 2
    again.end("finished")


def test_a_run_whose_process_died_is_interrupted(tmp_path: Path) -> None:
    record = begun(tmp_path)
    assert record._lock_file is not None
    record._lock_file.close()  # what the system does when a process dies
    assert read(tmp_path).status == "interrupted"
    record.end("failed", "why")


def test_a_run_without_a_sign_of_life_is_interrupted(tmp_path: Path) -> None:
    record = begun(tmp_path)
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "heartbeat": time.time() - STALE - 1}))
    assert read(tmp_path).status == "interrupted"
    record.end("failed", "why")


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.runs.record.HEARTBEAT", 0.02)
    record = begun(tmp_path)
    first = json.loads((tmp_path / "result.json").read_text())["heartbeat"]
    deadline = time.monotonic() + 10
    while json.loads((tmp_path / "result.json").read_text())["heartbeat"] == first:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    record.end("finished")


def test_numbers_that_json_has_not_are_written_by_name(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.note(metrics={"val/loss": float("nan"), "val/bpc": -math.inf, "val/acc": np.float32(0.5)})
    record.note(data={"notes": {"train/padding": math.inf}})
    record.end("diverged", "the loss is nan")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    json.loads((tmp_path / "result.json").read_text(), parse_constant=refuse)
    result = read(tmp_path)
    assert math.isnan(result.metrics["val/loss"])
    assert (result.metrics["val/bpc"], result.metrics["val/acc"]) == (-math.inf, 0.5)
    assert result.error == "the loss is nan"


@pytest.mark.parametrize(
    "facts",
    [{"metrcis": {"val/acc": 0.5}}, {"metrics": {"val/acc": "good"}}, {"best": {"epoch": 1}}, {"status": "over"}],
)
def test_what_a_record_does_not_hold_cannot_be_noted(facts: dict[str, Any], tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises((AttributeError, TypeError, ValidationError)):
        record.note(**facts)
    record.end("finished")
    assert read(tmp_path).metrics == {}


def test_a_run_of_schema_1_is_taken_up(tmp_path: Path) -> None:
    part = {"study": "s", "phase": "trial", "model": "gru", "data": "ucr", "arm": "main", "id": "ab"}
    old = {"schema": 1, "id": "ab", "seed": 3, "status": "failed", "error": "why", "attempts": 1, "part": part}
    old |= {
        "started": 5.0,
        "metrics": {"val/nll": "inf"},
        "data": {"checksum": "c", "sequences": {"val": 2}, "rate": 8},
    }
    (tmp_path / "result.json").write_text(json.dumps(old))
    record = RunRecord(tmp_path)
    record.begin({"seed": 3}, seed=3)
    record.end("finished")
    result = read(tmp_path)
    assert (result.id, result.seed, result.attempts, result.started, result.error) == ("ab", 3, 2, 5.0, None)
    assert result.study_job == StudyJob("s", "trial", "gru", "ucr", "main", "ab")
    assert result.data == DataFacts("c", {"val": 2}, notes={"rate": 8})
    assert result.metrics == {"val/nll": math.inf}
    assert json.loads((tmp_path / "result.json").read_text())["schema"] == 2


def test_a_finished_run_knows_the_digests_of_its_files(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.write_sequences("test", {"row": np.arange(3)})
    (tmp_path / "metrics.csv").write_text("step,epoch,seconds\n")
    record.end("finished")
    digests = read(tmp_path).digests
    assert digests.keys() == {"config.yaml", "metrics.csv", "sequences/test.npz"}
    for name, digest in digests.items():
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["{torn", "[]", '{"schema": 99}', '{"status": "finished"}'])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=r"result\.json"):
        read_record(tmp_path)


def test_runs_are_found_newest_first_and_broken_ones_passed_over(tmp_path: Path) -> None:
    for name, started in (("old", 1.0), ("deep/new", 2.0)):
        record = RunRecord(tmp_path / name)
        record.begin({}, seed=0, started=started)
        record.end("finished")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{")
    assert [directory.name for directory, _ in find_runs(tmp_path)] == ["new", "old"]


def test_sequences_are_kept_by_split(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.write_sequences("test", {"row": np.arange(3), "loss": np.array([0.1, 0.2, 0.3])})
    found = read_sequences(tmp_path, "test")
    assert found["loss"].tolist() == [0.1, 0.2, 0.3]
    assert found["row"].tolist() == [0, 1, 2]
