"""What an answer leads with, what is missing, and what it says of a choice at an edge."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.collect import collect
from src.analysis.flags import Flag
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.analysis.verdict import Verdict
from src.answering.advice import Reached, commands, remarks
from src.answering.pilot import Pilot
from src.answering.result import Answer
from src.answering.sitting import Sitting
from src.answering.verdict import leading
from src.statistics.decision import decide_by
from tests.analysis.fake import fake_study

OPEN = Verdict("no verdict", None, "x: no verdict; the windows make fewer than 6 blocks.", 0.1, "both")


def said(outcome: Any, winner: str | None = None) -> Verdict:
    return Verdict(outcome, winner, f"x: {outcome}.", 0.1, "t")


@pytest.mark.parametrize(
    ("alone", "both", "leads"),
    [
        (said("better", "gru"), said("undecided"), "both"),  # sequences are why it is open
        (said("better", "gru"), OPEN, "alone"),  # a short series, a single text: never more than this period
        (said("undecided"), OPEN, "alone"),
        (said("no verdict"), OPEN, "both"),  # before the look
    ],
)
def test_over_seeds_alone_leads_where_the_data_can_say_nothing_of_others(
    alone: Verdict, both: Verdict, leads: str
) -> None:
    comparison = Comparison("gru", "lstm", True, [], 6, verdict=alone, both=both)
    assert leading(comparison) is (alone if leads == "alone" else both)


def reached(sitting: Sitting) -> Reached:
    pilot = Pilot("test/acc", {"x": {}}, {}, run_seconds=6.0)
    return Reached(Path("x"), ["data.path=x.csv"], ["gru", "lstm"], 2, pilot, None, sitting)


def test_what_would_change_the_verdict_is_said_of_the_one_that_leads(tmp_path: Path) -> None:
    """The margins are those of the interval over seeds and sequences, which is wider than that over seeds alone."""
    collection = collect([fake_study(tmp_path / "planted", pairs=8, tuning=False)], "study")
    for run in collection.runs:
        of = collection.sequences[run.id]
        turns = np.where(np.arange(of.number) % 2, 0.15, -0.15) * (run.model == "lstm")
        of.columns["loss"][:] += (turns - np.average(turns, weights=of.columns["count"])) * of.columns["count"]
    made = Answer("", "", Path("x"), summary=summarise(collection, asked(collection)))
    task, comparison = made.headline
    assert task is not None
    assert comparison is not None
    assert comparison.both is not None
    assert comparison.verdict is not None
    wide, narrow = comparison.both.interval_better, comparison.both.interval_same
    assert wide is not None
    assert narrow is not None
    alone = comparison.verdict.interval_better
    assert alone is not None
    assert wide.low < 0.8 * alone.low
    sentences = [*remarks(reached(Sitting(1, wanted=8, stage="looked")), made, {})]
    margins = [sentence for sentence in sentences if "margin below" in sentence or "margin above" in sentence]
    assert len(margins) == 2
    for sentence in margins:
        number = float(re.findall(r"\d\.\d+", sentence)[0])
        low, high = (decide_by(wide, narrow, number * factor, ("gru", "lstm"))[0] for factor in (0.99, 1.01))
        assert low != high
        assert (low == "better") if "below" in sentence else (high == "same")
    others = [sentence for sentence in sentences if sentence not in margins]
    assert all(sentence.startswith("Over seeds alone, ") for sentence in others), others
    assert any("single pair" in sentence for sentence in others)


def test_trials_that_are_missing_count_as_much_as_pairs() -> None:
    here = reached(Sitting(1, wanted=6, missing=20))
    made = Answer("no verdict", "", Path("x"))
    assert [*remarks(here, made, {})] == [
        "20 runs are still needed before the planned look at 6 pairs, taking about 75 s."
    ]
    assert dict(commands(here, made))["continue"] == "gatebench answer data.path=x.csv minutes=2"
    after = reached(Sitting(1, wanted=6, complete=6, stage="looked"))  # as many pairs again
    assert after.seconds == pytest.approx(1.25 * 6 * 6.0)


def test_a_choice_at_the_edge_of_the_range_is_said() -> None:
    words = "lstm's choice of optimizer.lr = 0.05 lies at the high edge of what was tried."
    summary = Summary(
        "x", "study", [], [], [], flags=[Flag("edge", "serious", words), Flag("gap", "serious", "A gap.")]
    )
    made = Answer("no verdict", "", Path("x"), summary=summary)
    assert [*remarks(reached(Sitting(1, wanted=6, stage="looked")), made, {})] == [words]
    no_better = "8 of 10 runs of lstm are no better than the best trivial baseline."
    task = Task("x", "main", "test/mse", "", "min", 0.1, flags=[Flag("chance", "serious", no_better)])
    made = Answer("", "", Path("x"), summary=replace(summary, tasks=[task]))
    assert no_better in [*remarks(reached(Sitting(1, wanted=6, stage="looked")), made, {})]
