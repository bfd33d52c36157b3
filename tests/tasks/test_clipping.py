"""``train/clipped`` is the share of updates at which a plain loop finds a gradient that is too long."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.tasks.classification import SequenceClassification
from tests.tasks.tiny import InMemory, task

TWO = Description(Features(3), Classes(("a", "b")), per_step=False, varying_length=False, causal=False)


def sequences() -> FlatSplit:
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(40 * 5, 3, generator=generator), torch.randint(2, (40,), generator=generator)
    return FlatSplit(x, torch.full((40,), 5), y, per_step=False)


def fit(**keywords: Any) -> tuple[list[dict[str, float]], list[Any], dict[str, Any]]:
    """Metrics after each epoch, the batches of each epoch, and the weights at the end."""
    module = task(SequenceClassification, TWO, scale=1)
    data = InMemory(TWO, sequences, batch_size=8)
    seen: list[Any] = []
    rows: list[dict[str, float]] = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            seen.append([])

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            seen[-1].append(batch)

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
            rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0, callbacks=[Watch()],
        **keywords,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    return rows, seen, {name: tensor.clone() for name, tensor in module.state_dict().items()}


def looped(epochs: Iterable[Any], limit: float, kind: float) -> tuple[list[float], dict[str, Any]]:
    """The same training written out: the share of updates by epoch whose gradient was longer than the limit."""
    module = task(SequenceClassification, TWO, scale=1)
    optimizer = partial(torch.optim.Adam, lr=1e-2)(module.parameters())
    shares = []
    for batches in epochs:
        hits = []
        for batch in batches:
            optimizer.zero_grad()
            module.reduce(module.losses(batch)).backward()
            flat = torch.cat([p.grad.flatten() for p in module.parameters()])
            norm = float(flat.abs().max() if kind == math.inf else flat.double().square().sum().sqrt())
            hits.append(norm > limit)
            for p in module.parameters():
                p.grad.copy_(p.grad.clamp(-limit, limit) if kind == math.inf else p.grad * min(1.0, limit / norm))
            optimizer.step()
        shares.append(sum(hits) / len(hits))
    return shares, module.state_dict()


@pytest.mark.parametrize(
    ("algorithm", "kind", "limit"), [(None, 2.0, 0.45), ("norm", 2.0, 0.45), ("value", math.inf, 0.2)]
)
def test_the_share_is_that_of_a_plain_loop(algorithm: str | None, kind: float, limit: float) -> None:
    rows, batches, weights = fit(gradient_clip_val=limit, gradient_clip_algorithm=algorithm)
    shares, expected = looped(batches, limit, kind)
    assert [row["train/clipped"] for row in rows] == pytest.approx(shares, abs=1e-6)
    assert len(set(shares)) > 1
    assert 0 < min(shares) < max(shares) < 1 or 0 < sum(shares) < len(shares)
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(weights[name], tensor, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("limit", [None, 0])
def test_nothing_is_said_of_clipping_that_is_off(limit: float | None) -> None:
    rows, _, _ = fit(gradient_clip_val=limit)
    assert not [name for row in rows for name in row if "clipped" in name]
