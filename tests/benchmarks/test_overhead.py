"""The ladder from a raw loop to training as shipped: every rung trains, and the raw loss is the task's."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from benchmarks import CONF
from benchmarks.overhead import BARE, NOTES, OUTSIDE, RAW, SHIPPED, overhead, raw_loss, table, task_loss
from src.config.errors import UserError
from src.tasks.build import build
from tests.data.real import DATA, needs

Compose = Callable[..., DictConfig]
JSB = "music/JSB_Chorales.mat"


@pytest.fixture
def small(compose: Compose, tmp_path: Path) -> Compose:
    def composed(*overrides: str) -> DictConfig:
        places = (f"paths.runs_dir={tmp_path / 'runs'}", f"paths.data_dir={DATA}")
        small = ("model.hidden_size=4", "data.train_sequences=16", "trainer.max_epochs=3")
        quiet = "trainer.enable_progress_bar=false"
        return compose(*places, *small, quiet, *overrides, config_name="overhead", folder=CONF)

    return composed


@needs(JSB)
def test_every_rung_is_measured_in_every_round(
    small: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    milliseconds = overhead(small("logger=csv"))
    assert next(iter(milliseconds)) == RAW
    assert {NOTES, BARE, SHIPPED, OUTSIDE} <= set(milliseconds)
    assert all(len(times) == 2 and min(times) > 0 for times in milliseconds.values())
    assert SHIPPED in capsys.readouterr().out
    assert len(list((tmp_path / "runs").rglob("metrics.csv"))) == 1


@needs(JSB)
def test_the_raw_loop_computes_the_tasks_loss(small: Compose):
    data, task = build(small())
    batch = next(iter(data.train_dataloader()))
    raw, shipped = raw_loss(task, batch), task_loss(task, batch)  # type: ignore[arg-type]
    assert raw.item() == pytest.approx(shipped.item(), rel=1e-5)
    raw.backward()
    gradient = task.head.weight.grad.clone()
    task.zero_grad()
    shipped.backward()
    assert torch.allclose(gradient, task.head.weight.grad, atol=1e-6)


def test_what_is_shown_is_the_median_of_differences():
    times = {RAW: [1.0, 2.0, 3.0], SHIPPED: [2.0, 2.5, 6.0], OUTSIDE: [30.0, 31.0, 32.0]}
    columns = [list(column.cells) for column in table(times).columns]
    assert columns[1][:2] == ["2.00", "2.50"]
    assert columns[3][1] == "1.00"
    assert columns[4][1] == "0.50 to 3.00"


@needs(JSB)
@pytest.mark.parametrize(
    ("override", "words"),
    [("trainer.max_epochs=1", "is too few"), ("trainer=ddp_cpu", "in a single CPU process"),
     ("data=adding", "supports music only")],
)  # fmt: skip
def test_what_it_cannot_measure_is_one_sentence(override: str, words: str, small: Compose):
    with pytest.raises(UserError, match=words):
        overhead(small(override))
