"""A record is always whole, says how the run ended, and belongs to one process at a time."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from src.config.errors import UserError
from src.runs.record import STALE, RunRecord, find_runs, read_record, read_sequences


def begun(directory: Path) -> RunRecord:
    record = RunRecord(directory)
    record.begin({"seed": 0}, name="x")
    return record


def test_a_run_from_begin_to_end(tmp_path: Path) -> None:
    record = begun(tmp_path)
    assert (read_record(tmp_path) or {})["status"] == "running"
    record.note(metrics={"val/acc": 0.5})
    record.note(metrics={"test/acc": 0.25})
    record.end("finished")
    content = read_record(tmp_path) or {}
    assert content["status"] == "finished"
    assert content["metrics"] == {"val/acc": 0.5, "test/acc": 0.25}
    assert (content["schema"], content["attempts"]) == (1, 1)
    assert content["started"] <= content["ended"]
    assert not list(tmp_path.glob(".result*"))


def test_two_processes_cannot_work_in_one_directory(tmp_path: Path) -> None:
    record = begun(tmp_path)
    with pytest.raises(UserError, match="Another process is at work"):
        begun(tmp_path)
    record.end("finished")
    again = begun(tmp_path)
    assert again.content["attempts"] == 2
    again.end("finished")


def test_a_run_whose_process_died_is_interrupted(tmp_path: Path) -> None:
    record = begun(tmp_path)
    assert record._lock_file is not None
    record._lock_file.close()  # what the system does when a process dies
    assert (read_record(tmp_path) or {})["status"] == "interrupted"
    record.end("failed", "why")


def test_a_run_without_a_sign_of_life_is_interrupted(tmp_path: Path) -> None:
    record = begun(tmp_path)
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "heartbeat": time.time() - STALE - 1}))
    assert (read_record(tmp_path) or {})["status"] == "interrupted"
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
    record.note(metrics={"val/loss": float("nan"), "val/acc": np.float32(0.5)}, where=tmp_path)
    record.end("diverged", "the loss is nan")
    content = read_record(tmp_path) or {}
    assert content["metrics"] == {"val/loss": "nan", "val/acc": 0.5}
    assert content["error"] == "the loss is nan"


@pytest.mark.parametrize("text", ["{torn", "[]", '{"schema": 99}', '{"status": "finished"}'])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=r"result\.json"):
        read_record(tmp_path)


def test_runs_are_found_newest_first_and_broken_ones_passed_over(tmp_path: Path) -> None:
    for name, started in (("old", 1.0), ("deep/new", 2.0)):
        record = RunRecord(tmp_path / name)
        record.begin({}, started=started)
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
