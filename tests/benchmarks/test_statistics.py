"""Intervals against simulation and closed forms; a ratio of contenders whose speed is known."""

import math
import random

import pytest
import torch

from benchmarks.statistics import NOISY_SPREAD, median_interval, noise, ratios, spread
from src.measuring.clock import run_rounds
from tests.measuring.fake_clock import FakeClock

CPU = torch.device("cpu")


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
    middle = median_interval([float(i) for i in range(1, 16)])
    assert (middle.value, middle.low, middle.high) == (8.0, 4.0, 12.0)  # ranks 4 and 12, as in tables of the sign test
    assert middle.coverage == pytest.approx(1 - 2 * (1 + 15 + 105 + 455) / 2**15)


def test_few_observations_get_all_there_is_and_say_so():
    assert median_interval([2.0]) == (2.0, 2.0, 2.0, 0.0)
    assert median_interval([5.0, 1.0, 2.0, 4.0]) == (3.0, 1.0, 5.0, 0.875)


def test_half_the_speed_is_a_ratio_of_one_half_within_its_interval(fake: FakeClock):
    works = {"base": fake.work(0.01, noise=0.05), "slow": fake.work(0.02, noise=0.05)}
    timings = run_rounds(works, [2, 2], 200, CPU)
    seconds = {name: [t.seconds for t in measured] for name, measured in timings.items()}
    assert spread(seconds["base"]) > NOISY_SPREAD  # the machine is slower by half, half of the time,
    ratio = median_interval(ratios(seconds["base"], seconds["slow"]))
    assert ratio.low <= 0.5 <= ratio.high  # and the ratio does not see it
    assert ratio.high - ratio.low < 0.02


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
    assert waited == "The process had its core for only part of the time: nn.GRU 42%."
