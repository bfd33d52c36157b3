"""Small data sets in memory, and tasks without a config, for the tests of this folder."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from src.data.batches import FlatSplit
from src.data.describe import Description
from src.data.module import SequenceData
from src.recurrent import GRU
from src.tasks.base import Task


class InMemory(SequenceData):
    """The same sequences in every split, so that one run shows whether splits agree."""

    def __init__(self, description: Description, make: Callable[[], FlatSplit], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.what, self.make = description, make

    def read(self) -> Description:
        for name in ("train", "val", "test"):
            self.splits[name] = self.make()
        return self.what


def task(kind: type[Task], description: Description, *, hidden_size: int = 8, scale: float = 2, **keywords: Any) -> Any:
    """A task with a freshly drawn GRU, its weights times ``scale``, so that predictions differ from step to step."""
    torch.manual_seed(0)
    built = kind(
        description=description,
        network=partial(GRU, hidden_size=hidden_size, batch_first=True),
        optimizer=partial(torch.optim.Adam, lr=1e-2),
        monitor="val/loss",
        **keywords,
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(scale)
    return built


def measure(module: Task, data: SequenceData, split: str = "test") -> dict[str, float]:
    """The metrics of one split, as Lightning logs them."""
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    run = trainer.test if split == "test" else trainer.validate
    run(module, datamodule=data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def outputs(module: Task, x: Tensor) -> Tensor:
    """What the head says at each step of one sequence (time, features), by torch's own GRU in float64."""
    layer = torch.nn.GRU(x.shape[1], module.network.hidden_size, batch_first=True)
    layer.load_state_dict(module.network.state_dict())
    with torch.no_grad():
        hidden, _ = layer.double()(x[None].double())
        return hidden[0] @ module.head.weight.double().T + module.head.bias.double()
