"""What is planned: rates in strata, numbers that fit, a file that is a study, a margin that does not move."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.analysis.asked import asked
from src.analysis.collect import Collection
from src.answering.answer import _alone_in
from src.answering.plan import node_of, numbers, rates_to_try, read_node, with_margin, write_plan
from src.config.errors import UserError
from src.runs.study_record import LogUniform, MarginRecord, StudyRecord
from src.statistics.sittings import look_of, share
from src.studies.plan import Plan, read_plan

LOW, HIGH = 0.001, 0.1


def node(**changes: Any) -> dict[str, Any]:
    made = node_of(
        "mine-1",
        ["gru", "lstm"],
        {"mine": {"data": "csv", "data.path": "mine.csv"}},
        {"model.budget": 2000},
        "test/acc",
        [0.01, 0.002, 0.03, 0.1],
        pairs=6,
    )
    return made | changes


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model.budget": 2000}, "with equal recurrent parameters and equal tuning?"),
        ({"model.budget": 64, "model.budget_of": "state"}, "with equal numbers in the state and equal tuning?"),
        ({"model.hidden_size": 32}, "gru or lstm on mine, with equal tuning?"),
        ({"model.budget": None}, "gru or lstm on mine, with equal tuning?"),
    ],
)
def test_the_question_says_equal_of_what_is(settings: dict[str, Any], words: str) -> None:
    made = node_of("mine-1", ["gru", "lstm"], {"mine": {"data": "csv"}}, settings, "test/acc", [0.01])
    assert made["question"].endswith(words)


@pytest.mark.parametrize("number", [4, 7, 12])
@pytest.mark.parametrize("known", [LOW, 0.0077, HIGH])
def test_every_part_of_the_range_has_one_rate_and_the_pilots_is_one_of_them(number: int, known: float) -> None:
    rates = rates_to_try("mine", LOW, HIGH, number, known)
    assert (len(rates), rates[0]) == (number, known)
    parts = [
        min(number - 1, math.floor(math.log(r / LOW) / LogUniform(LOW, HIGH, number).stratum + 1e-9)) for r in rates
    ]
    assert sorted(parts) == list(range(number))


def test_more_time_means_more_pairs_and_never_fewer_than_a_verdict_takes() -> None:
    before = 0
    for seconds, enough in ((0, False), (30, False), (60, True), (120, True), (600, True), (3600, True)):
        made = numbers(seconds, 5.0, slots=2, models=2, done=2)
        assert (made.seconds <= seconds) == enough
        assert made.pairs >= max(6, before)
        assert 4 <= made.trials <= 12
        assert 1 <= made.best * made.seeds <= 9
        runs = 2 * (made.pairs + made.trials + made.best * made.seeds) - 2  # the pilot's are done
        assert made.seconds == runs * 5.0 / 2
        assert not enough or made.seconds > 0.8 * seconds  # and the time is used
        before = made.pairs


def test_the_file_is_an_ordinary_study_and_is_read_back(tmp_path: Path) -> None:
    directory = tmp_path / "mine-1"
    write_plan(directory, node())
    file = directory / "experiments" / "mine-1.yaml"
    assert yaml.safe_load(file.read_text())["defaults"][0] == "base"
    assert read_node(directory) == node()
    assert read_node(tmp_path / "other") is None
    file.write_text(file.read_text().replace("pairs: 6", "pears: 6"))
    with pytest.raises(UserError, match=r"mine-1\.yaml is damaged \(study\.pears is not a key"):
        read_node(directory)


def test_a_refusal_removes_no_plan(tmp_path: Path) -> None:
    directory = tmp_path / "mine-1"
    write_plan(directory, node())
    with pytest.raises(UserError), _alone_in(directory):
        raise UserError("as for a margin that is too late")
    assert read_node(directory) == node()


def test_a_margin_is_taken_before_the_first_final_run_and_refused_after(tmp_path: Path) -> None:
    directory = tmp_path / "mine-1"
    write_plan(directory, node())
    before = StudyRecord("mine-1", read_plan(node()).fixed, "0" * 16)
    assert with_margin(directory, read_node(directory), None, before).primary.margin is None  # type: ignore[union-attr, arg-type]
    plan: Plan = with_margin(directory, read_node(directory), 0.05, before)  # type: ignore[arg-type]
    assert plan.primary is not None
    assert plan.primary.margin == 0.05
    assert read_node(directory)["primary"]["margin"] == 0.05  # type: ignore[index]
    late = StudyRecord("mine-1", plan.fixed, "0" * 16, registered=1.0)
    assert with_margin(directory, read_node(directory), 0.05, late) == plan  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^margin=0\.1 is too late: this answer's margin, 0\.05, was fixed before its"):
        with_margin(directory, read_node(directory), 0.1, late)  # type: ignore[arg-type]


def test_a_margin_from_validation_is_as_fixed(tmp_path: Path) -> None:
    directory = tmp_path / "mine-1"
    write_plan(directory, node())
    late = StudyRecord("mine-1", read_plan(node()).fixed, "0" * 16, registered=1.0)
    late.margins["mine"] = MarginRecord("val/acc", 0.02)
    assert with_margin(directory, read_node(directory), 0.02, late).primary.margin is None  # type: ignore[union-attr, arg-type]
    with pytest.raises(UserError, match=r"this answer's margin, 0\.02, was"):
        with_margin(directory, read_node(directory), 0.01, late)  # type: ignore[arg-type]


def test_the_looks_of_a_plan_in_sittings_double_and_share_the_level() -> None:
    plan = read_plan(node()).fixed
    collection = Collection("mine-1", "study", [], studies=[StudyRecord("mine-1", plan, "0" * 16)])
    looks = asked(collection).looks["mine"]
    assert looks[:3] == [look_of(sitting, 6) for sitting in (1, 2, 3)]
    assert all(later.pairs == 2 * earlier.pairs for earlier, later in itertools.pairwise(looks))
    assert sum(look.same for look in looks) == pytest.approx(0.05, rel=1e-4)
    assert looks[0].better == pytest.approx(0.025 * share(1))


def test_sittings_bring_their_own_looks() -> None:
    with pytest.raises(UserError, match=r"study\.sittings sets its own looks"):
        read_plan(node(looks=[6]))


def test_the_hash_of_a_plan_without_sittings_is_what_it_was() -> None:
    plain = {key: value for key, value in node().items() if key != "sittings"}
    assert read_plan(plain).hash == read_plan(plain | {"sittings": None}).hash
    assert read_plan(plain).hash != read_plan(node()).hash
