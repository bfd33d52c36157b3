"""Tables and picture from a result alone."""

import copy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import figure
from benchmarks.figure import COLOURS, draw
from benchmarks.results import read, write
from benchmarks.statistics import median_interval
from benchmarks.tables import for_screen, markdown, marks, number, put_into
from src.config.errors import UserError


def entry(name: str, cell: str, backend: str, baseline: str, seconds: list[float], base: list[float]) -> dict[str, Any]:
    ratio = None if name == baseline else median_interval([b / s for b, s in zip(base, seconds, strict=True)])._asdict()
    return {
        "name": name, "cell": cell, "backend": backend, "ran": "fused", "baseline": baseline, "repeats": 1,
        "seconds": seconds, "milliseconds": median_interval([1e3 * s for s in seconds])._asdict(), "ratio": ratio,
        "cores": 1.0, "peak_mb": None if backend == "auto" else 12.345, "difference": 0.0, "sgemm_share": 0.256,
    }  # fmt: skip


@pytest.fixture
def result() -> dict[str, Any]:
    base, fast = [0.040, 0.041, 0.042], [0.005, 0.005, 0.006]
    case = {
        "shape": [8, 160, 88, 46], "mode": "training", "threads": 1, "rounds": 3, "others_busy_cores": 0.0,
        "noise": [], "skipped": [{"cell": "gru", "backend": "fused", "reason": "no compiler"}],
        "contenders": [
            entry("nn.GRU", "gru", "pytorch", "nn.GRU", base, base),
            entry("nn.LSTM", "lstm", "pytorch", "nn.LSTM", fast, fast),
            entry("gru auto", "gru", "auto", "nn.GRU", fast, base),
        ],
    }  # fmt: skip
    return {
        "schema": 1, "command": "python -m benchmarks.steps rounds=3", "started": "2026-11-21 12:00:00 +0000",
        "minutes": 1.25, "versions": {"python": "3.11.7", "torch": "2.13.0"}, "git": {"commit": "abc", "clean": True},
        "hardware": {"cpu": "A CPU", "cores": 2, "threads": 1}, "device": "cpu", "clock": "wall clock",
        "settings": {"peers": []}, "sgemm_gflops": {"1": 84.2}, "notes": [], "cases": [case],
    }  # fmt: skip


def test_the_page_has_the_numbers_of_the_result_and_the_command(result: dict[str, Any]):
    page = markdown(result)
    assert "| (8, 160, 88, 46) | 41 (40-42) | 8 (7-8.2) fused |" in page
    assert "| (8, 160, 88, 46) | 5 (5-6) |" in page
    assert "| (8, 160, 88, 46) | 26% | 26% |" in page
    assert "| (8, 160, 88, 46) | 12.3 | - |" in page
    assert "`python -m benchmarks.steps rounds=3`" in page
    assert "A CPU, 2 cores; torch 2.13.0" in page
    assert "Not measured with fused (gru): no compiler." in page
    assert "noisy" not in page


def test_a_noisy_case_is_marked_everywhere_and_says_why(result: dict[str, Any]):
    result["cases"][0]["noise"] = ["Other processes kept 1.2 cores busy."]
    page = markdown(result)
    assert "8 (7-8.2) fused ? |" in page
    assert "? marks 1 of 1 cases in which the machine was too noisy to tell:" in page
    assert "(8, 160, 88, 46) training, 1 thread: Other processes kept 1.2 cores busy." in page


def test_a_contender_that_took_more_cores_than_given_is_named(result: dict[str, Any]):
    result["cases"][0]["contenders"][2]["cores"] = 1.9
    assert "gru auto used 1.9 cores at (8, 160, 88, 46) training on 1 thread." in markdown(result)


def test_the_tables_go_between_the_marks_of_a_page(result: dict[str, Any], tmp_path: Path):
    page = tmp_path / "benchmarks.md"
    results = [([], ["gru"]), (["jax"], ["gru"]), ([], ["gru", "lstm_layer_norm"])]  # peers and cells
    places = [f"{begin}\nold\n{end}" for begin, end in (marks(*settings) for settings in results)]
    for n, settings in enumerate(results):
        page.write_text("\nBetween.\n".join(["Before.", *places, "After.\n"]))
        place = marks(*settings)
        for _ in range(2):
            put_into(page, place, markdown(result))
            expected = [*places]
            expected[n] = f"{place[0]}\n{markdown(result)}{place[1]}"
            assert page.read_text() == "\nBetween.\n".join(["Before.", *expected, "After.\n"])
    page.write_text("nothing")
    with pytest.raises(UserError, match="must be a page with"):
        put_into(page, marks([]), markdown(result))
    assert page.read_text() == "nothing"


def test_the_screen_shows_each_contender_below_its_baseline(result: dict[str, Any]):
    console = Console(width=120, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in for_screen(result):
        console.print(table)
    lines = console.export_text().splitlines()
    names = [line.split("│")[2].strip() for line in lines if line.count("│") > 5]
    assert names == ["nn.GRU", "gru auto: fused", "nn.LSTM"]
    console.file.close()


def test_three_digits():
    assert [number(v) for v in (None, 0.01234, 1.5, 12.34, 99.6, 1234.5)] == [
        "-",
        "0.0123",
        "1.5",
        "12.3",
        "100",
        "1234",
    ]


def test_a_result_is_read_back_as_it_was(result: dict[str, Any], tmp_path: Path):
    path = tmp_path / "deep" / "benchmark.json"
    write(path, result)
    assert read(path) == result


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), ("{", "is not JSON"), ("[]", "got None"), ('{"schema": 99}', "got 99")],
)
def test_what_is_no_result_is_refused(content: str | None, words: str, tmp_path: Path):
    path = tmp_path / "benchmark.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=words):
        read(path)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture_names_axes_units_and_contenders(result: dict[str, Any], tmp_path: Path, ending: str):
    other = copy.deepcopy(result["cases"][0]) | {"mode": "inference", "noise": ["busy"]}
    result["cases"].append(other)
    path = tmp_path / f"benchmark.{ending}"
    draw(result, path)
    assert path.stat().st_size > 2000
    if ending == "svg":
        text = path.read_text()
        for words in ("gru auto", "times as fast", "time (steps)", "(8, 160, 88, 46)", "too noisy", "A CPU"):
            assert words in text


def test_colours_are_okabe_and_itos_and_a_grey_and_all_different():
    assert set(COLOURS.values()) <= {
        "#000000",
        "#E69F00",
        "#56B4E9",
        "#009E73",
        "#F0E442",
        "#0072B2",
        "#D55E00",
        "#CC79A7",
        "#999999",
    }
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert figure.MARKERS[0] != figure.MARKERS[1]
