"""Before the plan's first look, between two looks and below six pairs nothing is shown as if it were final."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.summary import Summary
from src.figures.palette import styles
from src.reporting.page.pictures import _row, model_names, pictures
from src.reporting.report import render
from src.reporting.terminal import show
from tests.analysis.fake import fake_study

pytest.importorskip("plotly")
FINAL = (
    *("95 % interval by t", "95 % interval by BCa", "95 % over seeds and test sequences", "95 % interval of it"),
    *("p, better by more than the margin", "Wilcoxon signed-rank, p", "p after Holm", "power of Wilcoxon"),
    *(
        "interval of the verdict",
        "Bouthillier",
        "would be called better with probability 0.8",
        "signed-rank test alone",
    ),
)


def summary_of(directory: Path, pairs: int, looks: list[int], spread: float = 0.1) -> Summary:
    study = fake_study(directory / "planted", pairs=pairs, advantage=0.08, spread=spread, tuning=False)
    content = json.loads((study / "study.json").read_text())
    content["plan"] |= {"pairs": looks[-1], "looks": looks}
    (study / "study.json").write_text(json.dumps(content))
    collection = collect([study], "study")
    return summarise(collection, asked(collection))


def shown(summary: Summary) -> tuple[str, str]:
    """The line of the comparison in the terminal, and the page but for what its pictures are drawn of."""
    out = StringIO()
    show(summary, [], Console(file=out, width=300))
    (line,) = [line for line in out.getvalue().splitlines() if "gru : lstm" in line]
    return line, render(summary, [], styles(model_names(summary)))


@pytest.mark.parametrize(
    ("pairs", "looks", "outcome"), [(8, [10, 12], "no verdict"), (8, [6, 12], "undecided"), (5, [5], "no verdict")]
)
def test_no_interval_p_or_power(tmp_path: Path, pairs: int, looks: list[int], outcome: str) -> None:
    summary = summary_of(tmp_path, pairs, looks)
    (task,) = summary.tasks
    (c,) = task.comparisons
    assert c.verdict is not None
    assert c.verdict.outcome == outcome
    assert c.t is not None
    assert c.wilcoxon is not None
    line, page = shown(summary)
    assert line.split()[:5] == ["jsb_chorales", "gru", ":", "lstm", str(pairs)]
    assert len(line.split()) == 7, "mean and P(A>B) alone"
    assert not [words for words in FINAL if words in page]
    sentence = c.verdict.sentence.removeprefix("jsb_chorales: ").removeprefix(f"{outcome}; ")
    assert sentence in page
    assert "% interval " not in page.replace(sentence, "")
    assert _row(task, c, {}).intervals == []
    assert not [sentence for sentence in c.sensitivity if "signed-rank" in sentence]


def test_at_the_last_look_they_are_shown(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, 12, [6, 12])
    line, page = shown(summary)
    assert " to " in line
    assert len(line.split()) == 13, "the level, which is not 95 %, is two of them"
    assert [words for words in FINAL[:10] if words not in page] == []


def test_the_level_of_an_early_look_is_not_rounded_to_100(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, 6, [6, 12], spread=0.005)
    c = summary.tasks[0].comparisons[0]
    assert c.verdict is not None
    assert c.verdict.look is not None
    assert c.verdict.outcome == "better"
    assert f"{100 * (1 - 2 * c.verdict.look.better):.4g} % interval +0." in shown(summary)[1]
    assert "100 % interval" not in shown(summary)[1]
    level = f"{100 * (1 - 2 * c.verdict.look.better):.4g} %"
    assert f" ({level}) " in shown(summary)[0]
    assert _row(summary.tasks[0], c, {}).intervals[0][0] == f"{level} by t"
    drawn = [kind for kind in pictures(summary) if kind.key == "differences"]
    page = render(summary, drawn, styles(model_names(summary)))
    assert "The heavy bar is the interval of the verdict." in page
    assert "95 % t interval" not in page


def test_undecided_is_said_once(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, 12, [12])
    c = summary.tasks[0].comparisons[0]
    assert c.verdict is not None
    assert c.verdict.outcome == "undecided"
    out = StringIO()
    show(summary, [], Console(file=out, width=300))
    assert out.getvalue().count("undecided") == 1
    page = re.sub("<[^>]*>", "", shown(summary)[1].partition('id="answer"')[2].partition('id="care"')[0])
    assert page.count("undecided") == 1
