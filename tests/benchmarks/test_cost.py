"""The command: a small measurement from end to end, taken up again, and mistakes in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from benchmarks import CONF
from benchmarks.cost import MARKS, cost
from src.config.errors import UserError

Compose = Callable[..., DictConfig]


@pytest.fixture
def tiny(compose: Compose, tmp_path: Path) -> Compose:
    small = ("widths=[4]", "lengths=[5,6]", "batch=2", "input_size=3", "rounds=3", "minutes=0.001")
    return lambda *more: compose(*small, f"directory={tmp_path / 'out'}", *more, config_name="cost", folder=CONF)


def test_a_small_measurement_from_end_to_end(tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("\n".join(["before", *MARKS, "after\n"]))
    result = cost(tiny(f"table={page}"))
    assert json.loads((tmp_path / "out" / "cost.json").read_text()) == result
    assert "benchmarks.cost" in result["command"]
    assert len((tmp_path / "out" / "cost.csv").read_text().splitlines()) == 1 + 2 * 2 * 2 * 3
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count("| PyTorch | 4 |") == text.count("| fused | 4 |") == 2
    assert "108 / 144 / 36" in text

    capsys.readouterr()
    again = cost(tiny(f"results={tmp_path / 'out' / 'cost.json'}"))
    assert again == result
    assert "PyTorch" in capsys.readouterr().out


@pytest.mark.parametrize(("override", "words"), [
    ("widths=[0]", r"widths must be a list, each a whole number of at least 1, with at least one item, got \[0\]"),
    ("lengths=[]", r"lengths must be .*, with at least one item, got \[\]"),
    ("backends=[cuda]", "backends has cuda"),
    ("table=nowhere.md", "must be a page with"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_timed(tiny: Compose, override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        cost(tiny(override))
