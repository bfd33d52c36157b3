"""Identities that must outlive every move of code: of ten composed runs, and of every run of the committed study."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from src.config.instantiate import plain
from src.config.places import CONF
from src.runs.identity import RESULTS_VERSION, identity, planned_identity
from src.studies.jobs import Jobs
from src.studies.plan import read_plan

# Frozen anew with results version 2, which the split's own seed, the draws and the selection of studies asked for.
FROZEN = json.loads((Path(__file__).parent / "frozen_identities.json").read_text())
PACK = CONF.parent / "experiments" / "chung2014_music"


@pytest.mark.parametrize("overrides", FROZEN)
def test_a_composed_run_keeps_its_identities(overrides: str, compose: Callable[..., DictConfig]) -> None:
    config = plain(compose(*overrides.split()))
    now = identity(config, backend="fused", precision="32-true", data_checksum="checksum")
    assert [now, planned_identity(config)] == FROZEN[overrides]


def test_the_committed_study_names_its_runs_as_it_did(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        master = hydra_compose("train", overrides=[f"experiments={PACK.name}"], return_hydra_config=True)
    jobs = Jobs(read_plan(master.study), lambda overrides: compose(*overrides), tmp_path)
    runs = [json.loads(line) for line in (PACK / "runs.jsonl").read_text().splitlines()]
    now = [run for run in runs if run.get("results_version") == RESULTS_VERSION]
    assert now
    for run in now:
        job = jobs.job(run["phase"], run["model"], run["data"], run.get("arm", "main"), run["seed"], run["values"])
        assert job.id == run["id"]
