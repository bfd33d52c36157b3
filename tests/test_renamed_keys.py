"""A key that was renamed: hashed as before, and read by its old name in what was made before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.analysis.run import read_config
from src.config.names import hashed_names, public_names
from src.runs.identity import determining
from src.runs.load import load_run
from src.runs.study_record import Choice, read_study
from src.studies.plan import read_plan
from src.studies.state import StudyState
from src.train import train

Compose = Callable[..., DictConfig]
NOW = {"model": {"_target_": "src.recurrent.GRU", "keep_gate_bias": 1.0, "layers": [{"kind": "gru"}]}, "seed": 1}
BEFORE = {"model": {"_target_": "src.recurrent.GRU", "retain_bias": 1.0, "layers": [{"kind": "gru"}]}, "seed": 1}


def test_it_is_hashed_as_before_and_read_as_now() -> None:
    assert hashed_names(NOW) == BEFORE
    assert public_names(BEFORE) == NOW
    assert determining(NOW) == determining(BEFORE)


def test_a_class_of_the_users_own_keeps_its_key_and_its_identity() -> None:
    theirs = {"model": {"_target_": "their.Net", "retain_bias": 1.0}}
    assert public_names(theirs) == theirs
    handed_on = {"model": {"_target_": "their.Net", "keep_gate_bias": 1.0}}
    assert hashed_names(handed_on) == hashed_names(theirs) == theirs


def test_a_run_made_before_loads_and_is_read(quick: Compose, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(quick(f"paths.run_dir={run}", "trainer.max_epochs=1", "model.keep_gate_bias=0.5"))
    expected = load_run(run)
    file = run / "config.yaml"
    assert "keep_gate_bias: 0.5" in file.read_text()
    file.write_text(file.read_text().replace("keep_gate_bias", "retain_bias"))
    found = load_run(run)
    assert found.config.model.keep_gate_bias == found.task.network.keep_gate_bias == 0.5
    assert read_config(run)["model"]["keep_gate_bias"] == 0.5
    x = torch.randn(2, 4, 12)
    assert torch.equal(found.task.network(x)[0], expected.task.network(x)[0])


def plan(set_: str, tuned: str) -> dict[str, Any]:
    return {
        "name": "kept", "question": "?", "models": {"gru": {set_: 0.0}, "lstm": {}}, "data": {"ucr": {}},
        "primary": {"models": ["gru", "lstm"], "metric": "test/nll", "margin": 0.1},
        "tuning": {"draws": {tuned: [0.0, 1.0]}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "hashed"),
    [(("{}", "model.dropout"), "8c8c268666edd40d"), (("model.dropout", "{}"), "2e80bba10b891ed7")],
    ids=["set", "tuned"],
)
def test_a_study_planned_before_is_the_same_study(tmp_path: Path, keys: tuple[str, str], hashed: str) -> None:
    old, new = (
        read_plan(OmegaConf.create(plan(*(key.format(name) for key in keys))))
        for name in ("model.retain_bias", "model.keep_gate_bias")
    )
    assert old == new
    assert old.hash == new.hash
    assert old.hash == hashed, "retain_bias stands in it still"
    assert read_plan(plan(*(key.format("model.zoneout") for key in keys))).hash != old.hash
    state = StudyState(tmp_path, old)
    choice = Choice({"model.keep_gate_bias": 1.0}, 0.5, "val/loss", "min")
    state.record.chosen = {"ucr": {"main": {"gru": choice}}}
    state.write()
    file = tmp_path / "study.json"
    file.write_text(file.read_text().replace("keep_gate_bias", "retain_bias"))
    record = read_study(tmp_path)
    assert record is not None
    assert record.chosen == {"ucr": {"main": {"gru": choice}}}
    assert StudyState(tmp_path, new).record.changes == []
