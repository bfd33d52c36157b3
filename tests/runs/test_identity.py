from typing import Any

import pytest

from src.runs.identity import INDIFFERENT, identity, without

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


def test_without_leaves_the_original_as_it_was() -> None:
    assert without(CONFIG, INDIFFERENT)["data"] == {"name": "JapaneseVowels", "batch_size": 16}
    assert CONFIG["data"]["data_dir"] == "here"
