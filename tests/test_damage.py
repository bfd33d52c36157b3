"""Every damage to every file of a run or study, in every command that reads it: one sentence with the file's path.

With a damaged file a command says what it says without the damage, or a sentence that names the file; never another
number, never a stack trace. A comparison goes on without the damaged run.
"""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.places import CONF, register_resolvers
from src.runs.result import read_result, sealed
from src.runs.study_record import PlannedJob, read_study, write_planned, write_study
from src.runs.typed_json import replaced, write_json
from src.verify import Verified
from tests.analysis.fake import fake_study

ROOT = Path(__file__).resolve().parent.parent
TINY = (
    *("model.hidden_size=4", "trainer.max_epochs=2", "logger=csv", "trainer.enable_progress_bar=false"),
    *("data=text", "data.chunk=16", "data.batch_size=2"),
)


def wrong_content(path: Path) -> bytes:
    """A whole file of the right format in which something else stands."""
    out = io.BytesIO()
    if path.suffix == ".ckpt":
        torch.save({"state_dict": {"weight": "heavy"}, "hyper_parameters": 3}, out)
    elif path.suffix == ".npz":
        np.savez(out, loss=np.array(["a", "b"]), row=np.zeros((2, 2)), count=np.ones(3))
    else:
        return {
            ".json": b'{"schema": 2, "id": [1], "name": 7, "jobs": [], "plan": {}}\n',
            ".jsonl": b'{"run": [1], "id": {}}\n',
            ".yaml": b"model: [1]\ndata: 7\ntask: {}\n",
            ".csv": b"step,epoch,seconds\none,two,three\n",
        }[path.suffix]
    return out.getvalue()


def too_much(path: Path) -> bytes:
    """A file that would take all memory, or all of the stack, if one believed what it says."""
    if path.suffix == ".npz":
        out, header = io.BytesIO(), io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"shape": (2**59,), "fortran_order": False, "descr": "<f8"})
        with zipfile.ZipFile(out, "w") as archive:
            for name in ("row", "loss", "count", "0/ids"):
                archive.writestr(f"{name}.npy", header.getvalue())
        return out.getvalue()
    if path.suffix == ".ckpt":
        return b"PK\x03\x04" + b"\xff" * 60
    return b"[" * 100_000


def flipped(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


def relinked(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a few bytes": lambda path: path.write_bytes(path.read_bytes()[:9]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(random.Random(0).randbytes(path.stat().st_size)),
    "a bit flipped": lambda path: path.write_bytes(flipped(path)),
    "other content": lambda path: path.write_bytes(wrong_content(path)),
    "more than there is": lambda path: path.write_bytes(too_much(path)),
    "missing": lambda path: path.unlink(),
    "a folder": as_folder,
    "a link to nowhere": lambda path: relinked(path, "nowhere"),
    "a link to itself": lambda path: relinked(path, path.name),
}


class Called(NamedTuple):
    """What is called: the command, its overrides, the folder that is damaged, and the files in it that it reads."""

    command: str
    overrides: tuple[str, ...]
    folder: str
    read: tuple[str, ...]


RUN, LOADED = "run={home}/runs/gru", ("config.yaml", "result.json", "checkpoints/best.ckpt")
STUDY = ("paths.runs_dir={home}/studies", "study=planted")
NUMBERS = ("report=false", "directory={home}/report")
SURE = ("k=99", "seed=0")
CALLS = {
    "evaluate": Called("evaluate", (RUN,), "runs/gru", LOADED),
    "predict": Called("predict", (RUN, "data.path={home}/a.txt"), "runs/gru", LOADED),
    "explain": Called(
        "explain", (RUN, "sequences=1", "steps=2", "shown=2"), "runs/gru", (*LOADED, "inside/training.npz")
    ),
    "export": Called("export", (RUN,), "runs/gru", LOADED),
    "generate": Called("generate", (RUN, "prime=3", "steps=3"), "runs/gru", LOADED),
    "resume": Called(
        "train",
        (*TINY, "data.path={home}/a.txt", "ckpt={home}/runs/gru/checkpoints/last.ckpt", "paths.runs_dir={home}/new"),
        "runs/gru",
        ("checkpoints/last.ckpt",),
    ),
    "resume auto": Called(
        "train",
        (*TINY, "data.path={home}/a.txt", "ckpt=auto", "paths.runs_dir={home}/unfinished"),
        "unfinished/gru",
        ("result.json", "checkpoints/last.ckpt", "metrics.csv"),
    ),
    "compare runs": Called(
        "compare",
        ("folders=[{home}/runs]", *NUMBERS),
        "runs/gru",
        ("config.yaml", "result.json", "metrics.csv", "sequences/test.npz"),
    ),
    "compare again": Called("compare", ("folders=[{home}/looked]", *NUMBERS), "looked", ("looks.json",)),
    "compare study": Called("compare", (*STUDY, *NUMBERS), "studies/planted", ("study.json", "planned.json")),
    "compare pack": Called(
        "compare",
        ("from={home}/pack", *NUMBERS),
        "pack",
        ("pack.json", "study.json", "runs.jsonl", "curves.jsonl", "sequences.npz"),
    ),
    "verify pack": Called("verify", ("study={home}/pack", *SURE), "pack", ("pack.json", "study.json", "runs.jsonl")),
    "verify study": Called(
        "verify",
        ("study={home}/studies/planted", *SURE),
        "studies/planted",
        ("study.json", "planned.json", "0000000000000001/config.yaml", "0000000000000001/result.json"),
    ),
    "status": Called(
        "status",
        STUDY,
        "studies/planted",
        ("study.json", "planned.json", "0000000000000001/config.yaml", "0000000000000001/result.json"),
    ),
}
EVERY = (*LOADED, "metrics.csv", "checkpoints/last.ckpt", "sequences/test.npz", "sequences/val.npz")
# A run without a record is one that is still to do.
STILL_TO_DO = {("status", "0000000000000001/result.json", damage) for damage in ("missing", "a link to nowhere")}
# What a command reads is damaged in every way, what else a run has in one.
CASES = [
    pytest.param(name, file, damage, id=f"{name}-{file}-{damage}")
    for name, called in CALLS.items()
    for file in dict.fromkeys([*called.read, *(EVERY if called.folder == "runs/gru" else ())])
    for damage in (DAMAGES if file in called.read else ["garbage"])
    if (name, file, damage) not in STILL_TO_DO
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trained runs, one that can go on, a study and its pack."""
    home = tmp_path_factory.mktemp("made")
    register_resolvers()
    (home / "a.txt").write_text("the cat sat on the mat. " * 40)
    for model in ("gru", "lstm"):
        run = home / "runs" / model
        call("train", *TINY, f"model={model}", f"data.path={home / 'a.txt'}", f"paths.run_dir={run}")
        edit(run / "result.json", choices={"model": model, "data": "text"})
        other = shutil.copytree(run, run.with_name(f"{model}1"))  # what a comparison goes on with
        edit(other / "result.json", id=f"{model}1", seed=1)
    shutil.copytree(home / "runs" / "gru", home / "unfinished" / "gru")
    edit(home / "unfinished" / "gru" / "result.json", status="interrupted", digests={})
    (home / "runs" / "gru" / "inside").mkdir()
    np.savez(home / "runs" / "gru" / "inside" / "training.npz", step=np.arange(3))
    shutil.copytree(home / "runs", home / "looked")
    call("compare", f"folders=[{home / 'looked'}]", "report=false", f"directory={home / 'report'}")
    study = fake_study(home / "studies" / "planted", pairs=2)
    record = read_study(study)
    assert record is not None
    jobs = [result.study_job for run in study.glob("*/result.json") if (result := read_result(run)) is not None]
    planned = {j.id: PlannedJob(j.phase, j.model, j.data, j.arm, 0, {}, record.plan_hash) for j in jobs if j}
    write_planned(study, planned)
    write_study(study, record)
    places = f"paths.runs_dir={home / 'studies'}", f"directory={home / 'report'}", f"pack={home / 'pack'}"
    call("compare", "study=planted", "report=false", *places)
    return home


def edit(path: Path, **changes: Any) -> None:
    record = read_result(path)
    assert record is not None
    write_json(path, sealed(replaced(record, **changes)))


def call(command: str, *overrides: str) -> None:
    """A command's function with a config that is composed as its command line would be."""
    getattr(import_module(f"src.{command}"), command)(composed(command, overrides).copy())


@cache
def composed(command: str, overrides: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(command, overrides=list(overrides))


def copied(made: Path, folder: str) -> Path:
    """What a command reads, where it may be damaged: always in the same place, so that its config is composed once."""
    home, top = made / "home", Path(folder).parts[0]
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.copy(made / "a.txt", home)
    shutil.copytree(made / top, home / top)
    return home


class Ended(NamedTuple):
    """How a command ended, and all that it said, without what is new each time."""

    error: Exception | None
    said: str


@pytest.fixture
def ended(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[[str], Ended]:
    """``ended("evaluate")`` runs a command in the copy; pictures are drawn elsewhere, and lines are long."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.setattr("src.explaining.pictures.draw_all", lambda *args: [])
    monkeypatch.setattr("src.explaining.forecasts.write_forecasts", lambda *args: [])
    monkeypatch.setattr("src.verify.again", lambda run, *args: Verified(run, "bitwise equal", "all metrics"))

    def run(name: str) -> Ended:
        called, error = CALLS[name], None
        if called.command == "verify":  # the planted records name no version of their results
            monkeypatch.setattr("src.runs.identity.RESULTS_VERSION", None)
        capsys.readouterr()
        caplog.clear()
        try:
            call(called.command, *(override.format(home=made / "home") for override in called.overrides))
        except Exception as raised:
            error = raised
        logged = "\n".join(record.message for record in caplog.records if record.levelname == "WARNING")
        said = "".join(capsys.readouterr()) + logged
        return Ended(error, re.sub(r"\d{4}-\d\d-\d\d_\S+", "STAMP", said))

    return run


@pytest.fixture(scope="module")
def whole() -> dict[str, str]:
    """What each command says without any damage; filled by the tests."""
    return {}


@pytest.mark.parametrize(("name", "file", "damage"), CASES)
def test_a_damaged_file_is_said_in_one_sentence(
    name: str, file: str, damage: str, made: Path, whole: dict[str, str], ended: Callable[[str], Ended]
) -> None:
    called = CALLS[name]
    if name not in whole:
        copied(made, called.folder)
        error, whole[name] = ended(name)
        assert error is None, error
    place = copied(made, called.folder) / called.folder / file
    assert place.is_file()
    DAMAGES[damage](place)
    error, said = ended(name)
    names = (str(place), str(place.parent), str(place.parent.relative_to(made)))
    if error is not None:
        assert isinstance(error, UserError), repr(error)
        assert any(words in str(error) for words in names), error
        assert "\n" not in str(error)
        assert name != "compare runs"  # it goes on
    elif said != whole[name]:
        new = [line for line in said.splitlines() if line not in whole[name].splitlines()]
        assert any(words in line for line in new for words in names), new
    assert "Traceback" not in said


def test_as_processes_they_end_with_1_and_one_line(made: Path) -> None:
    commands = {"evaluate": "checkpoints/best.ckpt", "compare pack": "runs.jsonl", "status": "study.json"}
    started = []
    for name, file in commands.items():
        called, home = CALLS[name], made / "processes" / name.split()[0]
        shutil.copytree(made / Path(called.folder).parts[0], home / Path(called.folder).parts[0])
        DAMAGES["garbage"](home / called.folder / file)
        words = [sys.executable, "-m", f"src.{called.command}", *(o.format(home=home) for o in called.overrides)]
        process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append((home / called.folder / file, process))
    for place, process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 1, out + err
        assert err.count("\n") == 1, err
        assert str(place) in err
