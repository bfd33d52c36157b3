"""The command: verdicts first, then tables, then where the files went; mistakes in one sentence."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.compare import compare
from src.config.errors import UserError
from tests.analysis.fake import fake_study

Compose = Callable[..., DictConfig]


@pytest.fixture
def wanted(compose: Compose, tmp_path: Path) -> Compose:
    runs = f"paths.runs_dir={tmp_path / 'runs'}"
    return lambda *overrides: compose(runs, "report=false", *overrides, config_name="compare")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return fake_study(tmp_path / "runs" / "planted", pairs=6)


def test_the_verdict_comes_first_and_every_number_leads_to_a_run(
    wanted: Compose, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(wanted("study=planted"))
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[:3]).replace("  ", " ").startswith("jsb_chorales: gru better than lstm, by 0.")
    report = study / "report"
    summary = json.loads((report / "summary.json").read_text())
    comparison = summary["tasks"][0]["comparisons"][0]
    with open(report / "pairs.csv", newline="") as file:
        pairs = list(csv.DictReader(file))
    with open(report / "runs.csv", newline="") as file:
        runs = {row["id"]: row for row in csv.DictReader(file)}
    assert [float(pair["difference"]) for pair in pairs] == [p["difference"] for p in comparison["pairs"]]
    for pair in pairs:
        assert float(pair["a"]) == float(runs[pair["run_a"]]["test/nll"])
        record = json.loads((study / pair["run_b"] / "result.json").read_text())
        assert float(pair["b"]) == record["metrics"]["test/nll"]
    assert sum(row["phase"] == "trial" for row in runs.values()) == 16


def test_committed_records_give_the_same_verdict(
    wanted: Compose, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "experiments" / "planted"
    compare(wanted("study=planted", f"pack={pack}"))
    first = capsys.readouterr().out
    compare(wanted(f"from={pack}"))
    second = capsys.readouterr().out
    assert first[: first.index(str(tmp_path))] == second[: second.index(str(tmp_path))]
    assert (pack / "report" / "summary.json").exists()


def test_a_table_of_another_tool(wanted: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "theirs.csv"
    lines = [f"{m},d,{s},0.{9 - (m == 'b')}{s}\n" for m in "ab" for s in range(6)]
    table.write_text("".join(["model,data,seed,accuracy\n", *lines]))
    compare(wanted(f"from={table}", "margin=0.01"))
    assert capsys.readouterr().out.startswith("d: a better than b, by 0.100 in accuracy on average")
    assert (tmp_path / "theirs_report" / "summary.json").exists()


def test_a_study_may_be_named_by_its_place(wanted: Compose, study: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(study, tmp_path / "elsewhere" / "planted")
    compare(wanted(f"study={moved}"))
    assert (moved / "report" / "summary.json").exists()
    assert not (study / "report").exists()


def test_output_elsewhere_and_folders_of_several_machines(wanted: Compose, study: Path, tmp_path: Path) -> None:
    other = fake_study(tmp_path / "other" / "planted", pairs=2, tuning=False)
    compare(wanted(f"folders=[{study},{other}]", f"directory={tmp_path / 'here'}"))
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert len(summary["problems"]) == 4  # the same ids again
    assert not (study / "report").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "exactly one of study=NAME, .* got none"),
        (["study=planted", "from=x.csv"], "got study and from"),
        (["study=plantd"], r"There is no study .*plantd \(did you mean planted\?\); available studies: planted"),
        (["from=nowhere.csv"], "nowhere.csv does not exist"),
        (["folders=[nowhere]"], "nowhere must be a directory with runs"),
        (["study=planted", "models=[gru,gruu]"], r"There is no run of gruu \(did you mean gru\?\)"),
        (
            ["study=planted", "metric=test/bleu"],
            "No run has test/bleu .* test/loss, test/nll",
        ),
        (["study=planted", f"directory={__file__}"], "directory must be a folder, got the file"),
        (["from=x.csv", "pack=y"], "pack=DIR writes the records of runs"),
    ],
)
def test_mistakes_are_said_in_a_sentence(wanted: Compose, study: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        compare(wanted(*overrides))


def test_a_study_without_final_runs(wanted: Compose, study: Path) -> None:
    for path in study.glob("*/result.json"):
        if json.loads(path.read_text())["study_job"]["phase"] == "final":
            path.unlink()
    with pytest.raises(UserError, match=r"planted has no final runs yet \(16 trials, 2 repeats\): continue the study."):
        compare(wanted("study=planted"))


def test_from_a_shell(study: Path) -> None:
    """Without torch: it would cost seconds."""
    script = (
        "import sys; sys.argv = ['compare', 'study=planted', 'report=false', 'paths.runs_dir=runs'];"
        "from src.compare import main; main(); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    here = study.parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith(
        "runs/planted/report: summary.json, runs.csv, pairs.csv, table.tex, sentence.txt"
    )
    assert sorted(p.name for p in here.iterdir()) == ["runs"]


def test_a_mistake_from_a_shell_is_one_line(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "src.compare", "study=nothing"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "There is no study runs/nothing; that folder has no studies.\n"
    assert list(tmp_path.iterdir()) == []
