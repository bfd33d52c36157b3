"""A network and a study of one's own, begun by a command in an empty folder and used there: each as a process."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from src.config.places import CONF
from src.data.describe import Description, Features, Values
from src.recurrent import GRU, LSTM, count_parameters, nearest_width
from src.studies.jobs import Jobs
from src.studies.plan import read_plan
from src.tasks.budget import common_budget

TABLE = ("data.path=load.csv", "data.lookback=8", "data.horizon=2")
QUICK = ("trainer.max_epochs=1", "logger=csv", "trainer.enable_progress_bar=false", "paths.run_dir=run")
Gatebench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Empty but for a table."""
    folder = tmp_path_factory.mktemp("empty")
    rows = (f"{row},{math.sin(row / 5):.4f},{math.cos(row / 7):.4f}" for row in range(120))
    (folder / "load.csv").write_text("\n".join(["time,a,b", *rows]))
    return folder


def gatebench_in(folder: Path, places: Path) -> Gatebench:
    environment = os.environ | {"PYTHONPATH": str(CONF.parent), "GATEBENCH_CACHE_DIR": str(places / "derived")}

    def run(*words: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gatebench", *words]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def gatebench(folder: Path, places: Path) -> Gatebench:
    return gatebench_in(folder, places)


@pytest.fixture(scope="module")
def network(gatebench: Gatebench, folder: Path) -> Path:
    said = gatebench("new", "model", "my_own").stdout
    assert said == "Wrote my_own.py, conf/model/my_own.yaml. Next: gatebench train model=my_own\n"
    return folder / "my_own.py"


@pytest.mark.usefixtures("network")
def test_a_network_that_was_begun_is_trained_and_measured_again(gatebench: Gatebench, folder: Path) -> None:
    gatebench("train", "model=my_own", "data=csv", *TABLE, *QUICK, "model.budget=540")
    result = json.loads((folder / "run" / "result.json").read_text())
    assert result["backend"]["name"] == "MyOwnNetwork"
    assert result["budget"]["hidden_size"] == 15
    assert result["metrics"]["test/mse"] > 0
    gatebench("evaluate", "run", "trust=my_own")
    gatebench("explain", "run", "trust=my_own", "sequences=4")
    assert (folder / "run" / "inside" / "gates_layer0.png").is_file()
    with (folder / "run" / "inside" / "units.csv").open() as file:
        assert next(file).strip() == "run,when,layer,unit,kept,horizon,keep_closed,keep_open"
    said = gatebench("export", "run", "trust=my_own", succeeds=False).stderr
    assert "for one number of steps only, as for an unrolled loop over time: use time=100" in said
    said = gatebench("export", "run", "trust=my_own", "time=8").stdout
    assert "input (batch, 8, 2)" in said
    assert "forecast (batch, 2, 2)" in said


def test_a_network_that_was_begun_keeps_to_the_contract(network: Path) -> None:
    spec = spec_from_file_location("my_own", network)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    net, x, lengths = module.MyOwnNetwork(3, 5), torch.randn(4, 7, 3), torch.tensor([7, 4, 1, 6])
    output, state = net(x, None, lengths)
    assert output.shape == (4, 7, net.output_size)
    for row, length in enumerate(lengths):
        alone, last = net(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0])
        torch.testing.assert_close(state[:, row], last[:, 0])
    _, half = net(x[:, :3])
    torch.testing.assert_close(net(x[:, 3:], half)[0], net(x)[0][:, 3:])
    (layer,) = net.gates(x, lengths)
    torch.testing.assert_close(layer["hidden"], output)
    before = torch.cat([torch.zeros(4, 1, 5), output[:, :-1]], 1)
    new = (output - layer["keep"] * before) / (1 - layer["keep"])
    assert new[0].abs().max() <= 1  # what came in is between -1 and 1, whatever share of the old was kept
    assert net.budget_counts() == {"state": 5, "flops": 2 * 5 * (3 + 5)}


def test_a_study_that_was_begun_is_a_plan_of_that_file(
    gatebench: Gatebench, folder: Path, compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = gatebench("new", "study", "mine", *TABLE, "data.target=[a]").stdout
    assert said.splitlines()[-1] == "Wrote experiments/mine.yaml. Next: gatebench train -m experiments=mine"
    monkeypatch.chdir(folder)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plan = read_plan(hydra_compose("train", overrides=["experiments=mine"]).study)
    assert plan.data == {"file": {"data.path": "load.csv", "data.lookback": 8, "data.horizon": 2, "data.target": ["a"]}}
    assert plan.primary is not None
    assert plan.primary.metric == "test/mse"
    jobs = Jobs(plan, lambda overrides: compose(*overrides), folder / "runs")
    assert jobs.job("final", "lstm", "file", "main", 0, {"optimizer.lr": 0.01}).id


def test_the_metric_of_a_study_is_that_of_its_task(gatebench: Gatebench, folder: Path) -> None:
    rows = [f"{take},{step},{(take % 2) * step}" for take in range(40) for step in range(3)]
    labelled = [f"{row},{'left' if int(row.split(',')[0]) % 2 else 'right'}" for row in rows]
    (folder / "takes.csv").write_text("\n".join(["take,step,x,side", *labelled]))
    gatebench("new", "study", "takes", "data.path=takes.csv", "data.group_column=take", "data.target=side",
              "task=classification", "task.pooling=mean")  # fmt: skip
    written = (folder / "experiments" / "takes.yaml").read_text()
    assert "metric: test/acc" in written
    assert '      task: "classification"\n      task.pooling: "mean"\n' in written


@pytest.mark.parametrize("inputs", [1, 3, 12, 64, 88, 300])
def test_the_budget_of_a_study_is_met_by_both_of_its_networks(inputs: int) -> None:
    """20,000 itself is more than 1 % off the nearest width of one of them for most numbers of features."""
    budget = common_budget(Description(Features(inputs), Values(1), per_step=False, varying_length=False, causal=False))
    for kind in (GRU, LSTM):

        def size(width: int, kind: type[GRU] | type[LSTM] = kind) -> int:
            return count_parameters(kind(inputs, width, device="meta"))["effective"]

        assert abs(size(nearest_width(size, budget)[0]) / budget - 1) < 0.01


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Say what to write: gatebench new model NAME, or gatebench new study NAME data.path"),
        (["model"], "Say what to write: gatebench new model NAME, or"),
        (["cell", "mine"], "what must be model or study, or null, got cell."),
        (
            ["model", "../mine"],
            "name must be a valid Python name: letters, digits and _, starting with a letter, or null",
        ),
        (["model", "/tmp/mine"], "name must be a valid Python name"),
        (["study", "a.b", "data.path=load.csv"], "name must be a valid Python name"),
        (["model", "__main__"], "name must be a valid Python name"),
        (["model", "mïne"], "name must be a valid Python name"),
        (["model", "on"], "name must be a valid Python name"),
        (["model", "class"], "name must be a valid Python name"),
        (["model", "gru"], "model=gru is one of GateBench's own: choose another name."),
        (["model", "random"], "Python already has a module random, which would hide random.py: choose another name"),
        (["model", "src"], "Python already has a module src"),
        (["model", "linked"], "conf is a symbolic link"),
        (["model", "there"], "there.py already exists and is not overwritten: choose another name."),
        (["model", "config_there"], "conf/model/config_there.yaml already exists and is not overwritten"),
        (["study", "smoke", "data.path=load.csv"], "experiments=smoke is one of GateBench's own"),
        (["study", "mine"], "A study needs data, as in gatebench new study mine data.path=FILE."),
        (["study", "mine", "data.path=load.cvs"], "data.path=load.cvs does not exist: give the path of a file"),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, list) else None,
)
def test_what_cannot_be_written_is_said_in_one_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from src.new import main

    (tmp_path / "elsewhere" / "model").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if "linked" in words:
        Path("conf").symlink_to(tmp_path / "elsewhere")
    else:
        Path("conf/model").mkdir(parents=True)
        Path("conf/model/config_there.yaml").write_text("mine: true")
        Path("there.py").symlink_to(tmp_path / "nowhere")
    before = {str(path) for path in tmp_path.rglob("*")}
    monkeypatch.setattr(sys, "argv", ["new", *words])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert {str(path) for path in tmp_path.rglob("*")} == before


def test_ours_win_over_a_conf_of_the_folder(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "gru.yaml").write_text("_target_: theirs.GRU\n")
    (tmp_path / "conf" / "model" / "theirs.yaml").write_text("_target_: theirs.GRU\n")
    monkeypatch.chdir(tmp_path)
    assert compose("model=gru").model._target_ == "src.recurrent.GRU"
    assert compose("model=theirs").model._target_ == "theirs.GRU"
