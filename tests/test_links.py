"""A run or study that was received may hold symbolic links: no command writes through one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.compare import compare
from src.config.errors import UserError
from src.config.places import CONF
from src.evaluate import evaluate
from src.explain import explain
from src.export import export
from src.files import output
from src.generate import generate
from src.predict import predict
from src.train import train
from src.training.wandb_folders import supersede
from tests.analysis.fake import fake_study

Compose = Callable[..., DictConfig]
TEXT = ("data=text", "data.chunk=16", "data.batch_size=2", "trainer.max_epochs=1", "model.hidden_size=8")
CSV = ("logger=csv", "trainer.enable_progress_bar=false")
COMMANDS: dict[str, Callable[[DictConfig], object]] = {
    "evaluate": evaluate, "predict": predict, "explain": explain, "export": export, "generate": generate,
}  # fmt: skip
OPTIONS = {"predict": ("data.path={text}",), "explain": ("sequences=1", "steps=4"), "generate": ("prime=4", "steps=4")}
FOLDERS = ("predictions", "inside", "generated")  # where a link to a folder would put whole files
FILES = (
    "predictions/a.csv", "inside/units.csv", "inside/saturation.svg", "model.onnx", "generated/sequence0-seed0.txt",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a run of it, made once."""
    place = tmp_path_factory.mktemp("trained")
    (place / "a.txt").write_text("the cat sat on the mat. " * 40)
    done = process("train", *TEXT, *CSV, f"data.path={place / 'a.txt'}", f"paths.run_dir={place / 'run'}", here=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "home" / "figures").mkdir(parents=True)
    (tmp_path / "home" / "bashrc").write_text("mine\n")
    return tmp_path / "home"


def process(command: str, *arguments: str, here: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(CONF.parent), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    line = [sys.executable, "-m", f"src.{command}", *arguments]
    return subprocess.run(line, env=environment, cwd=here, capture_output=True, text=True, timeout=300)


def plant(link: Path, victim: Path) -> None:
    """A link to the victim's file, or to the folder where the link's name says no ending."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(victim / "bashrc" if link.suffix or link.name.startswith(".") else victim)


def untouched(victim: Path) -> bool:
    return {p.name for p in victim.rglob("*")} == {"bashrc", "figures"} and (victim / "bashrc").read_text() == "mine\n"


@pytest.mark.parametrize(("command", "link"), [
    ("evaluate", "sequences"), ("predict", "predictions"), ("explain", "inside"), ("export", "model.onnx"),
    ("generate", "generated"), ("train", "checkpoints"), ("train", "metrics.csv"), ("train", ".lock"),
])  # fmt: skip
def test_no_process_writes_through_a_link_inside_a_run(
    command: str, link: str, trained: Path, run: Path, victim: Path
) -> None:
    options = [option.format(text=trained / "a.txt") for option in OPTIONS.get(command, ())]
    if command == "train":
        options = [*TEXT, *CSV, f"data.path={trained / 'a.txt'}", f"paths.run_dir={run}", "seed=1", "overwrite=true"]
    else:
        options.append(f"run={run}")
    plant(run / link, victim)
    done = process(command, *options, here=run.parent)
    assert untouched(victim)
    if command == "evaluate":  # which writes nothing
        assert done.returncode == 0
        return
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"{run / link} is a symbolic link (to {victim}")


def test_no_file_is_written_through_a_link_of_its_name(
    trained: Path, run: Path, victim: Path, compose: Compose
) -> None:
    for link in FILES:
        plant(run / link, victim)
    for name, command in COMMANDS.items():
        options = [option.format(text=trained / "a.txt") for option in OPTIONS.get(name, ())]
        with suppress(UserError):
            command(compose(f"run={run}", *options, config_name=name))
        assert untouched(victim)
        assert not (run / "inside" / "saturation.svg").is_symlink() or name in ("evaluate", "predict")


@pytest.mark.parametrize("link", ["report", "report/figures", "report/runs.csv", "report/report.html", "looks.json"])
def test_a_comparison_writes_through_no_link(link: str, tmp_path: Path, victim: Path, compose: Compose) -> None:
    study = fake_study(tmp_path / "runs" / "planted", pairs=3)
    (study / "study.json").unlink()
    plant(study / link, victim)
    if link == "looks.json":  # what is no record of looks would be refused
        (study / link).unlink()
        (study / link).symlink_to(victim / "new")
    cfg = compose(f"folders=[{study}]", "report=true", config_name="compare")
    if link.startswith("report") and "." not in link:
        with pytest.raises(UserError, match="is a symbolic link"):
            compare(cfg)
    else:
        compare(cfg)
        assert not (study / link).is_symlink()
    assert untouched(victim)


def test_the_process_of_a_comparison_writes_through_no_link(tmp_path: Path, victim: Path) -> None:
    study = fake_study(tmp_path / "runs" / "planted", pairs=3)
    plant(study / "report", victim)
    done = process("compare", "study=planted", "report=false", f"paths.runs_dir={tmp_path / 'runs'}", here=tmp_path)
    assert (done.returncode, untouched(victim)) == (1, True)
    assert done.stderr.startswith(f"{study / 'report'} is a symbolic link")


def test_a_study_is_not_gone_on_with_through_a_link(tmp_path: Path, victim: Path) -> None:
    """Hydra would write its own file through it; a link inside a run is that run's failure (tests/studies)."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "one.yaml").write_text(
        "# @package _global_\ndefaults: [base, _self_, {override /hydra/sweeper: study}]\n"
        "study: {name: one, question: Is it so, models: {gru: {}, lstm: {}}, data: {ucr: {}}, pairs: 1,\n"
        "        primary: {models: [gru, lstm], metric: test/acc, margin: 0.02}}\n"
    )
    link = tmp_path / "runs" / "one" / "multirun.yaml"
    plant(link, victim)
    done = process("train", "-m", "experiments=one", "logger=csv", f"paths.runs_dir={tmp_path / 'runs'}", here=tmp_path)
    assert (done.returncode, untouched(victim)) == (1, True)
    assert f"{link} is a symbolic link" in done.stderr


def test_the_users_own_links_are_followed(tmp_path: Path, run: Path, trained: Path, compose: Compose) -> None:
    """A link to a run, as runs/latest is one, and an output outside a run."""
    (tmp_path / "latest").symlink_to(run)
    path = predict(compose(f"run={tmp_path / 'latest'}", f"data.path={trained / 'a.txt'}", config_name="predict"))
    assert path.is_file()
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    assert output(tmp_path / "near" / "x.csv", run) == tmp_path / "near" / "x.csv"


def test_a_link_to_the_run_itself_is_one_too(run: Path) -> None:
    (run / "again").symlink_to(run)
    with pytest.raises(UserError, match="again is a symbolic link"):
        output(run / "again" / "x.csv", run)


def test_offline_folders_of_wandb_are_marked_without_following_links(tmp_path: Path, victim: Path) -> None:
    old = tmp_path / "wandb" / "offline-run-1-abc"
    old.mkdir(parents=True)
    (old / "run-abc.wandb").touch()
    for name in ("superseded-by", "run-abc.wandb.synced"):
        (old / name).symlink_to(victim / "new")
    supersede(tmp_path, "abc", by=tmp_path / "wandb" / "offline-run-2-abc")
    assert untouched(victim)
    assert (old / "superseded-by").read_text() == "offline-run-2-abc\n"
    (victim / "run-abc.wandb").touch()
    (tmp_path / "wandb" / "offline-run-0-abc").symlink_to(victim)
    supersede(tmp_path, "abc", by=tmp_path / "wandb" / "offline-run-2-abc")
    assert {path.name for path in victim.iterdir()} == {"bashrc", "figures", "run-abc.wandb"}


def test_train_refuses_links_in_a_fresh_directory_too(tmp_path: Path, victim: Path, quick: Compose) -> None:
    plant(tmp_path / "run" / "wandb", victim)
    with pytest.raises(UserError, match="wandb is a symbolic link"):
        train(quick("trainer.max_epochs=1", f"paths.run_dir={tmp_path / 'run'}"))
    assert untouched(victim)
