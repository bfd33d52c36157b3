from typing import Any

import pytest

from src.runs.identity import IGNORED_KEYS, identity, without

CONFIG: dict[str, Any] = {
    "seed": 0,
    "name": "a",
    "paths": {"runs_dir": "x"},
    "data": {"name": "JapaneseVowels", "data_dir": "here", "batch_size": 16},
    "model": {"hidden_size": 128},
}
FACTS = {"backend": "torch", "precision": "32-true", "data_checksum": "c"}


def test_places_and_names_do_not_count() -> None:
    moved = {**CONFIG, "name": "b", "paths": {"runs_dir": "y"}, "data": {**CONFIG["data"], "data_dir": "there"}}
    assert identity(moved, **FACTS) == identity(CONFIG, **FACTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"model": {"hidden_size": 64}},
        {"data": {**CONFIG["data"], "batch_size": 8}},
    ],
)
def test_what_determines_the_result_counts(changed: dict[str, Any]) -> None:
    assert identity({**CONFIG, **changed}, **FACTS) != identity(CONFIG, **FACTS)


@pytest.mark.parametrize("fact", FACTS)
def test_backend_precision_and_data_count(fact: str) -> None:
    assert identity(CONFIG, **{**FACTS, fact: "another"}) != identity(CONFIG, **FACTS)


def test_a_change_of_results_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(CONFIG, **FACTS)
    monkeypatch.setattr("src.runs.identity.RESULTS_VERSION", -1)
    assert identity(CONFIG, **FACTS) != before


def test_the_order_of_keys_does_not_count() -> None:
    assert identity(dict(reversed(CONFIG.items())), **FACTS) == identity(CONFIG, **FACTS)


def test_of_a_width_and_a_budget_the_one_that_does_not_count_is_left_out() -> None:
    def name(**model: Any) -> str:
        return identity({**CONFIG, "model": model}, **FACTS)

    assert name(hidden_size=128, budget=None, budget_of="total") == identity(CONFIG, **FACTS)
    budget = {"budget": 900, "budget_of": "total"}
    assert name(hidden_size=7, **budget, budget_tolerance=0.1) == name(hidden_size=8, **budget)
    assert name(hidden_size=7, **budget) != name(hidden_size=7, **{**budget, "budget": 901})
    assert name(hidden_size=7, **budget) != name(hidden_size=7, **{**budget, "budget_of": "state"})
    assert name(hidden_size=7, **budget) != name(hidden_size=7)


def test_without_leaves_the_original_as_it_was() -> None:
    assert without(CONFIG, IGNORED_KEYS)["data"] == {"name": "JapaneseVowels", "batch_size": 16}
    assert CONFIG["data"]["data_dir"] == "here"
