"""Slips at the keyboard, each as a process in a folder of one's own: one sentence, exit code 1, nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = "time,a\n" + "\n".join(f"{row},{row % 7}" for row in range(60))
PROSE = "\n".join(f"To be, or not to be, that is question {row}, is it{',' * (row % 3)} not" for row in range(60))


def gatebench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GATEBENCH_CACHE_DIR": str(folder / ".cache")}
    command = [sys.executable, "-m", "gatebench", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "model" / "mine.yaml").write_text("_target_: theirs.Net\n")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "question.yaml").write_text("# @package _global_\n")
    for name in ("run", "seed"):  # no groups of configs, though experiments/ beside them is one
        (folder / name).mkdir()
    (folder / "load.csv").write_text(TABLE)
    (folder / "prose.txt").write_text(PROSE)
    (folder / "poem.txt").write_text("a rose\nis a rose\nis a rose\n")
    np.savez(folder / "objects.npz", np.array([np.zeros((3, 2)), np.zeros((4, 2))], dtype=object))
    np.save(folder / "objects.npy", np.array([np.zeros((3, 2)), np.zeros((4, 2))], dtype=object))
    return folder


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("train --cfg foo", "--cfg must be followed by job, hydra or all, as in --cfg job, got foo."),
        ("train --cfg=foo", "--cfg must be followed by job, hydra or all, as in --cfg job, got foo."),
        ("train -c", "-c must be followed by job, hydra or all, as in -c job."),
        ("train --info foo", "--info must be followed by all, config, defaults,"),
        ("train -cd", "-cd must be followed by a folder."),
        ("train -sc", "-sc needs a value, as in -sc install=bash."),
        ("train mine", "mine does not have the form KEY=VALUE (did you mean model=mine?)."),
        ("train minne", "minne does not have the form KEY=VALUE (did you mean model=mine?)."),
        ("train question", "question does not have the form KEY=VALUE (did you mean -m experiments=question?)."),
        ("train smoke", "smoke does not have the form KEY=VALUE (did you mean -m experiments=smoke?)."),
        ("train GRU", "GRU does not have the form KEY=VALUE (did you mean model=gru?)."),
        ("new -m study a,b data.path=load.csv", "new cannot run as a multirun: drop -m."),
        ("train data=file data.path=objects.npz", "arr_0 is an array of Python objects, which would have to be "
         "unpickled; np.savez(FILE, x=np.concatenate(x), lengths=[len(s) for s in x], y=y) stores"),
        ("train data=file data.path=objects.npy", "np.savez(FILE, x=np.concatenate(x), lengths="),
        ("train data=file data.path=prose.txt", "; use data=text for plain text."),
        ("train data=file data.path=poem.txt", "; use data=text for plain text."),
        ("train data=file data.path=load.cvs", "data.path=load.cvs does not exist: give the path of a file"),
        ("train data=file data.path=load.cvs paths.run_dir=mine", "data.path=load.cvs does not exist"),
        ("evaluate run=run", "run has no config.yaml: it must be the directory of a run"),
        ("train seed=-1", "seed must be a whole number of at least 0, got -1."),
        ("train trainer.max_epochs=-3", "trainer.max_epochs must be a whole number of at least 1, or null, got -3."),
    ],
)  # fmt: skip
def test_a_slip_is_one_sentence_and_leaves_nothing(words: str, sentence: str, folder: Path) -> None:
    before = {*folder.iterdir()} - {folder / "runs"}
    done = gatebench(folder, *words.split())
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((folder / "runs").glob("*"))
    assert {*folder.iterdir()} - {folder / "runs"} == before


def test_a_multirun_says_each_of_its_faults_once_and_leaves_nothing(folder: Path) -> None:
    done = gatebench(folder, "train", "-m", "seed=0,1", "trainer.max_epochs=-3,4", "data=file", "data.path=load.cvs")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "This job failed: trainer.max_epochs must be a whole number of at least 1, or null, got -3.",
        "This job failed: data.path=load.cvs does not exist: give the path of a file, or of a folder of files.",
        *2 * ["This job failed with the same error as an earlier one."],
    ]
    assert not list((folder / "runs").glob("*"))


def test_one_good_job_of_a_multirun_is_kept(folder: Path) -> None:
    own = ("data=csv", "data.path=load.csv", "data.lookback=4", "data.horizon=1", "logger=csv", "paths.runs_dir=kept")
    done = gatebench(folder, "train", "-m", "trainer.max_epochs=-3,1", "model.hidden_size=4", *own)
    assert done.returncode == 1
    (left,) = (folder / "kept").glob("*-*/*/result.json")
    assert left.parent.name == "1"


def test_a_study_reads_its_file_as_what_it_holds(folder: Path) -> None:
    (folder / "texts").mkdir()
    for name in ("English", "German"):
        (folder / "texts" / f"{name}.txt").write_text("\n".join(f"{name} line {row}" for row in range(20)))
    (folder / "table.txt").write_text(TABLE)
    for study, path, reader in (("t", "prose.txt", "text"), ("f", "texts", "file"), ("g", "table.txt", "file")):
        own = ["data.lookback=4", "data.horizon=1"] if study == "g" else []
        done = gatebench(folder, "new", "study", study, f"data.path={path}", *own)
        assert done.returncode == 0, done.stderr
        assert f"    {reader}:\n      data." in (folder / "experiments" / f"{study}.yaml").read_text()


@pytest.mark.parametrize(
    ("second", "settings", "sentence"),
    [
        ("again", "{model: gru}", "gru and again of the study have the same settings: drop one"),
        ("lstm", "{model.hiden_size: 3}", "There is no key model.hiden_size (did you mean hidden_size?)."),
    ],
)
def test_a_study_with_a_mistake_in_a_model_leaves_nothing(
    second: str, settings: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "slip.yaml").write_text(
        "# @package _global_\ndefaults:\n  - base\n  - _self_\n  - override /hydra/sweeper: study\nstudy:\n"
        f"  name: slip\n  question: Is one better?\n  models: {{gru: {{}}, {second}: {settings}}}\n"
        f"  data: {{ucr: {{}}}}\n  primary: {{models: [gru, {second}], metric: test/acc}}\n"
        "  tuning: {draws: {optimizer.lr: [0.001, 0.01]}, repeat: {best: 1, seeds: 1}}\n"
    )
    done = gatebench(tmp_path, "train", "-m", "experiments=slip", "logger=csv")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout
    assert not (tmp_path / "runs" / "slip").exists()
