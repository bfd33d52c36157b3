"""The command: a small measurement from end to end, and mistakes in one sentence."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from omegaconf import DictConfig

from benchmarks import CONF, contenders
from benchmarks.contenders import Case, Shape, baselines
from benchmarks.measure import peak_memory
from benchmarks.results import SCHEMA
from benchmarks.steps import benchmark, main
from benchmarks.tables import marks
from src.config.errors import UserError

TINY = ("shapes=[[2,5,3,4]]", "rounds=3", "minutes=0.001", "memory=false")
Compose = Callable[..., DictConfig]
CPU = torch.device("cpu")


@pytest.fixture
def tiny(compose: Compose, tmp_path: Path) -> Compose:
    return lambda *overrides: compose(
        *TINY, f"directory={tmp_path / 'out'}", *overrides, config_name="steps", folder=CONF
    )


def test_a_small_measurement_from_end_to_end(tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.md"
    begin, end = marks([])
    page.write_text(f"{begin}\n{end}\n")
    result = benchmark(tiny("cells=[gru,gru_cho,lstm]", "backends=[auto,torch,reference]", f"table={page}"))
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text()) == result
    assert result["schema"] == SCHEMA
    assert result["clock"] == "wall clock"
    assert len(result["notes"]) == 1  # the budget of the test is too small, which is said, and three rounds run anyway
    assert "more than minutes=0.001" in result["notes"][0]
    assert result["sgemm_gflops"]["1"] > 0.1
    assert {"python", "torch"} <= result["versions"].keys()
    assert {"cpu", "cores"} <= result["hardware"].keys()
    assert [(c["shape"], c["mode"]) for c in result["cases"]] == [
        ([2, 5, 3, 4], "training"),
        ([2, 5, 3, 4], "inference"),
    ]
    for case in result["cases"]:
        assert case["rounds"] >= 3
        names = [e["name"] for e in case["contenders"]]
        assert names == [
            "nn.GRU", "nn.LSTM", "gru auto", "gru torch", "gru reference", "gru_cho auto", "gru_cho reference",
            "lstm auto", "lstm torch", "lstm reference",
        ]  # fmt: skip
        assert [(s["cell"], s["backend"]) for s in case["skipped"]] == [("gru_cho", "torch")]
        by_name = {e["name"]: e for e in case["contenders"]}
        for e in case["contenders"]:
            assert len(e["seconds"]) == case["rounds"]
            assert e["milliseconds"]["value"] == pytest.approx(1e3 * median(e["seconds"]))
            assert e["milliseconds"]["low"] <= e["milliseconds"]["value"] <= e["milliseconds"]["high"]
            base = by_name[e["baseline"]]["seconds"]
            per_round = [b / s for b, s in zip(base, e["seconds"], strict=True)]
            assert e["ratio"] is None if e["backend"] == "pytorch" else e["ratio"]["value"] == median(per_round)
            assert e["peak_mb"] is None
            assert e["sgemm_share"] > 0
    assert "(2, 5, 3, 4)" in page.read_text()
    assert (tmp_path / "out" / "benchmark.svg").exists()
    assert str(tmp_path / "out") in capsys.readouterr().out


def test_a_contender_that_fails_is_left_out_and_said(tiny: Compose, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(contenders.PRECISIONS, "32-true", -1.0)
    result = benchmark(tiny("cells=[gru]", "backends=[torch,reference]", "modes=[inference]"))
    (case,) = result["cases"]
    assert [e["name"] for e in case["contenders"]] == ["nn.GRU", "gru reference"]
    ((cell, backend, reason),) = [(s["cell"], s["backend"], s["reason"]) for s in case["skipped"]]
    assert (cell, backend) == ("gru", "torch")
    assert reason.startswith("gru torch differs from the reference loop by")


def test_tables_are_made_again_from_the_json_without_measuring(
    tiny: Compose, compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    benchmark(tiny("cells=[rnn]", "modes=[inference]"))
    written = (tmp_path / "out" / "benchmark.md").read_text()
    page = tmp_path / "page.md"
    begin, end = marks([])
    page.write_text(f"{begin}\n{end}\n")
    again = (f"results={tmp_path / 'out' / 'benchmark.json'}", f"table={page}", f"directory={tmp_path / 'other'}")
    benchmark(compose(*again, config_name="steps", folder=CONF))
    assert page.read_text() == f"{begin}\n{written}{end}\n"
    assert not (tmp_path / "other").exists()


def test_memory_grows_with_what_is_kept_for_backward():
    cases = {mode: Case(Shape(16, 512, 8, 64), mode, 1) for mode in ("training", "inference")}
    layers = {mode: baselines(["gru"], case, CPU)[0] for mode, case in cases.items()}
    training, inference, again = (peak_memory(layers[m], cases[m], CPU) for m in ("training", "inference", "training"))
    if sys.platform != "linux":
        pytest.skip("memory is measured on Linux alone")
    assert training is not None
    assert inference is not None
    states = 16 * 512 * 64 * 4 / 1e6
    assert training > 4 * states  # three gates and the states at least, for every step
    assert inference < training / 2
    assert again == pytest.approx(training, rel=0.15)


def test_a_page_without_a_place_is_refused_before_anything_is_measured(tiny: Compose, tmp_path: Path):
    with pytest.raises(UserError, match="must be a page with"):
        benchmark(tiny(f"table={tmp_path / 'missing.md'}", "shapes=[[4096,4096,4096,4096]]"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("cells=[grub]", r"cells has grub \(did you mean gru\?\): choose from gru, gru_cho"),
        (
            "shapes=[[2,5,3]]",
            r"shapes must be a list, each a list, .*, with exactly four items, .* got \[\[2, 5, 3\]\]",
        ),
        ("shapes=[[2,5,3,0]]", "each a whole number of at least 1, with exactly four items"),
        ("shapes=[2,5,3,4]", r"shapes must be a list, each a list"),
        ("shapes=[]", r"shapes must be .* with at least one item, got \[\]"),
        ("backends=[fussed]", r"backends has fussed \(did you mean fused\?\)"),
        ("peers=[tensorflow]", "peers has tensorflow"),
        ("modes=[train]", r"modes has train \(did you mean training\?\)"),
        ("modes=training", "modes must be a list, .*, got training"),
        ("thread_counts=[0]", r"thread_counts must be .*, got \[0\]"),
        ("rounds=0", "rounds must be a whole number of at least 1, got 0"),
        ("minutes=0", "minutes must be a number above 0, got 0"),
        ("device=tpu", "device must be cpu or cuda, got tpu"),
        ("precision=16", "precision has 16: choose from 32-true, bf16-mixed"),
        ("memory=much", "memory must be true or false, got much"),
    ],
)
def test_a_mistake_is_one_sentence(override: str, words: str, tiny: Compose, compose: Compose):
    key = override.partition("=")[0]
    with pytest.raises(UserError, match=words) as caught:
        benchmark(
            compose(*(o for o in TINY if not o.startswith(f"{key}=")), override, config_name="steps", folder=CONF)
        )
    assert "\n" not in str(caught.value)


def test_a_mistake_at_the_command_line_has_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["steps", "cells=[grub]"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "cells has grub (did you mean gru?): choose from gru, gru_cho, lstm, lstm_peephole, rnn, gru_layer_norm, "
        "lstm_layer_norm, gru_zoneout, gru_recurrent_dropout."
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["steps", "gpu", "overhead"])
def test_help_says_the_keys_and_walks_through_no_folder(name: str, monkeypatch, capsys) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    module.main()
    said = capsys.readouterr().out
    assert said.startswith(str(module.__doc__).splitlines()[0].replace("``", ""))
    key = {"steps": "rounds=15", "gpu": "minutes=8", "overhead": "seed=0"}[name]
    assert f"\n{key}" in said
    assert "site-packages" not in said  # Hydra would list every folder with a yaml in it
