"""Callables whose speed is known, timed in rounds."""

import time
from functools import partial
from statistics import median

import pytest
import torch

from src.measuring.clock import plan_rounds, repeats_for, run_rounds
from tests.measuring.fake_clock import FakeClock

CPU = torch.device("cpu")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return FakeClock(monkeypatch)


def test_one_that_sleeps_is_slower_and_uses_no_core():
    timings = run_rounds({"a": lambda: time.sleep(0.01), "b": lambda: time.sleep(0.04)}, [1, 1], 5, CPU)
    a, b = (median(t.seconds for t in timings[name]) for name in ("a", "b"))
    assert 0.01 <= a < b
    assert median(t.cores for t in timings["b"] if t.cores is not None) < 0.5


def test_repeats_are_divided_out(fake: FakeClock):
    timings = run_rounds({"base": fake.work(1e-6)}, [4], 3, CPU)
    assert [t.seconds for t in timings["base"]] == pytest.approx([1e-6] * 3)


def test_every_callable_runs_once_in_a_round_and_first_in_turn():
    order: list[str] = []
    run_rounds({name: partial(order.append, name) for name in "abc"}, [1, 1, 1], 4, CPU)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"


def test_what_is_left_of_the_budget_goes_to_the_cheapest():
    assert plan_rounds([1.0, 10.0], rounds=10, budget=130.0) == [30, 10]
    assert plan_rounds([1.0, 10.0], rounds=10, budget=50.0) == [10, 10]
    assert plan_rounds([0.001, 10.0], rounds=10, budget=1000.0) == [40, 40]


def test_short_steps_are_repeated_until_they_can_be_measured():
    assert repeats_for(0.5) == 1
    assert repeats_for(0.02) == 3
    assert repeats_for(0.0) == 200
