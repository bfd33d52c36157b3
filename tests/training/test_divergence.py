"""What has diverged and what has not; a run that has says at which step, and which tensor it was."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from src.runs.record import find_runs
from src.runs.result import RunResult
from src.train import train
from src.training.callbacks import Watch
from src.training.divergence import Diverged, check_loss, check_validation, check_weights

TINY = (
    "data=adding", "data.length=6", "data.sizes=[40,16,16]", "data.batch_size=8", "model.hidden_size=4",
    "trainer.max_epochs=2", "logger=csv", "trainer.enable_progress_bar=false",
)  # fmt: skip
Compose = Callable[..., DictConfig]


def record_of(runs: Path) -> RunResult:
    ((_, record),) = find_runs(runs)
    return record


def test_a_run_far_worse_than_the_trivial_baseline_has_diverged(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(compose(*TINY, "optimizer.lr=1e6", f"paths.runs_dir={tmp_path}")) == {}
    record = record_of(tmp_path)
    assert record.status == "diverged"
    assert record.divergence is not None
    assert (record.divergence.tensor, record.divergence.step) in {("val/loss", 4), ("val/loss", 9)}
    assert record.divergence.value > 10 * record.val_baselines["one/mse"]
    assert f"val/loss, {record.divergence.value:.6g} at step {record.divergence.step}, is more than" in record.error
    assert "one/mse there" in record.error
    assert record.error in capsys.readouterr().out
    assert record.metrics == {}
    assert record.best is None
    assert record.timing.epochs == 2


def test_one_that_learns_slowly_has_not(compose: Compose, tmp_path: Path) -> None:
    """After ten updates it says nearly what it said at the start, and that was far off the mean, the baseline."""
    metrics = train(compose(*TINY, "model.num_layers=2", "optimizer.lr=1e-5", f"paths.runs_dir={tmp_path}"))
    record = record_of(tmp_path)
    assert metrics["val/mse"] > 10 * record.val_baselines["one/mse"]
    assert record.status == "finished"
    assert record.divergence is None


def test_weights_that_are_no_numbers_are_named(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Watch.on_train_batch_end

    def spoil(self: Watch, trainer: object, task: nn.Module, *rest: object) -> None:
        real(self, trainer, task, *rest)  # type: ignore[arg-type]
        if self.measured["steps"] == 5:  # the last of the first epoch, after its last loss was looked at
            task.head.bias.data[0] = math.inf

    monkeypatch.setattr(Watch, "on_train_batch_end", spoil)
    train(compose(*TINY, f"paths.runs_dir={tmp_path}"))
    record = record_of(tmp_path)
    assert record.status == "diverged"
    assert record.divergence is not None
    assert (record.divergence.step, record.divergence.tensor) == (5, "head.bias")
    assert record.divergence.value == math.inf
    assert "head.bias left the float range by step 5 (inf)" in record.error
    assert not list(tmp_path.rglob("*.ckpt"))  # nothing of it is kept


def test_the_first_tensor_that_left_float_range_is_named() -> None:
    network = nn.Linear(2, 1)
    check_loss(1.0, network, 3)
    with pytest.raises(Diverged, match=r"train/loss\) is nan at step 3") as told:
        check_loss(math.nan, network, 3)
    assert (told.value.found.step, told.value.found.tensor) == (3, "train/loss")
    network.bias.data.fill_(math.nan)
    with pytest.raises(Diverged, match="weights bias left the float range by step 3"):
        check_loss(math.nan, network, 3)
    with pytest.raises(Diverged, match="bias"):
        check_weights(network, 3)
    check_weights(nn.Identity(), 3)
    check_weights(nn.Linear(2, 1).to(torch.bfloat16), 3)


@pytest.mark.parametrize(("step", "advice"), [(0, "the network or the data, not optimizer.lr"), (1, "a smaller")])
def test_no_learning_rate_is_blamed_before_the_first_update(step: int, advice: str) -> None:
    network = nn.Linear(2, 1)
    with pytest.raises(Diverged, match=advice):
        check_loss(math.nan, network, step)
    network.bias.data.fill_(math.nan)
    with pytest.raises(Diverged, match=advice):
        check_weights(network, step)


BASELINES = {"mean/mse": 2.0, "last/mse": 0.01, "mean/mae": 0.001}


@pytest.mark.parametrize(
    ("losses", "baselines", "start", "diverged"),
    [
        ([30.0, 21.0], BASELINES, 2.0, True),
        ([30.0, 19.0], BASELINES, 2.0, False),  # the weakest baseline counts, and that of the loss alone
        ([30.0, 1.0, 1e9], BASELINES, 2.0, False),  # the best epoch counts
        ([21.0], BASELINES, 20.0, False),  # not yet trained
        ([23.0], BASELINES, 20.0, True),
        ([0.3], {"memoryless/mse": 0.02}, 2.3, False),  # a baseline that knows when nothing is to be said
        ([21.0], {"last/mse": 1e-9}, 20.0, False),  # a series that does not move
        ([-3.0], {"gaussian/mse": -40.0}, -10.0, False),  # a density: it has no ratios below 0
        ([900.0], {"gaussian/mse": -40.0}, 80.0, True),
        ([700.0], {"gaussian/mse": -40.0}, 80.0, False),
        ([900.0], {"gaussian/mse": -40.0}, -1.0, False),
        ([21.0], {}, 2.0, True),
        ([19.0], {}, 2.0, False),
        ([math.nan, 1.0], BASELINES, 2.0, False),
        ([math.nan, math.nan], BASELINES, 2.0, True),
        ([math.inf], {}, -1.0, True),
        ([], BASELINES, 2.0, False),
    ],
)
def test_a_ratio_is_of_what_is_above_zero(
    losses: list[float], baselines: dict[str, float], start: float, diverged: bool
) -> None:
    rows = [{"step": 7 + k, "epoch": k, "val/loss": loss} for k, loss in enumerate(losses)]
    found = check_validation([{"step": 0, "lr": 1}, *rows], baselines, "mse", lambda: start)
    assert (found is not None) == diverged
    if found is not None:
        assert found.found.tensor == "val/loss"
        assert f"step {found.found.step}" in str(found)


def test_the_untrained_network_is_asked_only_where_it_decides() -> None:
    def never() -> float:
        raise AssertionError

    assert check_validation([{"step": 1, "val/loss": 1.0}], BASELINES, "mse", never) is None
