"""Output for a paper says what summary.json says, and LaTeX takes it whatever things are called."""

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.analysis.summary import Summary
from src.compare import compare
from src.config.errors import UserError
from src.figures.canvas import LATEX, latex, new_figure, save
from src.reporting.paper import COLUMNS, escaped, latex_table, write_paper
from tests.analysis.fake import fake_study
from tests.analysis.rich import rich_summary

EVIL = "50%_of {a}&b #1 $x$ ^~\\end{tabular}\n[x] ü<ß>\u4e2d"


@pytest.fixture(scope="module")
def summary() -> Summary:
    return rich_summary()


def rows_of(table: str) -> list[list[str]]:
    """The cells of each row, after a strict look at the syntax."""
    lines = [line for line in table.splitlines() if not line.startswith("%")]
    assert table.isascii() or all(line.isascii() for line in lines)
    assert lines[0] == f"\\begin{{tabular}}{{{COLUMNS}}}"
    assert lines[-1] == "\\end{tabular}"
    bare = re.sub(r"\\[&%$#_{}\\]", "", "\n".join(lines))
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert not set("%#^~_<>|") & set(bare.replace("\\~", "").replace("\\^", "").replace("{<}", "").replace("{>}", ""))
    rules = [line for line in lines[1:-1] if not line.endswith(r" \\")]
    assert set(rules) <= {r"\toprule", r"\midrule", r"\bottomrule"}
    cells = [re.split(r"(?<!\\) ?& ?", line.removesuffix(r" \\")) for line in lines if line.endswith(r" \\")]
    assert {len(row) for row in cells} == {len(COLUMNS)}
    assert not [row for row in cells if row[0].lstrip().startswith(("[", "*"))], "they would belong to the row above"
    return cells


def says(cell: str, *values: float, sign: str = "") -> bool:
    """Whether a cell has these numbers alone, each to the digits that are shown, which are two at least."""
    shown = re.findall(r"\$([-+]?[\d.]+)\$", cell)
    digits = len(shown[0].partition(".")[2])
    assert len(shown[0].strip("+-").replace(".", "").lstrip("0")) >= 2
    return shown == [f"{value:{sign}.{digits}f}" for value in values]


def test_the_table_has_the_numbers_of_the_summary(summary: Summary, tmp_path: Path) -> None:
    write_paper(summary, tmp_path)
    kept = json.loads(summary.to_json())
    rows = rows_of((tmp_path / "table.tex").read_text())[1:]
    models = [model for task in kept["tasks"] for model in task["models"]]
    primary = [c for task in kept["tasks"] for c in task["comparisons"] if c["primary"]]
    assert len(rows) == len(models) + len(primary)
    for row, model in zip(rows, models, strict=False):
        assert row[2].replace("\\_", "_") == model["model"]
        assert says(row[3], model["mean"])
        assert says(row[4], model["interval"]["low"], model["interval"]["high"])
        assert row[5] == str(model["n"])
    for row, c in zip(rows[len(models) :], primary, strict=True):
        shown = c["verdict"]["interval_better"]
        assert says(row[3], c["mean"], sign="+")
        assert says(row[4], shown["low"], shown["high"])
        assert row[5] == f"{c['n']} pairs"
    assert [row[6] for row in rows[len(models) :]] == ["gru\\_chung better", "practically the same"]


def test_the_sentence_stands_in_its_file_in_the_table_and_in_the_summary(summary: Summary, tmp_path: Path) -> None:
    write_paper(summary, tmp_path)
    said = [c.verdict.sentence for _, c in summary.headline() if c.verdict]
    assert (tmp_path / "sentence.txt").read_text().splitlines()[: len(said)] == said
    assert [f"% {sentence}" for sentence in said] == (tmp_path / "table.tex").read_text().splitlines()[
        1 : 1 + len(said)
    ]
    assert all(json.dumps(sentence)[1:-1] in summary.to_json() for sentence in said)


def called(summary: Summary, name: str) -> Summary:
    """The same with all data sets and models of this name, in its sentences too."""
    tasks = [
        dataclasses.replace(
            task,
            data=name,
            metric=name,
            models=[dataclasses.replace(model, model=name) for model in task.models],
            comparisons=[
                dataclasses.replace(
                    c, a=name, b=name, verdict=c.verdict and dataclasses.replace(c.verdict, sentence=name, winner=name)
                )
                for c in task.comparisons
            ],
        )
        for task in summary.tasks
    ]
    return dataclasses.replace(summary, tasks=tasks)


def test_names_are_no_commands(summary: Summary) -> None:
    assert len(rows_of(latex_table(called(summary, EVIL)))) == len(rows_of(latex_table(summary)))
    assert rows_of(latex_table(called(summary, "[x]")))
    assert escaped("é ñ ç š") == r"\'{e} \~{n} \c{c} \v{s}"


@pytest.mark.skipif(latex() is None, reason="no LaTeX on this machine")
def test_any_document_with_booktabs_takes_it(summary: Summary, tmp_path: Path) -> None:
    table = latex_table(called(summary, EVIL))
    document = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{table}\\end{{document}}\n"
    (tmp_path / "a.tex").write_text(document)
    subprocess.run([latex() or "", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_a_summary_with_nothing_to_compare(summary: Summary) -> None:
    tasks = [dataclasses.replace(task, comparisons=[], models=task.models[:1]) for task in summary.tasks]
    assert len(rows_of(latex_table(dataclasses.replace(summary, tasks=tasks)))) == 3
    assert dataclasses.replace(summary, tasks=tasks).answers()[0].startswith("No comparison is possible")


def test_the_interval_of_an_accuracy_stays_below_1(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    values = {"a": (1.0, 1.0, 1.0, 1.0, 1.0, 0.9), "b": (0.0, 0.0, 0.0, 0.0, 0.0, 0.2)}
    for scale in (1, 100):
        lines = [f"{m},d,{s},{scale * v}" for m, of in values.items() for s, v in enumerate(of)]
        (tmp_path / "theirs.csv").write_text("\n".join(["model,data,seed,acc", *lines]) + "\n")
        overrides = [f"from={tmp_path / 'theirs.csv'}", "margin=0.01", "mode=max", "report=false"]
        made = compare(compose(*overrides, config_name="compare"))
        (a, b), (c,) = made.tasks[0].models, made.tasks[0].comparisons
        assert a.interval is not None
        assert b.interval is not None
        assert c.t is not None
        assert (a.interval.high == 1.0) == (scale == 1), "percent are left as they are"
        assert (b.interval.low == 0.0) == (scale == 1)
        assert c.t.high > 1.0, "the interval of a difference is never cut"


def test_figures_in_the_formats_that_are_asked(summary: Summary, tmp_path: Path) -> None:
    figure = new_figure(2, 2)
    figure.subplots().plot([0, 1])
    first = save(figure, tmp_path / "a", ["pdf", "svg"])
    again = save(figure, tmp_path / "b", ["pdf", "svg"])
    assert [file.name for file in first] == ["a.pdf", "a.svg"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    assert first[0].read_bytes().startswith(b"%PDF")


def test_compare_writes_the_figures_as_pdf(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    study = fake_study(tmp_path / "planted", pairs=6, tuning=False)
    compare(compose(f"study={study}", "figures=[pdf]", config_name="compare"))
    assert {file.suffix for file in (study / "report" / "figures").iterdir()} == {".pdf"}
    assert (study / "report" / "table.tex").is_file()


def test_pgf_without_latex_is_refused_before_anything_is_read(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    study = fake_study(tmp_path / "planted", pairs=6, tuning=False)
    with pytest.raises(UserError, match=rf"needs one of {', '.join(LATEX)}, but none is installed: use figures=\[pdf"):
        compare(compose(f"study={study}", "figures=[svg,pgf]", config_name="compare"))
    assert not (study / "report").exists()


def test_runs_outside_a_study_are_called_by_what_they_are(summary: Summary) -> None:
    runs = dataclasses.replace(summary, kind="runs", plan=None, name="2026-11-26_10-00-00_abcdef")
    assert runs.title == "gru_chung, lstm_chung, rnn_chung on jsb_chorales, nottingham"
    assert summary.title == summary.name
