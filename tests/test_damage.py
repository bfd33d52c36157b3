"""Every damage to every file of a run or study, in every command that reads it: one sentence with the file's path.

What a command says or writes with a damaged file is what it says without the damage, or a sentence that names the file;
never another number, never a stack trace.
"""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError
from src.config.in_words import in_words, is_hydra
from src.config.places import CONF, register_resolvers
from src.runs.result import read_result, sealed
from src.runs.study_record import PlannedJob, PlannedJobs, read_study
from src.runs.typed_json import replaced, write_json
from tests.analysis.fake import fake_study

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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two trained runs, one of which was interrupted as well, a study and its pack."""
    home = tmp_path_factory.mktemp("made")
    register_resolvers()
    (home / "a.txt").write_text("the cat sat on the mat. " * 40)
    for model in ("gru", "lstm"):
        run = home / "runs" / model
        call("train", home, *TINY, f"model={model}", f"data.path={home / 'a.txt'}", f"paths.run_dir={run}")
        edit(run / "result.json", choices={"model": model, "data": "text"})
        other = shutil.copytree(run, run.with_name(f"{model}1"))  # what a comparison goes on with
        edit(other / "result.json", id=f"{model}1", seed=1)
    shutil.copytree(home / "runs" / "gru", home / "unfinished" / "gru")
    edit(home / "unfinished" / "gru" / "result.json", status="interrupted", digests={})
    study = fake_study(home / "studies" / "planted", pairs=2)
    jobs = {job.id: job for run in study.glob("*/result.json") if (job := read_result(run).study_job)}
    planned = {
        name: PlannedJob(job.phase, job.model, job.data, job.arm, 0, {}, read_study(study).plan_hash)
        for name, job in jobs.items()
    }
    write_json(study / "planned.json", PlannedJobs(planned))
    studies = f"paths.runs_dir={home / 'studies'}"
    call("compare", home, studies, "study=planted", "report=false", f"pack={home / 'pack'}")
    return home


def edit(path: Path, **changes: Any) -> None:
    record = read_result(path)
    assert record is not None
    write_json(path, sealed(replaced(record, **changes)))


def call(command: str, home: Path, *overrides: str) -> None:
    """A command's function with a config that is composed as its command line would be."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg: DictConfig = compose(command, overrides=list(overrides))
    getattr(import_module(f"src.{command}"), command)(cfg)


RUN = ("config.yaml", "result.json", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
       "sequences/test.npz", "sequences/val.npz")  # fmt: skip
# What is called, on which folder, and the files that are damaged in turn.
COMMANDS: dict[str, tuple[str, tuple[str, ...], str, tuple[str, ...]]] = {
    "evaluate": ("evaluate", ("run={home}/runs/gru",), "runs/gru", RUN),
    "predict": ("predict", ("run={home}/runs/gru", "data.path={home}/a.txt"), "runs/gru", RUN),
    "explain": ("explain", ("run={home}/runs/gru", "sequences=1", "steps=2", "shown=2"), "runs/gru", RUN),
    "export": ("export", ("run={home}/runs/gru",), "runs/gru", RUN),
    "generate": ("generate", ("run={home}/runs/gru", "prime=3", "steps=3"), "runs/gru", RUN),
    "resume": (
        "train",
        (*TINY, "data.path={home}/a.txt", "ckpt={home}/runs/gru/checkpoints/last.ckpt", "paths.runs_dir={home}/new"),
        "runs/gru",
        ("checkpoints/last.ckpt",),
    ),
    "auto": (
        "train",
        (*TINY, "data.path={home}/a.txt", "ckpt=auto", "paths.runs_dir={home}/unfinished"),
        "unfinished/gru",
        ("result.json", "checkpoints/last.ckpt", "metrics.csv"),
    ),
    "compare runs": ("compare", ("folders=[{home}/runs]", "report=false", "directory={home}/report"), "runs/gru", RUN),
    "compare study": (
        "compare",
        ("paths.runs_dir={home}/studies", "study=planted", "report=false"),
        "studies/planted",
        ("study.json", "planned.json", "looks.json"),
    ),
    "compare pack": (
        "compare",
        ("from={home}/pack", "report=false", "directory={home}/report"),
        "pack",
        ("pack.json", "study.json", "runs.jsonl", "curves.jsonl", "sequences.npz"),
    ),
    "status": (
        "status",
        ("paths.runs_dir={home}/studies", "study=planted"),
        "studies/planted",
        ("study.json", "planned.json", "0000000000000001/config.yaml", "0000000000000001/result.json"),
    ),
}


def copied(made: Path, home: Path, folder: str) -> None:
    """What a command reads, where it may be damaged."""
    home.mkdir()
    shutil.copy(made / "a.txt", home)
    top = Path(folder).parts[0]
    shutil.copytree(made / top, home / top)


def outcome(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[BaseException | None, str]:
    """How a command ended, and all that it said, with the names of this call's folders taken out."""
    command, overrides, *_ = COMMANDS[name]
    capsys.readouterr()
    try:
        call(command, home, *(override.format(home=home) for override in overrides))
        error = None
    except Exception as raised:
        error = raised
    said = capsys.readouterr()
    return error, re.sub(r"\d{4}-\d\d-\d\d_\S+", "STAMP", (said.out + said.err).replace(str(home), "home"))


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command says without any damage; filled by the tests."""
    return {}


@pytest.fixture(autouse=True)
def quick_and_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pictures are drawn elsewhere; nothing lands in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.setattr("src.explaining.pictures.draw_all", lambda *args: [])
    monkeypatch.setattr("src.explaining.forecasts.write_forecasts", lambda *args: [])


CASES = [
    pytest.param(name, file, damage, id=f"{name}-{file}-{damage}")
    for name, (_, _, _, files) in COMMANDS.items()
    for file in files
    for damage in DAMAGES
]


@pytest.mark.parametrize(("name", "file", "damage"), CASES)
def test_a_damaged_file_is_said_in_one_sentence(
    name: str,
    file: str,
    damage: str,
    made: Path,
    whole: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (command, _, folder, _), home = COMMANDS[name], tmp_path / "home"
    if name not in whole:
        copied(made, home, folder)
        error, whole[name] = outcome(name, home, capsys)
        assert error is None, error
        shutil.rmtree(home)
    copied(made, home, folder)
    place = home / folder / file
    if not os.path.lexists(place):
        pytest.skip("no such file here")
    DAMAGES[damage](place)
    error, said = outcome(name, home, capsys)
    if error is None:
        if said != whole[name]:
            new = [line for line in said.splitlines() if line not in whole[name].splitlines()]
            assert any(str(Path("home", folder, file).parent) in line for line in new), new
        assert command != "compare" or "lstm" in said
    else:
        words = in_words(error)
        assert isinstance(error, UserError | OmegaConfBaseException) or is_hydra(error), repr(error)
        assert str(place) in words or str(place.parent) in words, words
        assert "\n" not in words
    assert "Traceback" not in said
