"""Where the values that a study tries lie within their ranges."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from src.runs.study_record import LogUniform, TuningRecord
from src.studies.condition import ConditionTuning
from src.studies.plan import Plan, read_plan, values_of
from src.studies.ranges import extended_range, further_draws
from src.studies.run import Study, run_study
from tests.studies.conftest import PLAN, FakeLauncher
from tests.studies.test_shipped import FILES


def shipped(file: Path) -> Plan:
    base = OmegaConf.load(file.parent / "base.yaml").study
    return read_plan(OmegaConf.merge(base, OmegaConf.load(file).study))


def places(values: list[float], draw: LogUniform) -> list[float]:
    """Where values lie in their range by logarithm, in parts of the range, ascending."""
    return sorted(math.log(value / draw.low) / draw.stratum for value in values)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_the_draws_of_a_shipped_study_have_one_in_each_part_of_their_range(file: Path) -> None:
    tuning = shipped(file).tuning
    assert tuning is not None
    drawn = values_of(tuning)
    for key, draw in tuning.draws.items():
        assert isinstance(draw, LogUniform), f"{key} is a list: nothing spreads it"
        assert draw.number >= 8 or file.stem == "smoke"
        at = places(drawn[key], draw)
        assert [math.floor(place) for place in at] == list(range(draw.number))
        assert at[0] <= 0.2501
        assert at[-1] >= draw.number - 0.2501


def test_variants_is_tuned_over_its_range_not_over_a_twelfth_of_it() -> None:
    (file,) = (f for f in FILES if f.stem == "variants")
    tuning = shipped(file).tuning
    assert tuning is not None
    draw, values = tuning.draws["optimizer.lr"], values_of(tuning)["optimizer.lr"]
    assert isinstance(draw, LogUniform)
    assert math.log(max(values) / min(values)) / math.log(draw.high / draw.low) > 0.93


@pytest.mark.parametrize("seed", range(40))
def test_neighbours_lie_at_most_two_parts_apart_whatever_the_seed(seed: int) -> None:
    draw = LogUniform(1e-4, 1e-2, 8)
    values = values_of(TuningRecord({"lr": draw}, seed=seed))["lr"]
    assert values != sorted(values)
    assert max(b - a for a, b in itertools.pairwise(places(values, draw))) < 2
    assert all(draw.gap(values, chosen) is None for chosen in values)


def test_several_ranges_are_permuted_independently() -> None:
    draw = LogUniform(1e-4, 1e-2, 8)
    values = values_of(TuningRecord({"a": draw, "b": draw}, seed=1))
    orders = [[math.floor(math.log(v / draw.low) / draw.stratum) for v in values[key]] for key in ("a", "b")]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(8))


def test_every_study_has_draws_of_its_own_by_a_seed_on_record() -> None:
    tunings = [read_plan({**PLAN, "name": name}).tuning for name in ("one", "two", "one")]
    seeds = [tuning.seed for tuning in tunings if tuning]
    assert seeds[0] == seeds[2] != seeds[1]
    drawn = [values_of(tuning) for tuning in tunings if tuning]
    assert drawn[0] == drawn[2] != drawn[1]
    given = read_plan({**PLAN, "tuning": {**PLAN["tuning"], "seed": 7}}).tuning
    assert given is not None
    assert given.seed == 7


def test_a_gap_beside_a_choice_is_filled_for_all_models(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = [1.1e-4, 2e-4, 1e-3, 9e-3]  # a study whose draws were not in strata
    monkeypatch.setattr("src.studies.condition.values_of", lambda tuning: {"optimizer.lr": sparse})
    draw = LogUniform(1e-4, 1e-2, 8)
    launcher = FakeLauncher(lambda s: abs(math.log(s["optimizer.lr"] / 2e-3)))
    tuning: dict[str, Any] = {
        "draws": {"optimizer.lr": {"low": draw.low, "high": draw.high, "number": draw.number}},
        "repeat": {"best": 1, "seeds": 1},
        "extensions": 4,
    }
    study = make_study(launcher, tuning=tuning)
    run_study(study)
    first, *_ = made = study.state.record.extensions
    assert {e.side for e in made} == {"gap"}
    assert (first.before, first.after, first.because.value) == ([1e-4, 1e-2], [1e-4, 1e-2], 1e-3)
    assert all(1e-3 < lr < 9e-3 for lr in first.draws)
    tried = [*sparse, *(lr for e in made for lr in e.draws)]
    for model in ("gru", "lstm"):
        chosen = study.state.record.chosen["ucr"]["main"][model].values["optimizer.lr"]
        assert draw.gap(tried, chosen) is None
        assert {s["optimizer.lr"] for s in launcher.launched if s["model"] == model} >= set(tried)
    condition = ConditionTuning(study.plan.tuning, study.jobs, study.state, ("ucr", "main"), ["gru"])  # type: ignore[arg-type]
    assert [trial["optimizer.lr"] for trial in condition.trials] == tried


@pytest.mark.parametrize("number", [6, 8, 15, 40])
def test_extensions_in_a_row_leave_no_gap(number: int) -> None:
    """Each is wider than the one before: with as many draws in each, neighbours were more than two parts apart."""
    draw = LogUniform(5e-4, 2e-2, number)
    limits, values = (draw.low, draw.high), values_of(TuningRecord({"optimizer.lr": draw}, seed=0))["optimizer.lr"]
    for extension in (1, 2, 3, 4):
        tuning = TuningRecord({"optimizer.lr": draw}, seed=extension)
        piece = extended_range(limits, "high")
        values = sorted([*values, *further_draws(tuning, "optimizer.lr", piece, extension)["optimizer.lr"]])
        limits = (draw.low, piece[1])
        assert [draw.gap(values, value) for value in values] == [None] * len(values)
