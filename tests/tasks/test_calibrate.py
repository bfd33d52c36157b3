"""The width from the time of a training step: found, measured once, on record, and refused where no width fits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

import src.tasks.calibrate as calibrate
from src.config.errors import UserError
from src.config.rules import check
from src.runs.identity import planned_identity
from src.runs.load import load_run
from src.runs.record import find_runs
from src.tasks.base import Task
from src.tasks.build import build
from src.train import train

Compose = Callable[..., DictConfig]
ASKED = ("model.budget=2000", "model.budget_of=seconds", "trainer.max_epochs=1")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine whose steps take 100 microseconds and the square of the width; the widths that were measured."""
    widths: list[int] = []

    def step_seconds(task: Task, *_: object) -> float:
        widths.append(task.network.hidden_size)
        return 1e-6 * (100 + task.network.hidden_size**2)

    monkeypatch.setattr(calibrate, "step_seconds", step_seconds)
    return widths


def test_the_width_is_measured_once_and_on_record(quick: Compose, tmp_path: Path, timed: list[int]) -> None:
    train(quick(*ASKED, "seed=0"))
    measured = len(timed)
    assert timed[:5] == [4, 8, 16, 32, 64]
    train(quick(*ASKED, "seed=1", "optimizer.lr=0.01"))
    assert len(timed) == measured, "the second seed trains the width of the first"
    records = list(find_runs(tmp_path / "runs"))
    assert len(records) == 2
    for directory, record in records:
        assert record.budget is not None
        assert (record.budget.of, record.budget.wanted, record.budget.hidden_size) == ("seconds", 2000, 44)
        assert record.budget.actual == 100 + 44**2
        assert record.budget.measured["64"] == 4196.0
        assert OmegaConf.load(directory / "config.yaml").model.hidden_size == 44
        assert load_run(directory).task.network.hidden_size == 44
    assert len(timed) == measured, "reading a run measures nothing"


@pytest.mark.parametrize(
    ("accelerator", "cuda", "device"),
    [("auto", True, "cuda"), ("gpu", True, "cuda"), ("cpu", True, "cpu"), ("gpu", False, "cpu")],
)
def test_steps_are_timed_on_the_device_of_the_run(
    accelerator: str, cuda: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert calibrate.device_of(OmegaConf.create({"trainer": {"accelerator": accelerator}})).type == device


def test_another_model_is_measured_by_itself(quick: Compose, tmp_path: Path, timed: list[int]) -> None:
    build(quick(*ASKED, "model=gru"), widths=tmp_path)
    measured = len(timed)
    build(quick(*ASKED, "model=lstm"), widths=tmp_path)
    assert len(timed) == 2 * measured


def test_a_width_that_does_not_fit_is_refused_with_the_times(quick: Compose, tmp_path: Path, timed: list[int]) -> None:
    with pytest.raises(UserError, match=r"budget=50 \(microseconds .* within 10 %: hidden_size=4 takes 116; use"):
        build(quick(*ASKED, "model.budget=50"), widths=tmp_path)
    with pytest.raises(UserError, match=r"hidden_size is a list|hidden_size=\[8, 4\] is a list"):
        build(quick(*ASKED, "model=gru_stacked", "model.hidden_size=[8,4]"), widths=tmp_path)


def test_a_damaged_width_is_named(quick: Compose, tmp_path: Path, timed: list[int]) -> None:
    build(quick(*ASKED), widths=tmp_path)
    (kept,) = tmp_path.glob("*.json")
    kept.write_text("{")
    with pytest.raises(UserError, match=r"json is damaged .*: delete it to measure the width again"):
        build(quick(*ASKED), widths=tmp_path)


def test_runs_of_different_measured_widths_are_different_runs(quick: Compose) -> None:
    def identity(*overrides: str) -> str:
        cfg = quick(*overrides)
        check(cfg)
        return planned_identity(OmegaConf.to_container(cfg, resolve=True))

    assert identity(*ASKED, "model.hidden_size=44") != identity(*ASKED, "model.hidden_size=45")
    counted = ("model.budget=2000", "trainer.max_epochs=1")
    assert identity(*counted, "model.hidden_size=44") == identity(*counted, "model.hidden_size=45")


def test_a_wide_step_takes_longer_and_leaves_the_noise_alone(quick: Compose) -> None:
    """Measured for once: 512 units against 8."""
    data, narrow = build(quick("model.hidden_size=8"))
    batches = [next(iter(data.train_dataloader()))]
    wide = build(quick("model.hidden_size=512"))[1]
    device = torch.device("cpu")
    assert calibrate.step_seconds(wide, batches, device) > 1.5 * calibrate.step_seconds(narrow, batches, device) > 0
