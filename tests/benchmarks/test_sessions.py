"""Whole answers on planted metrics: all that an answer does happens, and what it says follows from what was planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sessions import MARGIN, RATIOS, SEQUENCES, SPREADS, TRUTHS, Planted, is_wrong, planned, session
from src.runs.record import find_runs
from src.runs.study_record import read_study

PAGE = Path(__file__).parents[2] / "docs" / "error_rates.md"


def test_a_session_goes_from_the_look_at_a_file_to_the_verdict_that_was_planted(tmp_path: Path) -> None:
    truth = -3 * MARGIN
    assert session(Planted(truth, MARGIN / 4, 0.1, 20, seed=3), tmp_path) == ["lstm better"]
    (folder,) = (tmp_path / "runs" / "answers").iterdir()
    record = read_study(folder)
    assert record is not None
    assert [look.pairs for look in record.looks] == [record.plan.pairs]
    assert record.margins["planted"].margin == MARGIN
    phases = [run.study_job.phase for _, run in find_runs(folder) if run.study_job]
    assert phases.count("final") == 2 * record.plan.pairs >= 12
    assert phases.count("trial") >= 8
    page = (folder / "answer.html").read_text()
    assert "<h2>lstm better</h2>" in page
    # The two verdicts of a study in sittings stand on its own page, too.
    assert "For other test sequences as well (this decides a study with sittings): planted: lstm better" in page


@pytest.mark.parametrize("truth", [1.0, -1.0])
def test_on_the_margin_neither_statement_is_true(truth: float) -> None:
    said = ("gru better", "lstm better", "practically the same", "undecided", "no verdict")
    assert [is_wrong(verdict, truth * MARGIN) for verdict in said] == [True, True, True, False, False]
    assert [is_wrong(verdict, 1.5 * truth * MARGIN) for verdict in said[:3]] == [truth < 0, truth > 0, True]


def test_the_page_keeps_its_claim() -> None:
    table = PAGE.read_text().partition("<!-- sessions: begin -->")[2].partition("<!-- sessions: end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    numbers = [[int(cell) for cell in row[1:]] for row in rows]
    assert sum(row[0] for row in numbers) == sum(sum(row[1:-1]) for row in numbers) == 200
    assert sum(row[-1] for row in numbers) <= 15


def test_two_hundred_sessions_are_of_all_kinds() -> None:
    made = planned(200, 0)
    kinds = {(p.ratio, p.spread / MARGIN, p.sequences, round(p.truth / MARGIN, 1)) for p in made}
    assert len(kinds) == len(RATIOS) * len(SPREADS) * len(SEQUENCES) * len(TRUTHS) == 144
    assert len({p.seed for p in made}) == 200
