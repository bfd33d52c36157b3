"""Every yaml under conf/ composes, and every _target_ takes the keys that it is given."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from src.config.instantiate import plain
from src.config.places import CONF, register_resolvers
from src.config.rules import RULES, check
from src.recurrent.cells.base import option_names
from src.tasks.budget import KEYS

ALL = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
FILES = [file for file in ALL if file.parts[0] != "hydra"]
FOR_HYDRA = [file for file in ALL if file.parts[0] == "hydra"]
SCHEMA = {"JoblibLauncher": "joblib", "SlurmLauncher": "submitit_slurm", "RayLauncher": "ray"}  # by Hydra's plugins
NEEDED = {  # what a user must say
    "csv": ("data.path=x.csv", "data.target=y"),
    "npz": ("data.path=x.npz",),
    "text": ("data.path=x.txt",),
    "wav_folder": ("data.path=x",),
}


def overrides(file: Path) -> list[str]:
    group, choice = file.parent.as_posix(), file.stem
    return [f"{group}={choice}", *(NEEDED.get(choice, ()) if group == "data" else ())]


def targets(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("_target_"):
            yield where, node
        for key, value in node.items():
            yield from targets(value, f"{where}.{key}".lstrip("."))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_yaml_composes_and_its_targets_take_its_keys(file: Path, compose: Callable[..., DictConfig]) -> None:
    if file.stem.startswith("base"):
        pytest.skip("what others differ from")
    if file.parent == Path("."):
        assert compose(config_name=file.stem)
        return
    cfg = compose(*overrides(file))
    check(cfg)
    found = dict(targets(plain(cfg)))
    assert {"model", "task", "data", "optimizer", "trainer"} <= found.keys()
    for where, node in found.items():
        keys = set(node) - {"_target_", "_partial_", "_convert_", *(KEYS if where == "model" else ())}
        taken = accepted(get_object(node["_target_"]))
        if where == "model" and taken is not None and "kind" in node:
            taken |= option_names()  # which `src.recurrent.RNNBase` hands on to its cell
        assert taken is None or keys <= taken, f"{where}: {node['_target_']} does not take {keys - taken}"


@pytest.mark.parametrize("file", FOR_HYDRA, ids=str)
def test_what_hydra_is_given_composes_and_its_plugin_takes_its_keys(file: Path) -> None:
    kind = file.parent.name
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra_compose("train", [f"{file.parent}={file.stem}"], return_hydra_config=True)
    node = cfg.hydra[kind]
    if kind != "launcher":
        assert set(node) - {"_target_"} <= (accepted(get_object(node._target_)) or set())
        return
    schema = SCHEMA[get_object(node._target_).engine.rpartition(".")[2]]
    found = ConfigStore.instance().repo["hydra"][kind].get(f"{schema}.yaml")
    if found is None:
        pytest.skip(f"{schema} is not installed")
    given = {key: node[key] for key in node if key != "_target_"}
    OmegaConf.merge(found.node, given)  # refuses a key that the plugin does not have, and a value of another type


def accepted(target: Any) -> set[str] | None:
    """The keywords that a class takes, those of its parents too where it hands **keywords on; None: any (a function
    that hands them on)."""
    if not inspect.isclass(target):
        parameters = inspect.signature(target).parameters.values()
        return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else {p.name for p in parameters}
    names: set[str] = set()
    for kind in target.__mro__:
        if kind is object or "__init__" not in vars(kind):
            continue
        parameters = inspect.signature(kind).parameters.values()
        names |= {p.name for p in parameters}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return names


def test_a_key_that_no_target_takes_is_seen() -> None:
    from src.tasks.classification import SequenceClassification

    taken = accepted(SequenceClassification)
    assert taken is not None
    assert {"pooling", "embedding_size", "monitor"} <= taken
    assert "poling" not in taken


def test_the_rules_name_keys_that_configs_have() -> None:
    """A rule for a key that no shipped config has would never be applied."""
    keys: set[str] = set()
    for file in FILES:
        text = (CONF / file).read_text()
        node = OmegaConf.to_container(OmegaConf.create(text))
        everywhere = file.parent == Path(".") or "# @package _global_" in text
        keys |= set(flat(node if everywhere else {file.parent.as_posix(): node}))  # type: ignore[arg-type, dict-item]
    assert set(RULES) - keys == set()


def flat(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
