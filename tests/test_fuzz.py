"""A mistake in any key of any command is refused in a sentence, or what was given is legal; more by `tests.fuzz`."""

from pathlib import Path

import pytest

from tests.fuzz import PYTHON, Tried, silent


def test_no_mistake_is_accepted_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faults, counts = silent(80, seed=20261126)
    assert not [f"{f.command} {' '.join(f.line)} -> {f.sentence}" for f in faults]
    assert counts["refused"] > 50


def test_what_would_be_a_fault_is_seen() -> None:
    assert Tried("train", [], None, legal=False).is_fault
    assert Tried("train", [], "TypeError: argument of type 'int' is not iterable.", legal=False).is_fault
    assert Tried("train", [], "Nothing ends this sentence", legal=False).is_fault
    assert not Tried("train", [], "seed must be a whole number of at least 0, got -1.", legal=False).is_fault
    assert PYTHON.search("<class 'int'>")
