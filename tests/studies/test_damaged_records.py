"""A study whose study.json or planned.json is damaged: said, restored, and never another question."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.analysis.collect import collect
from src.config.errors import UserError
from src.runs.study_record import read_planned, read_study, write_study
from src.studies.progress import Reader, table
from src.studies.run import Study, run_study
from tests.studies.conftest import PLAN, FakeLauncher

Make = Callable[..., Study]
NAMES = ("study.json", "planned.json")
WAY_BACK = {
    "study.json": r"(?s)study\.json .*its copy is intact: cp .*/study\.copy\.json .*/study\.json$",
    "planned.json": r"(?s)planned\.json .*to write it again, .*: python -m src\.train -m experiments=tiny$",
}


def changed(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every copy of a JSON value in which one key is missing, or one value is another."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*place, key, "gone"), {k: v for k, v in content.items() if k != key}
            for where, other in changed(value, (*place, key)):
                yield where, content | {key: other}
    elif isinstance(content, list):
        for number, value in enumerate(content):
            for where, other in changed(value, (*place, number)):
                yield where, [*content[:number], other, *content[number + 1 :]]
    else:
        yield (*place, "other"), content + 1 if isinstance(content, int | float) else "other"


@pytest.fixture
def finished(make_study: Make) -> Path:
    study = make_study(FakeLauncher(lambda s: s["optimizer.lr"]), pairs=1, tuning={**PLAN["tuning"], "extensions": 0})
    run_study(study)
    return study.state.directory


def again(make_study: Make, **changes: Any) -> Study:
    launcher = FakeLauncher(lambda s: s["optimizer.lr"])
    return make_study(launcher, **{"pairs": 1, "tuning": {**PLAN["tuning"], "extensions": 0}, **changes})


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_a_record_changes_unnoticed(finished: Path, name: str) -> None:
    """Every key missing and every value altered in turn: refused, but for the digest, without which nothing changes."""
    content = json.loads((finished / name).read_text())
    read = read_study if name == "study.json" else read_planned
    right = read(finished)
    assert right is not None
    tried = 0
    for where, other in changed(content):
        (finished / name).write_text(json.dumps(other))
        tried += 1
        if where == ("digest", "gone"):
            assert read(finished) == right
            continue
        with pytest.raises(UserError, match=WAY_BACK[name]):
            read(finished)
    assert tried > 100


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"7", b"\xff\x00\x9c", b'{"schema": 2}', b"[" * 100_000])
def test_whatever_is_damaged_is_refused_by_readers_and_restored_by_the_study(
    make_study: Make, finished: Path, name: str, damage: bytes
) -> None:
    before = {file: (finished / file).read_bytes() for file in NAMES}
    (finished / name).write_bytes(damage)
    for look in (lambda: Reader(finished).read(), lambda: collect([finished], "study")):
        with pytest.raises(UserError, match=WAY_BACK[name]):
            look()
    study = again(make_study)
    run_study(study)
    assert isinstance(study.launch, FakeLauncher)
    assert study.launch.launched == [], "nothing is done again"
    assert (finished / f"{name}.damaged").read_bytes() == damage
    now = read_study(finished)
    assert now is not None
    assert (now.registered, now.changes, now.chosen) == _of(before["study.json"])
    assert json.loads((finished / "planned.json").read_text()) == json.loads(before["planned.json"])
    assert Reader(finished).read().runs.total() == 22


def _of(text: bytes) -> Any:
    from src.runs.study_record import parse_study

    record = parse_study(json.loads(text), Path("study.json"))
    return record.registered, record.changes, record.chosen


def test_a_missing_record_of_a_study_is_not_a_study_without_a_plan(
    make_study: Make, finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (finished / "study.json").unlink()
    with pytest.raises(UserError, match=r"study\.json is missing; its copy is intact: cp"):
        collect([finished], "study")
    assert again(make_study).state.record.registered is not None
    assert read_study(finished) is not None
    (said,) = caplog.messages
    assert said.endswith("It is restored from study.copy.json."), "no word of a file that was set aside: none was there"


def test_a_record_lost_with_its_copy_after_final_runs_is_on_record(make_study: Make, finished: Path) -> None:
    """The margin cannot be changed by removing the record: what the report then says is a serious flag."""
    for name in ("study.json", "study.copy.json"):
        (finished / name).unlink()
    study = again(make_study, primary={**PLAN["primary"], "margin": 0.5})
    run_study(study)
    record = study.state.record
    (change,) = record.changes
    assert (change.keys, record.registered is not None and record.registered < change.time) == (["study.json"], True)


def test_a_new_study_has_changed_nothing(make_study: Make) -> None:
    assert again(make_study).state.record.changes == []
    assert again(make_study).state.record.registered is None


def test_the_way_back_has_what_the_command_line_added_to_the_plan(finished: Path) -> None:
    """Without it the command would be that of another plan."""
    record = read_study(finished)
    assert record is not None
    record.plan.overrides.update(
        {"trainer.max_steps": 60, "data.val_fraction": 0.1, "data.name": "a b", "compile": False}
    )
    write_study(finished, record)
    (finished / "planned.json").write_text("{")
    words = r"experiments=tiny trainer\.max_steps=60 data\.val_fraction=0\.1 'data\.name=a b' compile=false$"
    with pytest.raises(UserError, match=words):
        read_planned(finished)


def test_status_of_a_study_without_its_jobs_is_no_0_of_0(finished: Path, make_study: Make) -> None:
    (finished / "planned.json").unlink()
    with pytest.raises(
        UserError, match=r"planned\.json is missing, although runs exist \(22\); to write it again, run the command"
    ):
        Reader(finished).read()
    other = again(make_study, name="fresh")
    assert "no run of the current plan has been planned yet" in table(Reader(other.state.directory).read())
