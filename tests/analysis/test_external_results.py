"""Results of other tools."""

from pathlib import Path

import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.external_results import read_table
from src.analysis.summary import Summary
from src.config.errors import UserError

WIDE = """model,data,seed,test/acc,test/nll
gru,speech,0,0.91,0.31
gru,speech,1,0.92,0.30
gru,speech,2,0.93,0.29
lstm,speech,0,0.90,0.33
lstm,speech,1,0.90,inf
lstm,speech,2,0.91,
"""


def summary_of(path: Path, text: str, **wanted: object) -> Summary:
    path.write_text(text)
    collection = read_table(path)
    return summarise(collection, asked(collection, **wanted))  # type: ignore[arg-type]


def test_several_metrics_stand_in_columns(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "t.csv", WIDE, metric="test/acc", margin=0.01)
    (task, comparison), *_ = summary.headline()
    assert (task.mode, task.metric, summary.kind) == ("max", "test/acc", "table")
    assert comparison.primary
    assert [pair.difference for pair in comparison.pairs] == pytest.approx([0.01, 0.02, 0.02])


def test_what_is_missing_and_what_is_not_finite(tmp_path: Path) -> None:
    """The usual metric is the loss: a value that is infinite diverged, one that is empty is not there."""
    summary = summary_of(tmp_path / "t.csv", WIDE)
    (task, comparison), *_ = summary.headline()
    assert task.metric == "test/nll"
    assert [pair.state for pair in comparison.pairs] == ["complete", "b diverged", "missing"]


def test_a_column_called_metric_holds_values(tmp_path: Path) -> None:
    text = "model,data,seed,metric\n" + "".join(f"{m},d,{s},{s + (m == 'b')}\n" for m in "ab" for s in range(3))
    with pytest.raises(UserError, match="add mode=min if lower is better"):
        summary_of(tmp_path / "t.csv", text)
    (_, comparison), *_ = summary_of(tmp_path / "t.csv", text, mode="min").headline()
    assert comparison.mean == 1.0
    (_, comparison), *_ = summary_of(tmp_path / "t.csv", text, mode="max").headline()
    assert comparison.mean == -1.0


@pytest.mark.parametrize(("metric", "mode", "better"), [("test/acc", "min", "higher"), ("test/nll", "max", "lower")])
def test_the_way_of_a_known_metric_cannot_be_turned_round(tmp_path: Path, metric: str, mode: str, better: str) -> None:
    text = f"model,data,seed,{metric}\n" + "".join(f"{m},d,{s},{s / 9}\n" for m in "ab" for s in range(3))
    with pytest.raises(UserError, match=f"mode={mode} is wrong for {metric}, of which {better} values are"):
        summary_of(tmp_path / "t.csv", text, mode=mode)


def test_names_and_values_in_two_columns(tmp_path: Path) -> None:
    text = "model,data,seed,metric,value,arm\n" + "".join(
        f"{m},d,{s},{name},{v},x\n" for m in "ab" for s in range(3) for name, v in (("test/nll", s), ("test/acc", 0.5))
    )
    summary = summary_of(tmp_path / "t.csv", text)
    assert summary.runs[0].metrics == {"test/nll": 0.0, "test/acc": 0.5}
    assert summary.tasks[0].arm == "x"


def test_lines_that_name_no_run_or_come_twice_are_listed(tmp_path: Path) -> None:
    text = WIDE + "gru,speech,first,0.9,0.3\n,speech,3,0.9,0.3\ngru,speech,2,0.5,0.5\n"
    problems = summary_of(tmp_path / "t.csv", text).problems
    kinds = ["nameless", "nameless", "duplicate", "duplicate", "incomplete"]  # the last is the empty value
    assert [problem.kind for problem in problems] == kinds
    assert problems[2].place.endswith("t.csv:10")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,seed,metric\ngru,0,1\n", "lacks the column data"),
        ("model,Model,data,seed,acc\ngru,x,d,0,0.5\n", "has the column model more than once"),
        ("model,data,seed,note\ngru,d,0,good\n", "has no numeric column"),
        ("", "must be a CSV file with a header"),
    ],
)
def test_a_table_that_is_none_is_said_in_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        summary_of(tmp_path / "t.csv", text)


def test_three_models_without_a_primary_comparison(tmp_path: Path) -> None:
    text = "model,data,seed,test/nll\n" + "".join(f"{m},d,{s},{s}.{ord(m)}\n" for m in "abc" for s in range(3))
    summary = summary_of(tmp_path / "t.csv", text)
    assert [comparison.primary for comparison in summary.tasks[0].comparisons] == [False] * 3
    assert len(summary.headline()) == 3
    summary = summary_of(tmp_path / "t.csv", text, models=["c", "a"])
    first = summary.tasks[0].comparisons[0]
    assert (first.a, first.b, first.primary) == ("c", "a", True)
    with pytest.raises(UserError, match="There is no run of d: models must be two of a, b, c"):
        summary_of(tmp_path / "t.csv", text, models=["a", "d"])
    with pytest.raises(UserError, match="models must be two of"):
        summary_of(tmp_path / "t.csv", text, models=["a"])


PLAIN = "model,data,seed,test/acc,test/loss\n" + "".join(
    f"{m},d,{s},{0.9 - 0.1 * (m == 'lstm') + s / 100},{1 - 0.2 * (m == 'lstm')}\n"
    for m in ("gru", "lstm")
    for s in range(4)
)


def test_one_cell_that_is_no_number_does_not_change_the_metric(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "t.csv", PLAIN.replace("gru,d,1,0.91", "gru,d,1,n/a"), metric="test/acc")
    (task, comparison), *_ = summary.headline()
    assert task.metric == "test/acc"
    assert [pair.state for pair in comparison.pairs] == ["complete", "missing", "complete", "complete"]
    assert [(p.place, p.sentence) for p in summary.problems if p.kind == "unreadable"] == [
        (f"{tmp_path / 't.csv'}:3", "Line 3 has 'n/a' as test/acc, which is not a number and is treated as missing.")
    ]


def test_the_metric_is_named_where_it_has_no_unit(tmp_path: Path) -> None:
    (_, comparison), *_ = summary_of(tmp_path / "t.csv", PLAIN, metric="test/acc", margin=0.01).headline()
    assert comparison.verdict is not None
    assert "by 0.100 in test/acc on average" in comparison.verdict.sentence


@pytest.mark.parametrize(
    "text",
    [PLAIN.replace(",", ";"), PLAIN.replace(",", "\t"), "\ufeff" + PLAIN, PLAIN.replace("model,data", "Model, Data")],
)
def test_separators_marks_and_capitals(tmp_path: Path, text: str) -> None:
    assert len(summary_of(tmp_path / "t.csv", text, metric="test/acc").runs) == 8


def test_seeds_that_a_spreadsheet_wrote(tmp_path: Path) -> None:
    text = "model,data,seed,acc\n" + "".join(f"{m},d,{s}.0,0.5\n" for m in "ab" for s in range(3))
    assert [run.seed for run in summary_of(tmp_path / "t.csv", text).runs] == [0, 1, 2] * 2


def test_a_status_that_nobody_knows_is_listed(tmp_path: Path) -> None:
    text = "model,data,seed,acc,status\n" + "".join(f"{m},d,{s},0.{s},finished\n" for m in "ab" for s in range(3))
    summary = summary_of(tmp_path / "t.csv", text.replace("b,d,2,0.2,finished", "b,d,2,0.2,ok"))
    assert len(summary.runs) == 5
    assert [p.sentence[:42] for p in summary.problems] == ["Line 7 is ignored because of its status ok"]


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (-5, "margin must be a number of at least 0, .* got -5"),
        (float("inf"), "margin must be a number of at least 0, .* got inf"),
        ("abc", "margin must be a number of at least 0, .* got abc"),
        ({"dd": 0.1}, r"margin names dd \(did you mean d\?\): the data sets are d\."),
    ],
)
def test_a_margin_that_is_none(tmp_path: Path, margin: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        summary_of(tmp_path / "t.csv", PLAIN, metric="test/acc", margin=margin)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ({"dd": "test/acc", "default": "test/acc"}, r"metric names dd \(did you mean d\?\): the data sets are d, e\."),
        ({"d": "test/acc"}, r"metric has none for e: add one, or default for all others\."),
    ],
)
def test_a_metric_that_is_none(tmp_path: Path, metric: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        summary_of(tmp_path / "t.csv", PLAIN + "gru,e,0,0.5,0.5\n", metric=metric)


def test_the_command_makes_the_same_comparison(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    summary = summary_of(path, PLAIN, models=["lstm", "gru"], metric="test/acc", margin={"d": 0.05}, mode="max")
    (command,) = [c["command"] for c in summary.commands]
    given = ["'models=[lstm,gru]'", "metric=test/acc", "'margin={d:0.05}'", "mode=max"]
    assert command == " ".join([f"python -m src.compare from={path}", *given])
