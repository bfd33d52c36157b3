"""Intervals against simulation and closed forms; ratios of contenders whose speed is known because they sleep."""

import math
import random
import time
from statistics import median

import pytest
import torch

from benchmarks.contenders import Contender
from benchmarks.statistics import NOISY_SPREAD, median_interval, noise, ratios, spread
from src.measuring.clock import plan_rounds, repeats_for, run_rounds

CPU = torch.device("cpu")


class FakeClock:
    """Time that passes only when a contender works: its own seconds, times the machine's slowness at the moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.draw = 0.0, random.Random(0)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def contender(self, name: str, seconds: float, noise: float = 0.0) -> Contender:
        def work() -> None:
            slow_minutes = 1 + 0.5 * (math.sin(self.now) > 0 and self.now > 1)
            self.now += seconds * slow_minutes * self.draw.lognormvariate(0, noise)

        return Contender(name, "gru", "twin", "", work)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return FakeClock(monkeypatch)


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    draw = random.Random(0)
    for n in (6, 15, 30):
        trials = 4000
        intervals = [median_interval([draw.lognormvariate(0, 1) for _ in range(n)]) for _ in range(trials)]
        covered = sum(i.low <= 1.0 <= i.high for i in intervals) / trials  # the median of exp(N(0, 1)) is 1
        said = intervals[0].coverage
        assert said >= 0.95
        assert covered == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / trials))


def test_the_interval_is_the_narrowest_that_reaches_95_percent():
    found = median_interval([float(i) for i in range(1, 16)])
    assert (found.value, found.low, found.high) == (8.0, 4.0, 12.0)  # ranks 4 and 12, as in tables of the sign test
    assert found.coverage == pytest.approx(1 - 2 * (1 + 15 + 105 + 455) / 2**15)


def test_few_observations_get_all_there_is_and_say_so():
    assert median_interval([2.0]) == (2.0, 2.0, 2.0, 0.0)
    assert median_interval([5.0, 1.0, 2.0, 4.0]) == (3.0, 1.0, 5.0, 0.875)


def test_half_the_speed_is_a_ratio_of_one_half_within_its_interval(fake: FakeClock):
    contenders = [fake.contender("base", 0.01, noise=0.05), fake.contender("slow", 0.02, noise=0.05)]
    timings = run_rounds(contenders, [2, 2], 200, CPU)
    seconds = {name: [t.seconds for t in found] for name, found in timings.items()}
    assert spread(seconds["base"]) > NOISY_SPREAD  # the machine is slower by half, half of the time,
    found = median_interval(ratios(seconds["base"], seconds["slow"]))
    assert found.low <= 0.5 <= found.high  # and the ratio does not see it
    assert found.high - found.low < 0.02


def test_one_that_sleeps_is_slower_and_uses_no_core():
    contenders = [
        Contender(name, "gru", "twin", "", lambda s=s: time.sleep(s)) for name, s in (("a", 0.01), ("b", 0.04))
    ]
    timings = run_rounds(contenders, [1, 1], 5, CPU)
    a, b = (median(t.seconds for t in timings[name]) for name in ("a", "b"))
    assert 0.01 <= a < b
    assert median(t.cores for t in timings["b"] if t.cores is not None) < 0.5


def test_repeats_are_divided_out(fake: FakeClock):
    timings = run_rounds([fake.contender("base", 1e-6)], [4], 3, CPU)
    assert [t.seconds for t in timings["base"]] == pytest.approx([1e-6] * 3)


def test_every_contender_runs_once_in_a_round_and_first_in_turn():
    order: list[str] = []
    contenders = [Contender(n, "gru", "twin", "", lambda n=n: order.append(n)) for n in "abc"]  # type: ignore[misc]
    run_rounds(contenders, [1, 1, 1], 4, CPU)
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"


def test_what_is_left_of_the_budget_goes_to_the_cheapest():
    assert plan_rounds([1.0, 10.0], rounds=10, budget=130.0) == [30, 10]
    assert plan_rounds([1.0, 10.0], rounds=10, budget=50.0) == [10, 10]
    assert plan_rounds([0.001, 10.0], rounds=10, budget=1000.0) == [40, 40]


def test_short_steps_are_repeated_until_they_can_be_measured():
    assert repeats_for(0.5) == 1
    assert repeats_for(0.02) == 3
    assert repeats_for(0.0) == 200


def test_spread_is_the_distance_of_the_quartiles():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([1.0]) == 0.0


def test_a_quiet_machine_has_no_note_and_a_noisy_one_says_why():
    steady, moving = [1.0, 1.01, 0.99, 1.0, 1.02], [1.0, 1.3, 0.9, 1.5, 1.0]
    assert noise({"nn.GRU": steady}, 0.02) == []
    assert noise({"nn.GRU": steady}, None) == []
    (moved,) = noise({"nn.GRU": moving, "nn.LSTM": steady}, 0.02)
    assert "nn.GRU by 30%" in moved
    assert "nn.LSTM" not in moved
    assert noise({"nn.GRU": steady}, 1.25) == ["Other processes kept 1.2 cores busy."]
    (waited,) = noise({"nn.GRU": steady}, 0.02, {"nn.GRU": 0.42, "nn.LSTM": 0.99})
    assert waited == "The process did not have its core to itself: nn.GRU 42% of the time."
