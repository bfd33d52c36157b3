"""Looks outside a plan: another number of pairs is another look, and from the second on the 5 % no longer holds."""

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.external_results import read_table
from src.analysis.flags import Flag
from src.analysis.looked import looked
from src.compare import compare
from src.config.errors import UserError
from src.config.places import CONF
from tests.analysis.fake import MODELS, fake_run


def table(path: Path, pairs: int) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "data", "seed", "accuracy"])
        writer.writerows([m, "d", s, 0.9 + 0.01 * (s % 3) - 0.05 * (m == "b")] for m in "ab" for s in range(pairs))
    return path


def flags(path: Path, pairs: int, planned: tuple[str, ...] = ()) -> list[Flag]:
    collection = read_table(table(path, pairs))
    summary = looked(summarise(collection, asked(collection, margin=0.01)), planned, [path.parent], path.parent / "no")
    return [flag for flag in summary.all_flags() if flag.kind == "look"]


def test_another_number_of_pairs_is_another_look(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    assert flags(path, 6) == flags(path, 6) == []
    (second,) = flags(path, 9)
    assert second.sentence.startswith("This is look 2 at a against b (at 6 and now 9 pairs) outside a plan, so")
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
        looked(replace(summary, tasks=summary.tasks), [], [tmp_path], tmp_path)
    assert len(json.loads((tmp_path / "looks.json").read_text())["comparisons"]) == 1


def test_fewer_than_six_pairs_are_looked_at_too(tmp_path: Path) -> None:
    assert flags(tmp_path / "theirs.csv", 3) == []
    (second,) = flags(tmp_path / "theirs.csv", 5)
    assert "look 2 at a against b (at 3 and now 5 pairs)" in second.sentence


def pool(folders: list[Path], seeds: range) -> None:
    """Runs of two models, seed by seed in each folder in turn."""
    for seed in seeds:
        for model in MODELS:
            folder = folders[seed % len(folders)]
            fake_run(
                folder / f"{model}{seed}", model=model, seed=seed, value=8.5 + 0.01 * seed + 0.2 * (model == "lstm")
            )


def sentences(report: Path, places: list[Path], metric: str = "test/nll", pack: Path | None = None) -> list[str]:
    """Flags on looks, as the command line has them; the folders may be packs."""
    given = [f"from={places[0]}"] if (places[0] / "pack.json").exists() else []
    given = given or [f"folders=[{','.join(map(str, places))}]"]
    words = [*given, "margin=0.01", "report=false", f"metric={metric}", f"directory={report}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra_compose("compare", [*words, *([f"pack={pack}"] if pack else [])])
    return [flag.sentence for flag in compare(cfg).all_flags() if flag.kind == "look"]


def test_neither_another_report_nor_metric_nor_order_hides_a_look(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    pool(folders, range(6))
    assert sentences(tmp_path / "report", folders) == []
    pool(folders, range(6, 8))
    (second,) = sentences(tmp_path / "elsewhere", folders[::-1], "test/loss")
    assert "(at 6 and now 8 pairs)" in second
    files = [folder / "looks.json" for folder in folders]
    (kept,), other = (json.loads(file.read_text())["comparisons"] for file in files)
    assert other == [kept]
    assert (kept["models"], kept["metrics"]) == (["gru", "lstm"], ["test/loss", "test/nll"])
    assert [look["pairs"] for look in kept["looks"]] == [6, 8]
    pool(folders, range(8, 10))
    (third,) = sentences(tmp_path / "report", [tmp_path])
    assert "(at 6, 8 and now 10 pairs)" in third, "the folder around them has the same runs"


def test_a_pack_carries_the_looks(tmp_path: Path) -> None:
    folder, pack = tmp_path / "runs", tmp_path / "packs" / "new"
    pool([folder], range(6))
    sentences(tmp_path / "report", [folder])
    pool([folder], range(6, 8))
    said = sentences(tmp_path / "report", [folder], pack=pack)
    shutil.copytree(pack, tmp_path / "sent")
    shutil.rmtree(folder)
    assert sentences(tmp_path / "theirs", [tmp_path / "sent"]) == said != []


def test_where_nothing_can_be_written_the_report_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, report = tmp_path / "runs", tmp_path / "report"
    pool([folder], range(6))
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != folder)
    assert sentences(report, [folder]) == []
    assert not (folder / "looks.json").exists()
    pool([folder], range(6, 7))
    (second,) = sentences(report, [folder])
    assert "(at 6 and now 7 pairs)" in second


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
