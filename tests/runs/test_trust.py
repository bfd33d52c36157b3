"""A run directory from a stranger: opening it runs nothing but GateBench's own classes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.instantiate import instantiate
from src.config.places import CONF
from src.config.trust import KNOWN, check_received
from src.runs.load import load_run
from src.runs.record import find_runs
from src.train import train

# What only Hydra's blocklist stood before, each with arguments that would leave a file behind.
VECTORS: dict[str, dict[str, Any]] = {
    "sympy.sympify": {"a": "__import__('pathlib').Path('OWNED').write_text('x')"},
    "distutils.spawn.spawn": {"cmd": ["touch", "OWNED"]},
    "setuptools._distutils.spawn.spawn": {"cmd": ["touch", "OWNED"]},
    "torch.load": {"f": "evil.pt", "weights_only": False},
    "joblib.load": {"filename": "evil.joblib"},
    "pandas.read_pickle": {"filepath_or_buffer": "evil.pkl"},
    "pathlib.Path.write_text": {"self": {"_target_": "pathlib.Path", "_args_": ["OWNED"]}, "data": "x"},
    "shutil.copy": {"src": "config.yaml", "dst": "OWNED"},
    "builtins.eval": {"_args_": ["open('OWNED', 'w')"]},
    "src.config.instantiate.instantiate": {"node": {"_target_": "os.system", "command": "touch OWNED"}},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": "touch OWNED"}},
}


@pytest.fixture
def run(quick: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    train(quick("trainer.max_epochs=1"))
    ((directory, _),) = find_runs(tmp_path / "runs")
    monkeypatch.chdir(directory)
    return directory


def plant(run: Path, place: str, node: Any) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    *parents, last = place.split(".")
    inner = config
    for name in parents:
        inner = inner[name]
    inner[last] = node
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    record = json.loads((run / "result.json").read_text())  # whoever sends a run can leave its digests out
    (run / "result.json").write_text(json.dumps(record | {"digests": {}}))


def refused(run: Path, place: str, node: Any, match: str) -> None:
    """Planted, the run is refused and nothing was left behind; then it is whole again."""
    whole = (run / "config.yaml").read_text()
    plant(run, place, node)
    with pytest.raises(UserError, match=match):
        load_run(run)
    assert not (run / "OWNED").exists()
    (run / "config.yaml").write_text(whole)


def test_no_vector_runs(run: Path) -> None:
    for place in ("model", "data", "task", "optimizer", "scheduler"):
        for target, arguments in VECTORS.items():
            refused(run, place, {"_target_": target, **arguments}, r"config\.yaml")


def test_no_vector_runs_as_a_value(run: Path) -> None:
    """Not even a class that is known: an argument is no place for one, nor may it give orders to Hydra."""
    for place in ("model.dropout", "data.pool", "task.class_weights", "optimizer.lr"):
        for target in ("shutil.copy", "torch.optim.SGD"):
            node = {"_target_": target, "src": "config.yaml", "dst": "OWNED"}
            refused(run, place, node, "where the config of a run must not name one")
            refused(run, place, [{"deep": node}], "where the config of a run must not name one")
    for key in ("_args_", "_partial_", "_convert_", "_recursive_"):
        refused(run, f"model.{key}", True, "an instruction to Hydra")
    refused(run, "name", "${oc.env:HOME}", "plain values only")
    refused(run, "data", "${oc.env:HOME}", "plain values only")
    load_run(run)


def test_every_command_refuses_in_one_sentence(run: Path) -> None:
    plant(run, "optimizer", {"_target_": "shutil.copy", "src": "config.yaml", "dst": "OWNED"})
    for command in ("evaluate", "explain", "export", "generate", "predict"):
        words = [f"run={run}", *(["data.path=config.yaml"] if command == "predict" else [])]
        done = subprocess.run(
            [sys.executable, "-m", f"src.{command}", *words], cwd=CONF.parent, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "names the class shutil.copy, which is not one of GateBench's" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (run / "OWNED").exists()


def test_a_class_of_ones_own_takes_ones_own_word(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the directory cannot say it for one."""
    (run / "their_parts.py").write_text("from torch.optim import Adam\n\n\nclass Mine(Adam):\n    pass\n")
    monkeypatch.syspath_prepend(run)
    plant(run, "optimizer._target_", "their_parts.Mine")
    plant(run, "trust", "their_parts")
    with pytest.raises(UserError, match="add trust=their_parts"):
        load_run(run)
    assert "their_parts" not in sys.modules
    assert load_run(run, trust="their_parts").task is not None
    with pytest.raises(UserError, match="add trust=their_parts"):
        load_run(run, trust=["their_part", "their"])


def test_every_shipped_config_is_known(run: Path) -> None:
    """Whatever conf/ names can be opened again."""
    for path in CONF.rglob("*.yaml"):
        for line in path.read_text().splitlines():
            target = line.partition("_target_:")[2].strip()
            if target and target != "null" and "hydra" not in path.parts:
                assert target in KNOWN, (path, target)
    check_received(yaml.safe_load((run / "config.yaml").read_text()), "here")


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "yaml.unsafe_load"])  # the last: from Hydra 1.3.8 on
def test_hydra_refuses_what_only_runs_code_wherever_it_stands(target: str) -> None:
    with pytest.raises(UserError, match="could not be built"):
        instantiate({"_target_": target, "_args_": ["1"]})
