"""What is committed under experiments/ says what its records say."""

from pathlib import Path

import pytest

from src.analysis.answer import summarise
from src.analysis.asked import asked
from src.analysis.pack import read_pack
from src.config.places import CONF

PACKS = sorted(path.parent for path in (CONF.parent / "experiments").glob("*/pack.json"))


def test_there_is_one() -> None:
    assert PACKS


@pytest.mark.parametrize("pack", PACKS, ids=lambda p: p.name)
def test_the_page_beside_the_records_says_what_they_say(pack: Path) -> None:
    page = (pack / "README.md").read_text()
    assert (pack / "report" / "report.html").stat().st_size < 1_000_000
    collection = read_pack(pack)
    summary = summarise(collection, asked(collection, None, None, None, None))
    assert f"gatebench compare from=experiments/{pack.name}" in page
    for _, comparison in summary.headline():
        assert comparison.verdict.sentence in page
    for task in summary.tasks:
        for model in task.models:
            assert f"{model.mean:.3f} ± {model.sd:.3f}" in page
