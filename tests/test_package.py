"""The wheel in an environment of its own, in a folder that holds a ``src`` and a ``conf`` of somebody else's."""

import doctest
import json
import math
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from omegaconf import DictConfig

import gatebench
from src.runs.record import find_runs
from src.runs.result import Git
from src.train import train

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {file.stem for file in (ROOT / "src").glob("*.py") if "def main()" in file.read_text()}
CSV = ("data=csv", "data.path=load.csv", "data.lookback=8", "data.horizon=2")
QUICK = ("model.hidden_size=4", "trainer.max_epochs=1", "logger=csv", "trainer.enable_progress_bar=false")
THEIRS = ("model._target_=their_networks.Mean", *CSV, *QUICK)
NETWORK = """
from torch import nn

class Mean(nn.Module):
    output_size, num_directions = 4, 1

    def __init__(self, input_size, **keywords):
        super().__init__()
        self.linear = nn.Linear(input_size, 4)

    def forward(self, input, state=None, lengths=None):
        return self.linear(input).cumsum(1), None
"""
STUDY = """
# @package _global_
defaults:
  - base
  - _self_
  - override /hydra/sweeper: study

study:
  name: mine
  question: Is a plan in the working folder found, and those that it builds upon?
  models: {gru: {}, lstm: {}}
  data: {csv: {data.path: load.csv, data.lookback: 8, data.horizon: 2}}
  settings: {model.hidden_size: 4, trainer.max_epochs: 1}
  tuning:
    draws: {optimizer.lr: {low: 1.0e-3, high: 3.0e-2, number: 2}}
    repeat: {best: 1, seeds: 1}
    extensions: 0
  pairs: 2
  primary: {models: [gru, lstm], metric: test/mse, margin: 0.02}
"""

Gatebench = Callable[..., subprocess.CompletedProcess[str]]


def ran(
    command: Sequence[str | Path], folder: Path, places: Path, succeeds: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A process in a folder, without what this one has on its Python path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "GATEBENCH_CACHE_DIR": str(places / "derived"), **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, places: Path) -> Path:
    """Built from a copy, since setuptools leaves a folder ``build`` behind, whose files would be in the next wheel."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "gatebench.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("src", "hydra_plugins", "conf", "experiments", "benchmarks", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", source / "dist")
    ran([sys.executable, "-m", "pip", "wheel", *options, source], source, places)
    (built,) = (source / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory, places: Path) -> Path:
    """The programs of a fresh environment: the wheel, and beside it the packages that these tests run with.

    Those come by a path file, and Python reads no path files in a folder that one names: this checkout, where it is
    installed as editable, is not among them.
    """
    environment = tmp_path_factory.mktemp("fresh")
    ran([sys.executable, "-m", "venv", "--without-pip", environment], environment, places)
    (library,) = environment.glob("lib/python*/site-packages")
    (library / "others.pth").write_text(sysconfig.get_path("purelib"))
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    ran([*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel], environment, places)
    return python.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project like many others, with a table and a network; its ``src`` and ``conf`` are not ours."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src/__init__.py", "src/train.py", "src/config/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("raise RuntimeError('this is the src of somebody else')\n")
    (folder / "conf" / "model").mkdir(parents=True)
    for name in ("conf/train.yaml", "conf/model/gru.yaml"):
        (folder / name).write_text("not: ours\n")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "mine.yaml").write_text(STUDY)
    (folder / "their_networks.py").write_text(NETWORK)
    rows = (f"{row},{math.sin(row / 5):.4f},{math.cos(row / 7):.4f}" for row in range(200))
    (folder / "load.csv").write_text("\n".join(["time,a,b", *rows]))
    return folder


@pytest.fixture(scope="module")
def project(installed: Path, folder: Path, places: Path) -> Gatebench:
    """``gatebench`` in that folder; ``PYTHONPATH`` names the folder too, as many a project's environment does."""

    def run(*arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        return ran([installed / "gatebench", *arguments], folder, places, succeeds, PYTHONPATH=str(folder))

    return run


def metrics(runs: Path) -> dict[str, dict[str, float]]:
    assert list(find_runs(runs))
    return {str(record.name): record.metrics for _, record in find_runs(runs)}


def of_the_checkout(folder: Path, places: Path, *arguments: str) -> dict[str, dict[str, float]]:
    """What ``python -m src.train`` gives at the root of the checkout."""
    reference = folder / f"reference{len(list(folder.glob('reference*')))}"
    own = (f"data.path={folder / 'load.csv'}", f"paths.runs_dir={reference}")
    given = [word for word in arguments if word != "data.path=load.csv"]
    ran([sys.executable, "-m", "src.train", *given, *own], ROOT, places, PYTHONPATH=str(folder))
    return metrics(reference)


def test_the_wheel_holds_the_package_and_its_yaml_files(wheel: Path) -> None:
    def below(root: Path, *patterns: str) -> set[str]:
        return {str(file.relative_to(root)) for pattern in patterns for file in root.glob(pattern)}

    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    code = below(ROOT, "src/**/*.py", "hydra_plugins/**/*.py")
    yaml = {f"src/{name}" for name in below(ROOT, "conf/**/*.yaml", "experiments/*.yaml")}
    assert names >= {"gatebench.py", *code, *yaml}
    assert {name.partition("/")[0] for name in names} == {"gatebench.py", "src", "hydra_plugins"}
    assert not [name for name in names if name.startswith("src/experiments/") and not name.endswith(".yaml")]


def test_a_run_is_that_of_the_checkout(project: Gatebench, folder: Path, quick: Callable[..., DictConfig]) -> None:
    project("train", *CSV, *QUICK, "paths.run_dir=runs/alone")
    ((directory, record),) = find_runs(folder / "runs")
    expected = train(quick(*CSV, f"data.path={folder / 'load.csv'}", *QUICK))
    assert record.metrics == expected
    assert expected["test/mse"] > 0
    assert record.git == Git()  # the folder may be a checkout of something else
    assert (directory.parent / "latest").resolve() == directory


@pytest.mark.slow
def test_runs_in_several_processes_are_those_of_the_checkout(project: Gatebench, folder: Path, places: Path) -> None:
    expected = of_the_checkout(folder, places, "-m", "model=gru,lstm", *CSV, *QUICK)
    assert set(expected) == {"gru-csv-seed0", "lstm-csv-seed0"}
    for launcher in ("basic", "local"):
        several = ("-m", f"hydra/launcher={launcher}", "model=gru,lstm", *CSV, *QUICK)
        project("train", *several, f"paths.runs_dir={launcher}")
        assert metrics(folder / launcher) == expected


@pytest.mark.slow
def test_processes_train_a_network_of_the_folder_together(project: Gatebench, folder: Path, places: Path) -> None:
    two = ("trainer=ddp_cpu", *THEIRS)
    project("train", *two, "paths.runs_dir=together")
    assert metrics(folder / "together") == of_the_checkout(folder, places, *two)


def test_a_class_in_another_src_is_refused(project: Gatebench, folder: Path) -> None:
    done = project("train", *CSV, *QUICK, "model._target_=src.models.Net", succeeds=False)
    assert f"src is GateBench's own package and not {folder / 'src'}" in done.stderr.splitlines()[-1]


def test_another_program_of_hydra_is_left_alone(installed: Path, folder: Path, places: Path) -> None:
    program = (
        "from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(folder / 'conf')!r}, version_base='1.3'): print(compose('train'))"
    )
    assert "{'not': 'ours'}" in ran([installed / "python", "-c", program], folder, places).stdout


def test_the_interface_is_imported_beside_another_src(installed: Path, folder: Path, places: Path) -> None:
    program = "import gatebench, sys; print(gatebench.__version__, 'torch' in sys.modules, 'numpy' in sys.modules)"
    program += "; print(gatebench.GRU)"
    done = ran([installed / "python", "-c", program], folder, places)
    assert done.stdout.startswith(f"{gatebench.__version__} False False\n<class 'src.recurrent.")
    program = "import sys; sys.modules['src'] = sys; import gatebench; gatebench.GRU"
    assert "another src is already imported" in ran([installed / "python", "-c", program], folder, places, False).stderr


def test_the_first_commands_of_the_contract(wheel: Path, tmp_path: Path, places: Path) -> None:
    """As printed in docs/contract.md, in an empty folder, with nothing but the unpacked wheel on the Python path."""
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "wheel")
    block = (ROOT / "docs" / "contract.md").read_text().partition("```bash\n")[2].partition("```")[0]
    lines = [line.partition(" #")[0].split() for line in block.splitlines()]
    assert [program for program, *_ in lines] == ["gatebench"] * 2
    for _, *words in lines:
        more = ("trainer.max_epochs=1", "logger=csv") if words[0] == "train" else ()
        command = [sys.executable, "-m", "gatebench", *words, *more]
        ran(command, tmp_path / "empty", places, PYTHONPATH=str(tmp_path / "wheel"))
    ((_, record),) = find_runs(tmp_path / "empty" / "runs")
    assert record.backend.name == "MineNetwork"
    assert record.metrics["test/acc"] > 0


@pytest.mark.slow
def test_studies_of_ours_and_of_the_folder(project: Gatebench, folder: Path) -> None:
    for name, more in (("mine", ("hydra/launcher=local",)), ("smoke", ("trainer.max_steps=30",))):
        project("train", "-m", f"experiments={name}", "logger=csv", *more)
        assert f"{name}: 10 of 10 runs" in project("status", f"study={name}").stdout
        project("compare", f"study={name}", "report=false")
        assert (folder / "runs" / name / "report" / "summary.json").is_file()


@pytest.mark.slow
def test_a_process_that_inherits_nothing_but_the_environment(project: Gatebench, folder: Path) -> None:
    launcher = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "paths.runs_dir=submitted")
    project("train", "-m", *launcher, "seed=0,1", *THEIRS)
    assert set(metrics(folder / "submitted")) == {"gru-csv-seed0", "gru-csv-seed1"}


def test_the_list_of_commands(project: Gatebench) -> None:
    """Every module with a ``main``; neither torch nor Hydra is imported for it."""
    lines = project().stdout.splitlines()
    assert project("--help").stdout.splitlines() == lines
    listed = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))
    assert set(listed) == COMMANDS
    for name, line in listed.items():
        assert line == (import_module(f"src.{name}").__doc__ or "").partition("\n")[0].replace("``", "").replace(
            "python -m src.", "gatebench "
        ).removesuffix(".")
    assert project("--version").stdout == f"gatebench {gatebench.__version__}\n"


def test_help_shows_studies_and_nothing_else_of_the_folder(project: Gatebench, folder: Path) -> None:
    """Hydra's own help would walk through everything in a folder that it reads configs from: data, environments."""
    (folder / "data" / "deep").mkdir(parents=True)
    for name in ("data/theirs.yaml", "data/deep/theirs.yaml"):
        (folder / name).write_text("theirs: true\n")
    lines = project("train", "--help").stdout.splitlines()
    groups = {a.partition("=")[0]: {*b.split(", ")} for a, b in pairwise(map(str.strip, lines)) if "=" in a}
    assert {"mine", "smoke"} <= groups["experiments"]
    assert {"gru", "lstm"} <= groups["model"]


def test_a_command_that_does_not_exist(project: Gatebench) -> None:
    done = project("trian", succeeds=False)
    assert done.stderr.startswith("There is no command trian (did you mean train?): the commands are answer, compare, ")


def test_the_shell_completes_commands_and_their_keys(installed: Path, folder: Path, places: Path) -> None:
    def completed(line: str) -> set[str]:
        return {*ran([installed / "gatebench", "-sc", "query=bash"], folder, places, COMP_LINE=line).stdout.split()}

    assert completed("gatebench ") == completed("gatebench tr") == COMMANDS
    assert completed("gatebench train model=lstm_cu") == {
        "model=lstm_custom",
        "model=lstm_custom_bi",
        "model=lstm_custom_residual",
    }
    assert completed("gatebench evaluate sp") == {"split="}
    assert completed("gatebench nothing x") == COMMANDS
    script = ran([installed / "gatebench", "-sc", "install=bash"], folder, places).stdout
    assert script.rstrip().endswith("complete -o nospace -o default -F hydra_bash_completion gatebench")


def test_every_public_name_is_there() -> None:
    assert set(gatebench.__all__) < set(dir(gatebench))
    assert all(getattr(gatebench, name) for name in gatebench.__all__)
    assert len(gatebench.__all__) == len(set(gatebench.__all__))
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = gatebench.Nonsense
    assert doctest.testmod(gatebench).failed == 0
    assert doctest.testmod(gatebench).attempted > 3


def test_compare_is_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Path("results.csv")
    rows = [
        f"{model},d,{seed},{value + seed / 100}" for model, value in (("gru", 0.5), ("lstm", 0.7)) for seed in range(4)
    ]
    table.write_text("\n".join(["model,data,seed,test/loss", *rows]))
    summary = gatebench.compare(from_=table, margin=0.01, report=False)
    assert isinstance(summary, gatebench.Summary)
    assert json.loads(Path("results_report/summary.json").read_text())["name"] == summary.name
    with pytest.raises(gatebench.UserError, match=r"no key margn \(did you mean margin\?\)"):
        gatebench.compare(from_=table, margn=0.01)
    with pytest.raises(gatebench.UserError, match="got none"):
        gatebench.compare()
