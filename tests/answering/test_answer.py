"""From a file and minutes to a verdict, in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from src.api.answer import Answer
from src.config.errors import UserError
from src.runs.study_record import StudyRecord, read_study
from tests.answering.conftest import gestures, months

SEQUENCES = {"data.group_column": "take", "data.target": "gesture"}


def weights(directory: Path) -> dict[str, str]:
    """Digests of what finished final runs have left."""
    files = [file for file in directory.glob("*/metrics.csv")]
    return {file.parent.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def until_a_look(answered: Callable[..., Answer], file: Path, number: int) -> tuple[Answer, StudyRecord]:
    """Minutes are given until so many looks are taken, on however slow a machine."""
    for _ in range(12):
        said = answered(file, 1, **SEQUENCES)
        study = read_study(said.folder)
        if study is not None and len(study.looks) >= number:
            return said, study
        assert said.verdict == "no verdict" or number > 1
        assert "continue" in said.commands
    raise AssertionError("No look is taken.")


@pytest.mark.slow
def test_a_verdict_a_page_and_a_run_and_the_next_sitting(answered: Callable[..., Answer], tmp_path: Path) -> None:
    file = gestures(tmp_path / "gestures.csv")
    first, study = until_a_look(answered, file, 1)
    assert study.plan.sittings
    assert [look.pairs for look in study.looks] == [study.plan.pairs]
    assert not study.changes
    assert first.verdict in ("gru better", "lstm better", "practically the same", "undecided")
    task = first.summary.tasks[0]  # type: ignore[union-attr]
    assert first.sentence == task.comparisons[0].both.sentence  # type: ignore[union-attr]
    assert task.comparisons[0].n == study.plan.pairs
    assert task.comparisons[0].verdict.look.better < 0.025  # type: ignore[union-attr]
    assert {"gru", "lstm"} <= set(first.table.index)
    assert first.table.loc["gru", "milliseconds"] > 0
    assert f"<h2>{first.verdict}</h2>" in first.page.read_text()
    assert first._repr_html_() in first.page.read_text()
    assert json.loads((first.folder / "answer.json").read_text())["verdict"] == first.verdict
    assert first.best is not None
    assert first.best.metrics["test/acc"] == first.run_test
    assert (first.best.path / "model.onnx").is_file()

    # A margin is refused once a final run has begun, in one sentence; the registered one is no other margin.
    registered = study.margins["gestures"].margin
    with pytest.raises(UserError, match=rf"^margin=0\.3 is too late: this answer's margin, {registered:g}, was fixed"):
        answered(file, 1, margin=0.3, **SEQUENCES)
    before = weights(first.folder)
    answered(file, 0.5, margin=registered, **SEQUENCES)  # of the next sitting, which may stay open
    second, _ = until_a_look(answered, file, 1 if first.verdict != "undecided" else 2)
    assert second.folder == first.folder
    after = weights(second.folder)
    assert {name: after[name] for name in before} == before
    looks = [look.pairs for look in read_study(second.folder).looks]  # type: ignore[union-attr]
    if first.verdict == "undecided":
        assert looks == [study.plan.pairs, 2 * study.plan.pairs]
    else:  # it has decided: nothing is looked at again
        assert (looks, second.verdict, after) == ([study.plan.pairs], first.verdict, before)


@pytest.mark.slow
def test_nothing_is_compared_where_no_network_beats_what_knows_nothing(
    answered: Callable[..., Answer], tmp_path: Path
) -> None:
    noise = gestures(tmp_path / "noise.csv", alike=True)
    # After a single update nothing can know that one class is nine times as frequent.
    short = {"trainer.max_steps": 1, "trainer.val_check_interval": 1, "metric": "test/nll"}
    said = answered(noise, 2, **SEQUENCES, **short)
    assert said.verdict == "no verdict"
    assert said.sentence.startswith("No verdict: no network beats the best trivial predictor on validation")
    assert {run.study_job.phase for run in _records(said.folder)} == {"trial", "repeat"}
    assert any(remark.startswith("Things to try") for remark in said.remarks)
    assert said.sentence in said.page.read_text()
    assert (said.summary, said.run, "continue" in said.commands) == (None, None, False)


def _records(directory: Path) -> list:
    from src.runs.record import read_record

    return [record for path in directory.glob("*/result.json") if (record := read_record(path.parent))]


@pytest.mark.slow
def test_a_series_of_144_months(answered: Callable[..., Answer], tmp_path: Path) -> None:
    said = answered(months(tmp_path / "air.csv"), 1)
    record = read_study(said.folder)
    assert record is not None
    (settings,) = record.plan.data.values()
    assert (settings["data.lookback"], settings["data.horizon"]) == (24, 7)
    assert said.sentence
