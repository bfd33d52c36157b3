"""Minutes: what a kill leaves is gone on with, new ones begin after a report, no run begins that cannot end."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from src.answering.clock import Clock
from src.answering.workplace import OutOfTime, Paced, train_one


def test_minutes_that_were_killed_are_gone_on_with_and_those_that_ended_are_over(tmp_path: Path) -> None:
    clock = Clock(tmp_path, 2, time.monotonic() - 30)
    assert clock.spent == pytest.approx(30, abs=1)
    clock.write()
    again = Clock(tmp_path, 2, time.monotonic() - 10)
    assert again.spent == pytest.approx(40, abs=1)
    assert again.left == pytest.approx(120 - 40 - again.for_report, abs=1)
    again.end()
    new = Clock(tmp_path, 1, time.monotonic())
    assert (new.spent, new.seconds) == (pytest.approx(0, abs=1), 60)
    assert [grant.over for grant in new.grants.granted] == [True, False]


def test_what_is_spent_is_noted_while_something_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.answering.clock.TICK", 0.02)
    clock = Clock(tmp_path, 1, time.monotonic())
    with clock.ticking():
        while not clock.path.is_file():
            time.sleep(0.02)
        first = clock.path.read_bytes()
        while clock.path.read_bytes() == first:
            time.sleep(0.02)


@pytest.mark.parametrize(("minutes", "kept"), [(0.3, 6), (3, 18), (60, 60)])
def test_what_is_kept_for_the_report(tmp_path: Path, minutes: float, kept: float) -> None:
    assert Clock(tmp_path, minutes, time.monotonic()).for_report == pytest.approx(kept)


class FakeWorkplace:
    """Two slots; every launch takes as long as a clock of its own says."""

    slots = 2

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.seconds, self.launched = clock, seconds, list[list[str]]()

    def launch(self, batch: Sequence[Sequence[str]]) -> list[str | None]:
        self.launched.append([one[0] for one in batch])
        self.clock.left -= self.seconds * -(-len(batch) // self.slots)
        return [None] * len(batch)


class FakeClock:
    seconds = 100.0

    def __init__(self, left: float) -> None:
        self.left = left

    def write(self) -> None:
        """Nothing to note."""


@pytest.mark.parametrize("left", [9.0, 35.0, 64.0])
def test_no_run_is_begun_that_cannot_end_in_time(left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(left)
    workplace = FakeWorkplace(clock, 10.0)
    monkeypatch.setattr("time.monotonic", lambda: -clock.left)
    paced = Paced(workplace, clock, usual=10.0)  # type: ignore[arg-type]
    jobs = [[str(k)] for k in range(20)]
    with pytest.raises(OutOfTime):
        paced(jobs)
    done = [name for batch in workplace.launched for name in batch]
    assert done == [str(k) for k in range(2 * int(left // 10))]  # in order, and as many as fit
    assert clock.left >= 0


@pytest.mark.parametrize(("left", "over"), [(26.0, True), (24.0, False)])
def test_the_last_runs_before_a_look_may_end_a_little_late(
    left: float, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(left)
    workplace = FakeWorkplace(clock, 10.0)
    monkeypatch.setattr("time.monotonic", lambda: -clock.left)
    paced, jobs = Paced(workplace, clock, usual=10.0), [[str(k)] for k in range(5)]  # type: ignore[arg-type]
    if over:
        assert paced(jobs) == [None] * 5
        assert clock.left == left - 30.0 > -0.05 * clock.seconds
        return
    with pytest.raises(OutOfTime):
        paced(jobs)
    assert clock.left == left - 20.0


def test_all_runs_are_made_where_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(1000.0)
    workplace = FakeWorkplace(clock, 10.0)
    monkeypatch.setattr("time.monotonic", lambda: -clock.left)
    told: list[int] = []
    paced = Paced(workplace, clock, usual=99.0)  # type: ignore[arg-type]
    paced.tell = lambda: told.append(len(workplace.launched))
    assert paced([[str(k)] for k in range(11)]) == [None] * 11
    assert paced.usual == 10.0
    assert told == list(range(1, len(workplace.launched) + 1))


def test_what_every_run_would_repeat_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def train(cfg: DictConfig) -> None:
        logging.getLogger("src.training.by_series").info("test/mase by series")
        logging.getLogger("src.training.divergence").warning("diverged")

    monkeypatch.setattr("src.train.train", train)
    monkeypatch.setattr("src.answering.workplace.make_ready", lambda cfg: None)
    with caplog.at_level(logging.INFO):
        train_one(OmegaConf.create())
    assert [record.message for record in caplog.records] == ["diverged"]
