"""The measurement on a GPU, but for the GPU: parts that fail cost no other, and what was found reaches the page."""

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig

from benchmarks import CONF, gpu, gpu_parts, sharing, synchronisations
from benchmarks.gpu_parts import Part, parts_of
from benchmarks.gpu_table import MARKS, markdown
from benchmarks.steps import benchmark
from src.config.errors import UserError
from src.runs.result import RunResult

Compose = Callable[..., DictConfig]


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.fixture
def measured(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def run(*parts: Part, **settings: Any) -> dict[str, Any]:
        monkeypatch.setattr(gpu, "parts_of", lambda steps, folder, device: list(parts))
        monkeypatch.setattr(gpu, "facts", lambda commit: {"versions": {}, "hardware": {}, "git": {"commit": commit}})
        given = [f"{key}={value}" for key, value in settings.items()]
        return gpu.gpu(compose(f"out={tmp_path / 'out'}", *given, config_name="gpu", folder=CONF))

    return run


def test_a_crash_and_a_hang_cost_no_other_part(measured: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    child = tmp_path / "child"
    hang = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3);"
        f'open("{child}", "w")\']); time.sleep(60)'
    )
    result = measured(
        Part("crash", program("import os; print('so far'); os.abort()"), 30),
        Part("hang", program(hang), 1.5),
        Part("good", program("pass"), 30, lambda folder: {"found": folder.name}),
        Part("unread", program("pass"), 30, lambda folder: json.loads((folder / "none.json").read_text())),
        commit="0123abc",
    )
    parts = result["parts"]
    assert list(parts) == ["crash", "hang", "good", "unread"]
    assert parts["crash"]["rc"] == -6
    assert parts["crash"]["reason"] == "so far"
    assert parts["hang"]["rc"] == 124
    assert "stopped after" in parts["hang"]["reason"]
    assert parts["good"]["result"] == {"found": "good"}
    assert parts["unread"]["unread"].startswith("FileNotFoundError")
    assert json.loads((tmp_path / "out" / "gpu.json").read_text()) == result
    assert "commit 0123abc" in (tmp_path / "out" / "gpu.md").read_text()
    assert "so far" in (tmp_path / "out" / "gpu.log").read_text()
    time.sleep(3)
    assert not child.exists()  # what the hanging part had started was ended with it


def test_what_was_found_is_on_disk_before_the_next_part_begins(
    measured: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    look = f"import json; assert json.load(open({str(tmp_path / 'out' / 'gpu.json')!r}))['parts']['first']['rc'] == 0"
    result = measured(Part("first", program("pass"), 30), Part("second", program(look), 30))
    assert result["parts"]["second"]["rc"] == 0


def test_parts_wait_for_what_they_need_and_time_that_is_up_is_said(
    measured: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    flag = str(tmp_path / "flag")
    build = Part("build", program(f"import time; time.sleep(1); open({flag!r}, 'w')"), 30, background=True)
    early = Part("early", program(f"import os; assert not os.path.exists({flag!r})"), 30)
    beside = Part("beside", program("pass"), 30, beside=True)
    timed = Part("timed", program(f"import os; assert os.path.exists({flag!r})"), 30, timed=True)
    result = measured(early, beside, timed, build)
    assert {name: part["rc"] for name, part in result["parts"].items()} == dict.fromkeys(
        ("early", "beside", "build", "timed"), 0
    )
    late = measured(Part("late", program("pass"), 30), minutes=0.05)
    assert late["parts"] == {"late": {"reason": "no time was left of the 0.05 minutes"}}


def test_every_step_makes_parts_of_different_names(tmp_path: Path) -> None:
    for device in ("cuda", "cpu"):
        (tmp_path / device).mkdir()
        parts = parts_of(gpu_parts.STEPS, tmp_path / device, device)
        names = [part.name for part in parts]
        assert len(set(names)) == len(names)
        assert not any(set(name) & set(" /,[]") for name in names)
        assert names[0] == "tests"


def test_a_step_that_is_none_is_refused(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"steps has tets \(did you mean tests\?\)"):
        gpu.gpu(compose("steps=[tets]", config_name="gpu", folder=CONF))
    with pytest.raises(UserError, match="device must be cpu or cuda, got tpu"):
        gpu.gpu(compose("device=tpu", config_name="gpu", folder=CONF))


def test_tables_reach_the_page_by_one_command(compose: Compose, tmp_path: Path) -> None:
    options = ("shapes=[[2,5,3,4]]", "rounds=3", "minutes=0.001", "memory=false", "cells=[gru,gru_cho]")
    steps = benchmark(
        compose(
            *options, "backends=[auto,reference,torch]", f"directory={tmp_path / 'b'}", config_name="steps", folder=CONF
        )
    )
    run = {"seed": 3, "status": "finished", "backend": "triton", "metrics": {"test/loss": 0.123456789}}
    shared = {"runs_per_hour": 100.0, "steps_per_second": 5.0, "seconds": 36.0, "wall_seconds": 99.0, "epochs": 7}
    shared |= {"device": "gpu", "peak_gpu_mb": 12.0, "mps": False}
    result = {
        "schema": 1, "command": "python -m benchmarks.gpu", "started": "today", "minutes": 7.5, "device": "cuda",
        "versions": {"torch": "2.11.0", "cuda": "13.0"}, "git": {"commit": "0123456789abcdef"},
        "hardware": {"gpu": "A card", "cpu": "A processor", "cores": 16},
        "parts": {
            "tests": {
                "rc": 1, "seconds": 9.0, "result": {"passed": 5, "failed": ["one: why"], "skipped": []}, "reason": "x",
            },
            "train": {"rc": 0, "seconds": 9.0, "result": [run | {"steps_per_second": 7.0, "seconds": 3.0}]},
            "kernels": {"rc": 0, "seconds": 9.0, "result": steps},
            "sharing_1": {"rc": 0, "seconds": 9.0, "result": shared | {"at_once": 1}},
            "sharing_8": {"rc": 0, "seconds": 9.0, "result": shared | {"at_once": 8, "runs_per_hour": 450.0}},
            "flashrnn": {"rc": 124, "seconds": 30.0, "reason": "stopped after 30 seconds"},
            "synchronisations": {"rc": 0, "seconds": 1.0, "result": {"music": {"steps": 30, "places": {"a.py:3": 2}}}},
        },
    }  # fmt: skip
    (tmp_path / "gpu.json").write_text(json.dumps(result))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    gpu.gpu(compose(f"results=[{tmp_path / 'gpu.json'}]", f"table={page}", config_name="gpu", folder=CONF))
    text = page.read_text()
    assert text == f"before\n{MARKS[0]}\n{markdown(result)}{MARKS[1]}\nafter\n"
    assert "A card, 16 cores (A processor); torch 2.11.0, cuda 13.0; commit 0123456789" in text
    assert "| (2, 5, 3, 4) | gru_cho | 32 | nn.GRU |" in text
    assert "| 8 on the GPU | 450 | 4.5 |" in text
    assert "| train | 3 | finished | triton | 7 | 3 |  | 0.123456789 |" in text
    assert "5 passed, 1 failed, 0 skipped" in text
    assert "- failed: one: why" in text
    assert "| flashrnn | 124 | 30 | stopped after 30 seconds |" in text
    assert "| music | 30 | 2 | a.py:3 2 |" in text
    assert "- not measured with torch: PyTorch's kernels have no reset gate" in text


def test_runs_per_second_counts_while_all_are_at_work() -> None:
    def ended(*times: float) -> list[RunResult]:
        return [RunResult(id=str(t), seed=0, ended=t) for t in times]

    # From 10 to 30: the first process makes two runs, the second, which began later, one and a half.
    assert sharing.runs_per_second([ended(8, 10, 20, 30), ended(10, 20, 40)]) == pytest.approx(3.5 / 20)
    assert sharing.runs_per_second([ended(10, 20, 30)]) == pytest.approx(0.1)
    # The first was through before the second had warmed up.
    assert sharing.runs_per_second([ended(1, 2, 3), ended(5, 6, 7)]) == pytest.approx(2.0)


def test_only_waits_are_counted_by_place() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            warnings.warn_explicit(
                "called a synchronizing CUDA operation", UserWarning, f"{synchronisations.ROOT}/src/train.py", 7
            )
        warnings.warn_explicit("something else", UserWarning, "other.py", 1)
    assert synchronisations.places(list(caught)) == {"src/train.py:7": 2}


def test_whole_steps_are_counted_between_the_same_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    monkeypatch.setattr("torch.cuda.set_sync_debug_mode", modes.append)
    counter = synchronisations.CountSynchronisations(str(tmp_path / "counted.json"))
    trainer: Any = SimpleNamespace(current_epoch=0)
    module: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(60):
            counter.on_train_batch_start(trainer, module, None, step)
            warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
    found = json.loads((tmp_path / "counted.json").read_text())
    assert found["steps"] == sum(found["places"].values()) == synchronisations.STEPS
    assert modes == ["warn", "default"]


def test_tests_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "tests.xml"
    path.write_text(
        '<testsuites><testsuite><testcase classname="a" name="b"/><testcase classname="a" name="c">'
        '<failure message="it broke&#10;badly"/></testcase><testcase classname="a" name="d">'
        '<skipped message="no device"/></testcase></testsuite></testsuites>'
    )
    assert gpu_parts.junit(path) == {"passed": 1, "failed": ["a.c: it broke"], "skipped": ["a.d: no device"]}
