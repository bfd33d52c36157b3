"""Every file in ``experiments/`` is a plan whose jobs all compose, and says what it asks and what it costs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.instantiate import find_class, instantiate
from src.config.places import CONF
from src.config.rules import check
from src.studies.jobs import Jobs
from src.studies.plan import combinations, read_plan, values_of
from src.tasks.build import build_task

ROOT = CONF.parent
FILES = sorted(path for path in (ROOT / "experiments").glob("*.yaml") if path.stem != "base")
# A study that has begun is told apart from a changed one by these: no change of code may move them.
HASHES = {
    "smoke": "752fa7124ea8a8b4",
    "chung2014_music": "fa900128a3d4da67",
    "music_matched": "2da5b382c7732eaf",
    "chung2014_speech": "9cdc141a5aa4b603",
    "bai2018": "ae8adf2f91b5c57f",
    "memory_length": "5b12dcc3dcfe72f8",
    "gate_bias": "9a75721f15bfe0a1",
    "variants": "82d0c4375af55f3f",
    "forecasting": "767e6b549b4fa675",
    "ucr_many": "5072c0406fe73ac7",
}


def test_all_that_were_asked_for_are_there() -> None:
    assert {file.stem for file in FILES} >= HASHES.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_study_is_a_plan_whose_jobs_compose(file: Path, compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        master: Any = hydra_compose("train", overrides=[f"experiments={file.stem}"], return_hydra_config=True)
    assert master.hydra.sweeper._target_ == "hydra_plugins.study_sweeper.StudySweeper"
    with pytest.raises(UserError, match=f"gatebench train -m experiments={file.stem}"):
        check(master)
    plan = read_plan(master.study)
    assert plan.hash == HASHES[file.stem]
    assert plan.name == file.stem
    assert plan.question.endswith("?")
    jobs = Jobs(plan, lambda overrides: compose(*overrides), tmp_path)
    trial = combinations(plan.tuning, values_of(plan.tuning))[0] if plan.tuning else {}
    for data, arm in plan.conditions():
        ids = set()
        for model in plan.models:
            cfg = jobs.config(model, data, arm)
            find_class(cfg.model._target_)
            ids.add(jobs.job("final", model, data, arm, 0, trial).id)
        assert len(ids) == len(plan.models), "two models of a study are the same"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_the_first_lines_say_what_it_asks_what_it_costs_and_how(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# Question: ")
    assert lines[2].startswith("# Cost: ")
    assert f"# Command: python -m src.train -m experiments={file.stem}" in lines
    assert "core" in "".join(lines[2:5])
    assert "GPU" in "".join(lines[2:5])


@pytest.mark.parametrize("study", ["smoke", "ucr_many"])
def test_the_budgets_of_a_study_on_bundled_data_are_met(
    study: str, compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plan = read_plan(hydra_compose("train", overrides=[f"experiments={study}"]).study)
    jobs = Jobs(plan, lambda overrides: compose(*overrides), tmp_path)
    built = 0
    for data, arm in plan.conditions():
        configs = [jobs.config(model, data, arm) for model in plan.models]
        if configs[0].data._target_.endswith("UCR"):  # the archive's sets that come with sktime
            description = instantiate(configs[0].data).description
            built += len([build_task(cfg, description) for cfg in configs])
    assert built >= len(plan.models)
