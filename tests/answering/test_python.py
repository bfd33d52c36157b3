"""``gatebench.answer``: the question of the command, in the surroundings of Python."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

import gatebench
import src.answer
import src.answering.answer
from gatebench import UserError
from src.answering.answer import PLACE, Question
from src.api.answer import Answer
from src.config.places import CONF
from src.runs.record import is_held, read_record
from src.training import trainer as training
from tests.answering.conftest import QUICK, gestures

TINY = 0.02  # minutes: over before the first run, so that only the look and the rates are tried
SAID: dict[str, Any] = {"target": "gesture", "groups": "take", "times": "step", "progress": False, "overrides": QUICK}


@pytest.fixture
def frame(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return pd.read_csv(gestures(tmp_path / "gestures.csv"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Question, Path]]:
    """What is asked from now on, in order; it gets no answer."""
    questions: list[tuple[Question, Path]] = []

    def noted(question: Question, runs: Path, began: float, watch: Any = None) -> Answer:
        assert time.monotonic() - began >= 0
        questions.append((question, runs.resolve()))
        return Answer("no verdict", "Nothing was asked.", runs)

    monkeypatch.setattr(src.answering.answer, "answer", noted)
    return questions


def command(monkeypatch: pytest.MonkeyPatch, *line: str) -> None:
    monkeypatch.setattr(sys, "argv", [str(CONF.parent / "src" / "answer.py"), *line])
    src.answer.main()


def test_a_frame_asks_what_the_command_asks_of_its_file(
    frame: pd.DataFrame, asked: list[tuple[Question, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gatebench.answer(frame, minutes=3, margin=0.02, metric="test/nll", **SAID)
    (file,) = tmp_path.glob("runs/.data/*/data.csv")
    assert pd.read_csv(file).equals(frame)
    line = ["data=csv", f"data.path={file}", "data.separator=comma", "data.decimal=point", "data.target=gesture"]
    line += ["data.group_column=take", "data.time_column=step", "paths.runs_dir=runs"]
    line += [f"{key}={str(value).lower()}" for key, value in QUICK.items()]
    command(monkeypatch, *line, "models=[gru,lstm]", "metric=test/nll", "minutes=3", "margin=0.02")
    assert asked[0] == asked[1]
    assert asked[0][0].name() == asked[1][0].name()
    assert asked[0][0].minutes == 3
    gatebench.answer(frame.copy(), metric="test/nll", **SAID)
    gatebench.answer(frame.iloc[:-1], metric="test/nll", **SAID)
    names = [question.name() for question, _ in asked]
    assert names[:2] == names[2:3] * 2
    assert names[3] != names[2]  # other data are another question


def test_a_path_and_a_named_set_ask_what_the_command_asks(
    frame: pd.DataFrame, asked: list[tuple[Question, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gatebench.answer("gestures.csv", target="gesture", groups="take", minutes=5, progress=False)
    command(monkeypatch, "data.path=gestures.csv", "data.target=gesture", "data.group_column=take", "minutes=5")
    gatebench.answer("ucr", minutes=5, models=["lstm", "gru"], progress=False)
    command(monkeypatch, "data=ucr", "minutes=5", "models=[lstm,gru]")
    assert [one[0].name() for one in asked[::2]] == [one[0].name() for one in asked[1::2]]
    assert asked[0][0].name() != asked[2][0].name()


def test_arrays_are_asked_about_as_the_same_frame(
    frame: pd.DataFrame, asked: list[tuple[Question, Path]], tmp_path: Path
) -> None:
    takes = [part for _, part in frame.groupby("take")]
    x, y = [part[["x", "y"]].to_numpy() for part in takes], [part["gesture"].iloc[0] for part in takes]
    for data, targets in ((x, y), (x, np.array(y)), (list(zip(x, y, strict=True)), None)):
        given = data if targets is not None else Items(data)
        gatebench.answer(given, targets, minutes=1, progress=False)
    assert len({question.data["data.path"] for question, _ in asked}) == 1
    assert asked[0][0].choice == "npz"


class Items(torch.utils.data.Dataset[Any]):
    """Pairs (x, y)."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: int) -> Any:
        return self.items[at]


def test_the_same_call_goes_on_and_leaves_python_as_it_was(
    frame: pd.DataFrame, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = surroundings()
    first = gatebench.answer(frame, minutes=TINY, **SAID)
    assert first.verdict == "no verdict"
    assert first.sentence == "No verdict: time ran out in the pilot, before there was a plan."
    pilot = (first.folder / "pilot.json").read_bytes()
    second = gatebench.answer(frame.copy(), minutes=TINY, **SAID)
    assert (second.folder, (first.folder / "pilot.json").read_bytes()) == (first.folder, pilot)
    grants = json.loads((first.folder / "clock.json").read_text())["granted"]
    assert [(grant["minutes"], grant["over"]) for grant in grants] == [(TINY, True), (TINY, True)]
    assert surroundings() == before
    assert capfd.readouterr() == ("", "")

    assert first.best is None
    with pytest.raises(UserError, match=r"^There is nothing to draw before the first pair is complete: No verdict"):
        first.plot()
    assert repr(first) == f"<Answer no verdict: {first.sentence}>"
    assert first._repr_html_() in first.page.read_text()
    assert first.table.loc["majority (trivial, validation)", "test"] == 0.5
    assert first.commands["continue"].startswith("gatebench answer data=csv data.path=/")


def surroundings() -> list[Any]:
    """What a call might leave otherwise."""
    logs = [(log.level, [*log.handlers]) for log in map(logging.getLogger, (None, "src", "src.data"))]
    rng = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
    return [logs, rng, torch.get_num_threads(), [*sys.argv], os.getcwd(), signal.getsignal(signal.SIGINT)]


MISTAKES = [
    ({"target": "gestur"}, "target='gestur' is not a column of"),
    ({"minutes": 0}, "minutes must be a number above 0, got 0."),
    ({"models": ["gru"]}, "models must be a list, each non-empty text, with at least two items and no repeats, got"),
    ({"models": ["gru", "lstn"]}, "There is no model='lstn' (did you mean lstm?); the choices are gru, "),
    ({"metric": "test/mae"}, "metric must be one of test/loss, test/nll, test/acc, test/f1, got test/mae."),
    ({"overrides": ["max_epochs=3"]}, "There is no key max_epochs (did you mean epochs?)."),
    ({"overrides": {"model": "gru"}}, "answer compares several models: use models=[gru,lstm] instead of model."),
]


@pytest.mark.parametrize(("wrong", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_no_folder(
    frame: pd.DataFrame, tmp_path: Path, wrong: dict[str, Any], sentence: str
) -> None:
    said = {"target": "gesture", "groups": "take", "minutes": 1, "progress": False}
    with pytest.raises(UserError) as refused:
        gatebench.answer("gestures.csv", **(said | wrong))
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_a_refused_answer_keeps_what_is_there(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "runs" / PLACE).mkdir(parents=True)
    with pytest.raises(UserError, match="is not a column of"):
        gatebench.answer("gestures.csv", target="gestur", minutes=1, progress=False)
    assert [path.name for path in tmp_path.rglob("runs/**/*")] == [PLACE]


class Interrupting(pl.Callback):
    """Ctrl-C, in the second epoch of a run."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_call_loses_nothing(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit, runs = training.fit, list[Any]()

    def second_is_interrupted(trainer: pl.Trainer, *arguments: Any) -> None:
        runs.append(trainer)
        trainer.callbacks += [Interrupting()] if len(runs) == 2 else []  # type: ignore[attr-defined]
        fit(trainer, *arguments)

    monkeypatch.setattr(training, "fit", second_is_interrupted)
    before = surroundings()
    with pytest.raises(KeyboardInterrupt):  # no exit, as Lightning has it
        gatebench.answer(frame, minutes=60, **SAID)
    assert surroundings() == before
    assert "Interrupted: make the same call to continue." in capsys.readouterr().err
    (folder,) = Path("runs", PLACE).glob("data-*")
    first = {path.parent: read_record(path.parent) for path in folder.glob("*/result.json")}
    assert sorted(record.status for record in first.values() if record) == ["finished", "interrupted"]
    bytes_of = {path: (path / "result.json").read_bytes() for path, r in first.items() if r and r.status == "finished"}

    def planned(watch: Any, line: str) -> None:
        if line.startswith("Plan, now fixed"):
            raise KeyboardInterrupt

    monkeypatch.setattr("src.answering.shown.Terminal.say", planned)
    with pytest.raises(KeyboardInterrupt):
        gatebench.answer(frame, minutes=60, **SAID)
    again = {path: read_record(path) for path in first}
    assert [record.status for record in again.values() if record] == ["finished", "finished"]
    assert sorted(record.attempts for record in again.values() if record) == [1, 2]
    assert {path: (path / "result.json").read_bytes() for path in bytes_of} == bytes_of
    assert len(json.loads((folder / "clock.json").read_text())["granted"]) == 1
    assert (folder / "experiments" / f"{folder.name}.yaml").is_file()


def test_two_at_once_are_refused_and_a_killed_one_leaves_no_lock(frame: pd.DataFrame, tmp_path: Path) -> None:
    line = ["data.path=gestures.csv", "data.group_column=take", "data.target=gesture", "minutes=60"]
    line += [f"{key}={value}" for key, value in QUICK.items()]
    environment = os.environ | {"PYTHONPATH": str(CONF.parent), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "src.answer", *line]
    process = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not any(is_held(path.parent) for path in tmp_path.glob("runs/answers/*/.lock")):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)  # so that it holds it for as long as is asked here
        said = {key: value for key, value in SAID.items() if key != "times"}
        with pytest.raises(UserError, match=r"^Another process is using \S+: wait for it or stop it first\.$"):
            gatebench.answer("gestures.csv", minutes=TINY, **said)
    finally:
        process.kill()
        process.communicate()
    (folder,) = tmp_path.glob("runs/answers/*")  # which the refused one has left
    assert not is_held(folder)


class Output:
    """What IPython's display gives back, with all that was shown in it."""

    def __init__(self, shown: list[str]) -> None:
        self.shown = shown

    def update(self, content: str) -> None:
        self.shown.append(content)


def test_a_notebook_shows_one_output_that_changes(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    fake = type(sys)("IPython.display")
    fake.HTML, fake.display = str, lambda content, display_id: Output(shown)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    made = gatebench.answer(frame, minutes=TINY, **SAID | {"progress": True})
    bars = [re.search(r'<progress value="([\d.]+)" max="1"></progress> (.*?)<br>', content) for content in shown]
    shares = [float(bar[1]) for bar in bars if bar]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert bars[0] is not None
    assert bars[0][2].endswith(" of 1.2 s")
    assert any("<td>2: a, b</td><td>target</td>" in content for content in shown)  # the keyword, not the key
    assert bars[-1] is None
    assert shown[-1].startswith("<div>No verdict, after ")
    assert str(made.folder) in shown[-1]
    assert "Pilot: a few updates" in shown[-1]


@pytest.mark.slow
def test_the_command_goes_on_with_what_python_began(frame: pd.DataFrame) -> None:
    """With all cores, as it is by default; and what Python says is what the command says of the same folder."""
    said = {**SAID, "overrides": {key: value for key, value in QUICK.items() if key != "hydra/launcher"}}
    for _ in range(12):
        made = gatebench.answer(frame, minutes=1, **said)
        if made.summary is not None:
            break
    plan = (made.folder / "experiments" / f"{made.folder.name}.yaml").read_bytes()
    assert isinstance(made.best, gatebench.Fitted)
    assert made.best.metrics["test/acc"] == made.run_test
    new = made.best.predict(frame[frame["take"] < 3].drop(columns="gesture"))
    assert list(new) == ["sequence", "class", "p(a)", "p(b)"]
    assert [axes.get_title() for axes in made.plot().axes] == ["data", "data"]
    summary = gatebench.compare(study=made.folder, report=False)
    assert [c.both.sentence for _, c in summary.headline() if c.both] == [made.sentence]

    kept = {path: path.read_bytes() for path in made.folder.glob("*/metrics.csv")}
    question = ["data.target=gesture", "data.group_column=take", "data.time_column=step", "minutes=0.2"]
    (file,) = Path("runs", ".data").glob("*/data.csv")
    words = ["data=csv", f"data.path={file}", "data.separator=comma", "data.decimal=point", *question]
    words += [f"{key}={value}" for key, value in said["overrides"].items()]
    environment = os.environ | {"PYTHONPATH": str(CONF.parent), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "src.answer", *words]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"runs/answers/{made.folder.name}/answer.html" in done.stdout
    assert {path: path.read_bytes() for path in kept} == kept
    assert (made.folder / "experiments" / f"{made.folder.name}.yaml").read_bytes() == plan
