"""Looks outside a plan: another number of pairs is another look, and from the second on the 5 % no longer holds."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.external_results import read_table
from src.analysis.flags import Flag
from src.analysis.looked import looked
from src.config.errors import UserError


def table(path: Path, pairs: int) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "data", "seed", "accuracy"])
        writer.writerows([m, "d", s, 0.9 + 0.01 * (s % 3) - 0.05 * (m == "b")] for m in "ab" for s in range(pairs))
    return path


def flags(path: Path, pairs: int, planned: tuple[str, ...] = ()) -> list[Flag]:
    collection = read_table(table(path, pairs))
    summary = looked(summarise(collection, asked(collection, margin=0.01)), planned, path.parent)
    return [flag for flag in summary.all_flags() if flag.kind == "look"]


def test_another_number_of_pairs_is_another_look(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    assert flags(path, 5) == [], "five pairs have no verdict: nobody looked"
    assert not (tmp_path / "looks.json").exists()
    assert flags(path, 6) == flags(path, 6) == []
    (second,) = flags(path, 9)
    assert second.sentence.startswith("This is look 2 at a against b (at 6 and now 9 pairs) outside a plan: its 5 % no")
    assert second.weight == "serious"
    (third,) = flags(path, 12)
    assert "look 3 at a against b (at 6, 9 and now 12 pairs)" in third.sentence
    assert flags(path, 12) == [third], "the same number again is no new look, and the flag stays"
    kept = json.loads((tmp_path / "looks.json").read_text())["comparisons"]
    assert [look["pairs"] for look in kept[0]["looks"]] == [6, 9, 12]


def test_planned_looks_are_not_kept(tmp_path: Path) -> None:
    assert flags(tmp_path / "theirs.csv", 6, ("d",)) == flags(tmp_path / "theirs.csv", 9, ("d",)) == []
    assert not (tmp_path / "looks.json").exists()


def test_the_order_of_the_models_is_no_other_comparison(tmp_path: Path) -> None:
    collection = read_table(table(tmp_path / "t.csv", 6))
    for models in (["a", "b"], ["b", "a"]):
        summary = summarise(collection, asked(collection, models, margin=0.01))
        looked(replace(summary, tasks=summary.tasks), [], tmp_path)
    assert len(json.loads((tmp_path / "looks.json").read_text())["comparisons"]) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "looks.json").write_text('{"comparisons": [{"data": 3}]}')
    with pytest.raises(UserError, match=r"looks.json is damaged: comparisons.0.data"):
        flags(tmp_path / "theirs.csv", 6)


def test_twice_from_a_shell(tmp_path: Path) -> None:
    said = []
    for pairs in (6, 8):
        words = ["-m", "src.compare", f"from={table(tmp_path / 'theirs.csv', pairs)}", "margin=0.01", "report=false"]
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        said.append(" ".join(done.stdout.split()))
    assert "outside a plan" not in said[0]
    assert "! d: This is look 2 at a against b (at 6 and now 8 pairs) outside a plan" in said[1]
    assert (tmp_path / "theirs_report" / "looks.json").exists()
