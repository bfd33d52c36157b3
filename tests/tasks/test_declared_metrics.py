"""What a task declares of its metrics is what it logs, and what the sums over sequences give."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import src.tasks
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features, Horizon, Tokens, Values
from src.tasks.base import SPLITS, Task
from src.tasks.classification import SequenceClassification
from src.tasks.forecasting import Forecasting
from src.tasks.language_model import LanguageModel
from src.tasks.metrics import LOSS, OVER_SERIES, declared_by_shipped_tasks
from src.tasks.music import PolyphonicMusic
from src.tasks.per_step import PerStepClassification
from src.tasks.regression import SequenceRegression
from src.tasks.waveform import Waveform
from tests.tasks.tiny import InMemory, task

LENGTHS = torch.tensor([9, 3, 14, 6, 5, 11])
STEPS, SEQUENCES = int(LENGTHS.sum()), len(LENGTHS)
CLASSES = Classes(("a", "b", "c"))
NEUTRAL = ("clipped",)  # logged beside the metrics, and neither good nor bad


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def whole(below: int, *shape: int) -> torch.Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(2))


def described(x: Any, y: Any, *, per_step: bool, causal: bool = False) -> Description:
    return Description(x, y, per_step=per_step, varying_length=True, causal=causal)


def one_target(y: torch.Tensor) -> FlatSplit:
    return FlatSplit(drawn(STEPS, 3), LENGTHS, y)


def next_step(x: torch.Tensor) -> FlatSplit:
    return FlatSplit(x, LENGTHS, x, per_step=True, shift=1)


def windows(naive: tuple[float, ...]) -> tuple[Description, Any]:
    horizon = Horizon(
        2, names=("u", "v"), mean=(1.0, 2.0), scale=(3.0, 0.5), steps=4, columns=(0, 1), naive_error=naive
    )
    described_ = Description(Features(2), horizon, per_step=False, varying_length=False, causal=False)
    return described_, lambda: FlatSplit(drawn(60, 2), torch.full((6,), 10), drawn(6, 4, 2))


TEXT = described(Tokens(3, "character"), CLASSES, per_step=True, causal=True)
WORDS = described(Tokens(3, "word"), CLASSES, per_step=True, causal=True)
CASES: dict[str, tuple[type[Task], Description, Any, set[str]]] = {
    "classification": (
        SequenceClassification, described(Features(3), CLASSES, per_step=False),
        lambda: one_target(whole(3, SEQUENCES)), {"nll", "acc", "f1"},
    ),
    "per step": (
        PerStepClassification, described(Features(3), CLASSES, per_step=True),
        lambda: FlatSplit(drawn(STEPS, 3), LENGTHS, whole(3, STEPS), per_step=True),
        {"nll", "acc"},
    ),
    "values": (
        SequenceRegression, described(Features(3), Values(2), per_step=False),
        lambda: one_target(drawn(SEQUENCES, 2)), {"mse", "mae"},
    ),
    "values in a unit": (
        SequenceRegression, described(Features(3), Values(2, mean=(1.0, 0.0), scale=(2.0, 0.3)), per_step=False),
        lambda: one_target(drawn(SEQUENCES, 2)), {"mse", "mae", "mse_unit", "mae_unit"},
    ),
    "characters": (LanguageModel, TEXT, lambda: next_step(whole(3, STEPS)), {"nll", "perplexity", "bpc"}),
    "words": (LanguageModel, WORDS, lambda: next_step(whole(3, STEPS)), {"nll", "perplexity"}),
    "music": (
        PolyphonicMusic, described(Features(4), Bits(4), per_step=True, causal=True),
        lambda: next_step((drawn(STEPS, 4) > 0.5).float()), {"nll", "frame_acc"},
    ),
    "silence": (
        PolyphonicMusic, described(Features(4), Bits(4), per_step=True, causal=True),
        lambda: next_step(torch.zeros(STEPS, 4)), {"nll", "frame_acc"},
    ),
    "waveform": (
        Waveform, described(Features(2), Values(2), per_step=True, causal=True),
        lambda: next_step(drawn(STEPS, 2)), {"nll", "nll_per_sample"},
    ),
    "forecast": (Forecasting, *windows((0.5, 0.0)), {"mse", "mae", "mse_unit", "mae_unit", "mase"}),
    "forecast without a naive error": (Forecasting, *windows(()), {"mse", "mae", "mse_unit", "mae_unit"}),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def trained(request: pytest.FixtureRequest) -> tuple[Task, dict[str, float], set[str]]:
    """The task after two epochs and a test, what was logged, and what it is to declare beside the loss."""
    kind, description, make, names = CASES[request.param]
    module = task(kind, description, scale=1)
    logged: dict[str, float] = {}
    trainer = partial(
        pl.Trainer, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, gradient_clip_val=0.01, max_epochs=2,
    )  # fmt: skip
    data = InMemory(description, make, batch_size=2, eval_batch_size=4)
    data.leaked = {"test": [1]}
    for run in ("fit", "test"):
        running = trainer()
        running.fit(module, datamodule=data) if run == "fit" else running.test(module, datamodule=data, verbose=False)
        logged |= {name: float(value) for name, value in running.callback_metrics.items()}
    return module, logged, names


def test_every_figure_that_is_logged_is_declared(trained: tuple[Task, dict[str, float], set[str]]) -> None:
    module, logged, names = trained
    assert module.declared.keys() == names | {"loss"}
    for split in SPLITS:
        beside = {"clipped"} if split == "train" else {f"{module.loss_name}_unleaked"} if split == "test" else set()
        here = {name.removeprefix(f"{split}/") for name in logged if name.startswith(f"{split}/")}
        assert here == names | {"loss"} | beside, split


def test_every_declared_ratio_is_what_was_logged(
    trained: tuple[Task, dict[str, float], set[str]], tmp_path: Path
) -> None:
    """From the file as a run leaves it, in float64."""
    module, logged, _ = trained
    np.savez(tmp_path / "test.npz", **module.tables["test"].columns())
    sums = {name: column.astype(np.float64).sum(0) for name, column in np.load(tmp_path / "test.npz").items()}
    ratios = [metric for metric in module.declared.values() if metric.numerator is not None]
    assert {metric.name for metric in ratios} == module.declared.keys() - {"f1", "perplexity"}
    for metric in ratios:
        top, bottom = sums[str(metric.numerator)], sums[str(metric.denominator)]
        if bottom:  # where nothing sounds, frame accuracy is 1 by definition
            value = metric.factor * top / bottom
            assert value == pytest.approx(logged[f"test/{metric.name}"], abs=1e-6), metric.name


def test_the_table_of_all_shipped_tasks_is_that_of_each() -> None:
    every = declared_by_shipped_tasks()
    kinds = {kind for name in src.tasks.PUBLIC if isinstance(kind := getattr(src.tasks, name), type)}
    assert kinds == {kind for kind, *_ in CASES.values()}
    of_series = {metric.name for metric in OVER_SERIES}  # of several series: tests/tasks/test_forecasting.py
    of_intervals = {"pinball"}  # tests/tasks/test_intervals.py
    assert every.keys() == {"loss"}.union(of_series, of_intervals, *(names for *_, names in CASES.values()))
    for kind in kinds:
        for metric in (LOSS, *kind.metrics_declared):
            other = every[metric.name]  # an nll is per step, per token or per sequence, by its task
            assert metric.unit.startswith("nats per ") if metric.name == "nll" else metric.unit == other.unit
            assert replace(other, unit=metric.unit) == metric, f"{kind.__name__} declares {metric.name} otherwise"
    assert not every.keys() & set(NEUTRAL)
    assert {name for name, metric in every.items() if metric.direction == "max"} == {"acc", "f1", "frame_acc"}
