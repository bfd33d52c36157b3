"""Hydra imports its plugins at every start: they stay light, and nothing in the package looks back up at them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

from src.config.errors import UserError
from src.config.places import CONF, register_resolvers
from src.studies.sweep import config_file, refuse_beside_study, split_overrides
from tests.test_imports import FILES, imported

HEAVY = {"torch", "pytorch_lightning", "pydantic", "numpy", "wandb", "rich", "src"}
PROBE = """
import sys, hydra.main, hydra.core.plugins
before = set(sys.modules)
import hydra_plugins.study_sweeper, hydra_plugins.checked_launcher
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


def test_the_plugins_import_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=CONF.parent, capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert "hydra_plugins" in names
    assert not names & HEAVY


def test_the_package_does_not_import_them() -> None:
    names = {name: file for file in FILES for name in imported(file)}
    assert "src.studies.run" in names
    assert not {name: file for name, file in names.items() if name.partition(".")[0] == "hydra_plugins"}


def test_the_file_on_record_is_the_one_that_hydra_composes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "experiments"
    own.mkdir()
    for name in ("mine", "smoke"):
        (own / f"{name}.yaml").write_text(f"# @package _global_\nstudy: {{name: {name}, question: Mine and {name}}}\n")
    monkeypatch.chdir(tmp_path)
    Plugins.instance()  # the search path asks the plugins that it has found
    context = HydraContext(ConfigLoaderImpl(create_config_search_path(f"file://{CONF}")), None)  # type: ignore[arg-type]
    assert config_file("mine", context) == own / "mine.yaml"
    assert config_file("other", context) is None
    shipped = config_file("smoke", context)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["experiments=smoke"], return_hydra_config=True)
    assert shipped == own / "smoke.yaml", "the file of the folder one works in wins"
    assert composed.study.question in shipped.read_text()


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("defaults: [_self_, {override /logger: csv}]", "logger"),
        ("defaults: [_self_, {override /optimizer: sgd}]", "optimizer"),
        ("trainer: {max_epochs: 2}", "trainer"),
        ("seed: 4", "seed"),
        ("pairs: 20", "pairs"),
        ("mine: 7", None),  # to which the study refers
    ],
)
def test_what_stands_beside_a_study_and_no_run_reads_is_refused(
    said: str, key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiments").mkdir()
    plan = f"# @package _global_\n{said}\nstudy: {{name: own, pairs: 2, question: 'Is it ${{oc.select:mine}}?'}}\n"
    (tmp_path / "experiments" / "own.yaml").write_text(plan)
    monkeypatch.chdir(tmp_path)
    register_resolvers()
    Plugins.instance()
    loader = ConfigLoaderImpl(create_config_search_path(f"file://{CONF}"))
    arguments = ["experiments=own", "trainer.max_steps=9", "study.pairs=3"]
    config = loader.load_configuration("train", arguments, RunMode.MULTIRUN)
    try:
        refuse_beside_study(config, HydraContext(loader, None), arguments)  # type: ignore[arg-type]
        refused = None
    except UserError as error:
        refused = str(error)
    assert (refused and refused.split(" sets ")[1].split()[0]) == key


def test_a_plus_sign_changes_neither_what_a_study_refuses_nor_what_counts_as_affecting_results() -> None:
    loader = ConfigLoaderImpl(create_config_search_path(f"file://{CONF}"))
    context = HydraContext(loader, None)  # type: ignore[arg-type]
    determining, further = split_overrides(["++trainer.max_steps=5", "+callbacks.progress=null"], context)
    assert determining == {"++trainer.max_steps": 5}
    assert further == {"+callbacks.progress": None}
    for given in ("++seed=3", "++paths.run_dir=/tmp/one", "+name=mine"):
        with pytest.raises(UserError, match=rf"^{re.escape(given)} cannot be given to a study"):
            split_overrides([given], context)
