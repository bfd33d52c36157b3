"""Every yaml under conf/ composes, and every _target_ takes the keys that it is given."""

import inspect
import logging.config
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
from src.config.rules import check
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS
from src.config.schema.entries import Key, words
from src.recurrent.cells.base import option_names
from src.tasks.budget import KEYS

ALL = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
FILES = [file for file in ALL if file.parts[0] != "hydra"]
OURS = [file for file in FILES if file.stem not in ("benchmark", "cost", "overhead")]  # those of benchmarks/
FOR_HYDRA = [file for file in ALL if file.parts[0] == "hydra"]
SCHEMA = {"JoblibLauncher": "joblib", "SlurmLauncher": "submitit_slurm", "RayLauncher": "ray"}  # by Hydra's plugins
NEEDED = {  # what a user must say
    "csv": ("data.path=x.csv", "data.target=y"),
    "npz": ("data.path=x.npz",),
    "file": ("data.path=x",),
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


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "data"], ids=str)
def test_every_data_set_can_be_prepared(file: Path, compose: Callable[..., DictConfig]) -> None:
    if not file.stem.startswith("base"):
        assert compose(*overrides(file), config_name="prepare").data._target_


@pytest.mark.parametrize(
    ("overrides", "lr", "weight_decay"),
    [
        ("data=ucr", 0.005, 0.0),
        ("data=ucr optimizer=sgd", 0.1, 0.0),
        ("data=ucr optimizer=adamw", 0.001, 0.01),
        ("data=nottingham", 0.0005, 0.0001),
        ("data=nottingham optimizer=adam", 0.001, 0.0),
        ("data=ucr optimizer=sgd optimizer.lr=0.02", 0.02, 0.0),
        ("data=copy_memory optimizer=sgd", 0.1, 0.0),
    ],
)
def test_a_tuned_value_is_the_optimizers_that_it_was_tuned_with(
    overrides: str, lr: float, weight_decay: float, compose: Callable[..., DictConfig]
) -> None:
    cfg = compose(*overrides.split())
    assert (cfg.optimizer.lr, cfg.optimizer.weight_decay) == (lr, weight_decay)


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "data"], ids=str)
def test_what_a_data_file_tunes_reaches_its_optimizer(file: Path, compose: Callable[..., DictConfig]) -> None:
    """A tuned setting that no optimizer file reads would change nothing, without a word."""
    tuned = OmegaConf.to_container(OmegaConf.load(CONF / file)).get("tuned", {})  # type: ignore[union-attr]
    for optimizer, values in tuned.items():
        cfg = compose(*overrides(file), f"optimizer={optimizer}")
        assert {name: cfg.optimizer[name] for name in values} == values


@pytest.mark.parametrize("file", FOR_HYDRA, ids=str)
def test_what_hydra_is_given_composes_and_its_plugin_takes_its_keys(file: Path) -> None:
    kind = file.parent.name
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra_compose("train", [f"{file.parent}={file.stem}"], return_hydra_config=True)
    node = cfg.hydra[kind]
    if kind == "job_logging":  # of Python's logging, which names no class to Hydra
        logging.config.DictConfigurator(OmegaConf.to_container(node)).configure_formatter(plain(node.formatters.plain))
        return
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
        parameters = inspect.signature(vars(kind)["__init__"]).parameters.values()
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


def keys_of_file(file: Path) -> set[str]:
    """The dotted keys of a file in the config of its command, without what a group of free keys holds."""
    text = (CONF / file).read_text()
    node = OmegaConf.to_container(OmegaConf.create(text))
    everywhere = file.parent == Path(".") or "# @package _global_" in text
    found = flat(node if everywhere else {file.parent.as_posix(): node})  # type: ignore[arg-type, dict-item]
    return {key for key in found if not {"_target_", "defaults", "hydra"} & set(key.split("."))}


def is_free(key: str, known: dict[str, Key]) -> bool:
    """Whether a key stands under one whose values are any keys."""
    above = key.rpartition(".")[0]
    return bool(above) and ((above in known and not isinstance(known[above].kind, dict)) or is_free(above, known))


@pytest.mark.parametrize("file", OURS, ids=str)
def test_every_key_of_a_file_has_an_entry_in_the_schema(file: Path) -> None:
    known = keys_of(file.stem if file.parent == Path(".") else "train")
    unknown = [key for key in keys_of_file(file) if key not in known and not is_free(key, known)]
    assert not unknown, f"src/config/schema has no entry for {unknown}"


def test_every_entry_of_the_schema_is_for_a_key_of_a_file() -> None:
    """An entry for a key that no shipped config has would never be applied, unless it says that it is to be added."""
    shipped = {file: keys_of_file(file) for file in OURS}
    of_runs = set().union(*(keys for file, keys in shipped.items() if file.parent != Path(".") or file.stem == "train"))
    for command in COMMANDS:
        whole = command in ("train", "answer")  # which takes every key of a run
        shared = {key for key in of_runs if whole or key.startswith(("data.", "paths."))}
        there = shared | shipped[Path(f"{command}.yaml")] | {"hydra"}
        for key, entry in keys_of(command).items():
            assert (key in there) != entry.added or isinstance(entry.kind, dict), f"{command}: {key}"


def test_every_entry_says_what_it_is_for() -> None:
    for command in COMMANDS:
        for key, entry in keys_of(command).items():
            assert entry.help, f"{command}: {key}"
            assert words(entry.kind)
            assert "|" not in entry.help + words(entry.kind), "it would end a cell of the table in docs/config.md"


def test_a_key_that_the_schema_does_not_know_is_seen() -> None:
    known = keys_of()
    assert "model.hiden_size" not in known
    assert not is_free("model.hiden_size", known)
    assert is_free("tuned.adam.lr", known)
    assert is_free("trainer.strategy.process_group_backend", known)


def flat(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
