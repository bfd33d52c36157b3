"""How an answer is shown before there is a verdict: a page for every screen, without columns that have nothing."""

import re
from pathlib import Path

from src.answering.result import Answer, Row
from src.answering.shown import lead
from src.figures.palette import DARK
from src.reporting.report import write_page


def test_a_page_without_a_verdict_fits_a_phone_and_the_dark(tmp_path: Path) -> None:
    rows = [Row("gru, validation", 0.9815), Row("majority, trivial, validation", 0.1111)]
    made = Answer("no verdict", "Time ran out.", tmp_path, "test/acc", rows)
    write_page(None, lead(made), made.page)
    text = made.page.read_text()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "<title>" in text
    dark = re.search(r"@media screen and \(prefers-color-scheme: dark\) { :root {([^}]*)}", text)
    assert dark
    assert f"--page: {DARK['page']};" in dark[1]
    assert re.findall(r"<th>([^<]*)</th>", text)[:2] == ["", "acc"], "nothing was measured on the test set"
    assert "></td>" not in text


def test_columns_of_a_trained_model_are_shown(tmp_path: Path) -> None:
    rows = [Row("gru", 0.97, "0.96 to 0.98", 6, 3267, 0.15), Row("majority, trivial", 0.08)]
    text = lead(Answer("gru better", "", tmp_path, "test/acc", rows))
    heads = re.findall(r"<th>([^<]*)</th>", text)
    assert heads[:6] == ["", "test/acc", "95 % interval", "runs", "weights", "train s"]
    assert "use MB" not in text, "no network was exported"
    cells = re.findall(r"<td[^>]*>", text)
    assert cells
    assert set(cells) == {'<td class="n">'}, "any other cell is as wide as a sentence"
