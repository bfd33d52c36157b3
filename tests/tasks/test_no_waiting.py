"""A training step asks its device for nothing, so that a GPU is never waited for.

The device here is ``meta``, which has shapes and no values: it refuses to say what a tensor holds, and every copy to it
is seen. On a GPU tests/gpu counts the waits themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import made_up
from src.tasks.build import build

META = torch.device("meta")
KINDS = {
    "music": ("data=npz", "data.path=music.npz", "data.task=music", "model=gru"),
    "music by a loop": ("data=npz", "data.path=music.npz", "data.task=music", "model=gru_cho"),
    "music in chunks": ("data=npz", "data.path=music.npz", "data.task=music", "model=lstm", "data.chunk=30"),
    "classes, bidirectional": ("data=npz", "data.path=labelled.npz", "model=gru_bi"),
    "classes, mean": (
        "data=npz", "data.path=labelled.npz", "model=lstm_stacked", "task=classification", "task.pooling=mean",
    ),
    "classes, max": ("data=npz", "data.path=labelled.npz", "model=gru_bi", "task=classification", "task.pooling=max"),
    "values": ("data=adding", "data.length=9", "data.sizes=[40,8,8]", "model=gru"),
    "a class each step": ("data=copy_memory", "data.length=5", "data.sizes=[40,8,8]", "model=lstm"),
    "text": ("data=text", "data.path=text.txt", "data.chunk=20", "model=gru"),
    "forecast": ("data=csv", "data.path=table.csv", "data.task=forecasting", "model=gru"),
    "forecast, recursive": (
        "data=csv", "data.path=table.csv", "data.task=forecasting", "model=gru", "task=forecasting",
        "task.strategy=recursive",
    ),
    **{
        f"forecast, {kind}": (
            "data=csv", "data.path=table.csv", "data.task=forecasting", "data.known=b", "model=gru", "task=forecasting",
            f"task.intervals={kind}",
        )
        for kind in ("gaussian", "quantiles")
    },
}  # fmt: skip


class Waits(TorchDispatchMode):
    """Refuses copies to and from the device that are waited for."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.ops.aten._to_copy.default:
            there = torch.device(kwargs.get("device") or args[0].device)
            assert there == args[0].device or kwargs.get("non_blocking"), "a copy that is waited for"
        return function(*args, **kwargs)


@contextmanager
def unwaited() -> Iterator[None]:
    with Waits():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_up.piano_rolls(folder / "music.npz", pieces=24)
    made_up.labelled(folder / "labelled.npz", sequences=40)
    (folder / "text.txt").write_text("to be or not to be, that is the question. " * 30)
    rows = "\n".join(f"{k},{k % 7},{k % 5}" for k in range(400))
    (folder / "table.csv").write_text(f"a,b,c\n{rows}\n")
    return folder


def training_step(task: Any, batch: Any) -> None:
    """One update as Lightning makes it, with what the task does around it."""
    loss = task.training_step(batch, 0)
    loss.backward()
    task._clipped.append(torch.nn.utils.get_total_norm([p.grad for p in task.parameters() if p.grad is not None]) > 1)
    torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_step_waits_for_nothing(
    kind: str, folder: Path, compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    data, task = build(compose(*KINDS[kind], "model.hidden_size=4", "logger=csv"))
    task.to(META).train()
    batches = list(data.train_dataloader())
    assert any(len(batch.lengths.unique()) > 1 for batch in batches) or not data.description.varying_length
    with unwaited():
        for batch in batches[:3]:
            training_step(task, batch.to(META))
    assert task.sums["train"]._batches[0].device == META


def test_validation_waits_for_nothing_either(
    folder: Path, compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    data, task = build(compose(*KINDS["classes, bidirectional"], "model.hidden_size=4", "logger=csv"))
    task.to(META).eval()
    with unwaited(), torch.no_grad():
        for batch in data.val_dataloader():
            task.validation_step(batch.to(META), 0)


def test_the_test_would_see_it() -> None:
    x = torch.zeros(3)
    with unwaited(), pytest.raises(AssertionError, match="waited for"):
        x.to(META)
    with pytest.raises(RuntimeError, match="meta"):
        x.to(META, non_blocking=True).sum().item()
