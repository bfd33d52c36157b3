"""What an answer leads with, what is missing, and what it says of a choice at an edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.analysis.flags import Flag
from src.analysis.summary import Summary
from src.analysis.task import Comparison
from src.analysis.verdict import Verdict
from src.answering.advice import Reached, commands, remarks
from src.answering.pilot import Pilot
from src.answering.result import Answer
from src.answering.sitting import Sitting
from src.answering.verdict import leading

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


def test_trials_that_are_missing_count_as_much_as_pairs() -> None:
    here = reached(Sitting(1, wanted=6, missing=20))
    made = Answer("no verdict", "", Path("x"))
    assert [*remarks(here, made, {})] == [
        "20 runs of the plan are missing before its look at 6 pairs, which takes about 75 s."
    ]
    assert dict(commands(here, made))["go on"] == "gatebench answer data.path=x.csv minutes=2"
    after = reached(Sitting(1, wanted=6, complete=6, stage="looked"))  # as many pairs again
    assert after.seconds == pytest.approx(1.25 * 6 * 6.0)


def test_a_choice_at_the_edge_of_the_range_is_said() -> None:
    words = "lstm's choice of optimizer.lr = 0.05 lies at the high edge of what was tried."
    summary = Summary(
        "x", "study", [], [], [], flags=[Flag("edge", "serious", words), Flag("gap", "serious", "A gap.")]
    )
    made = Answer("no verdict", "", Path("x"), summary=summary)
    assert [*remarks(reached(Sitting(1, wanted=6, stage="looked")), made, {})] == [words]
