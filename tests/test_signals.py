"""SIGTERM ends every command with 143 and Ctrl-C with 130, whenever it comes, without a stack trace."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from src.config.places import CONF

ROOT = CONF.parent
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
QUICK = ("model.hidden_size=4", "logger=csv", "trainer.enable_progress_bar=false")
PLAN = """# @package _global_
defaults: [base, _self_, {override /hydra/sweeper: study}]
study:
  name: quick
  question: Does it run?
  models: {gru: {model.hidden_size: 4}, lstm: {model.hidden_size: 4}}
  data: {ucr: {}}
  settings: {trainer.max_epochs: 1}
  pairs: 2
  primary: {models: [gru, lstm], metric: test/acc, margin: 0.02}
"""


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Processes started here hear Ctrl-C, though whoever started the tests in the background does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(place: Path, places: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "HYDRA"))}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GATEBENCH_CACHE_DIR": str(places / "derived")}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *words],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not come that far"
        time.sleep(0.005)


def ended(process: "subprocess.Popen[str]", number: int) -> tuple[int, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err, out + err
    assert "Error" not in err, err
    return process.returncode, err


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_in_the_middle_of_a_training(number: int, code: int, tmp_path: Path, places: Path) -> None:
    run = tmp_path / "one"
    process = start(tmp_path, places, "-m", "src.train", *QUICK, "trainer.max_epochs=100000", f"paths.run_dir={run}")
    wait_for(lambda: (run / "metrics.csv").is_file(), process)
    assert ended(process, number) == (code, "Interrupted: run the same command with ckpt=auto to resume.\n")
    assert json.loads((run / "result.json").read_text())["status"] == "interrupted"


# Where a process is stopped: at the first call of a function, by a module that Python imports at its start.
AT = """
import importlib, os, signal, sys
def hook(module, name):
    place = importlib.import_module(module)
    real = getattr(place, name)
    def stop(*arguments, **keywords):
        os.kill(os.getpid(), {number})
        return real(*arguments, **keywords)
    setattr(place, name, stop)
sys.argv = ["src/{command}.py", *{arguments!r}]
from src.{command} import main
hook(*{where!r})
main()
"""
BETWEEN = {
    "while it plans": ("src.studies.run", "fitting_models"),
    "between two runs": ("src.studies.run", "status_of"),
    "as its record is written": ("src.studies.state", "write_study"),
}


@pytest.mark.parametrize(("moment", "number", "code"), [(m, *SIGNALS[n % 2]) for n, m in enumerate(BETWEEN)])
def test_of_a_study_outside_its_runs(moment: str, number: int, code: int, tmp_path: Path, places: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quick.yaml").write_text(PLAN)
    program = AT.format(
        number=int(number), command="train", arguments=["-m", "experiments=quick", "logger=csv"], where=BETWEEN[moment]
    )
    process = start(tmp_path, places, "-c", program)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, "Traceback" in out + err) == (code, False), out + err
    assert err.endswith("Interrupted: run the same command to continue.\n")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_in_a_run_of_a_study_no_other_is_begun(number: int, code: int, tmp_path: Path, places: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quick.yaml").write_text(PLAN.replace("max_epochs: 1", "max_epochs: 100000"))
    process = start(tmp_path, places, "-m", "src.train", "-m", "experiments=quick", "logger=csv")
    wait_for(lambda: list(tmp_path.glob("runs/quick/*/metrics.csv")), process)
    code_, err = ended(process, number)
    assert (code_, err) == (code, "Interrupted: run the same command to continue.\n")
    (record,) = tmp_path.glob("runs/quick/*/result.json")
    assert json.loads(record.read_text())["status"] == "interrupted"


COMMANDS = {
    "answer": ["data=ucr"],
    "compare": ["study=quick"],
    "dashboard": ["study=quick"],
    "evaluate": ["run=one"],
    "explain": ["run=one"],
    "export": ["run=one"],
    "generate": ["run=one"],
    "new": ["model", "mine"],
    "predict": ["run=one", "data.path=x.csv"],
    "prepare": [],
    "status": ["study=quick"],
    "verify": ["study=quick"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_other_command(command: str, tmp_path: Path, places: Path) -> None:
    number, code = SIGNALS[len(command) % 2]
    where = ("src.config.shell", "check")
    program = AT.format(number=int(number), command=command, arguments=COMMANDS[command], where=where)
    process = start(tmp_path, places, "-c", program)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out + err) == (code, "")


def test_no_command_is_left_out() -> None:
    commands = {file.stem for file in (ROOT / "src").glob("*.py") if "def main(" in file.read_text()}
    assert commands == {*COMMANDS, "train"}
