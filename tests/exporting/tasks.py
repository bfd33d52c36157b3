"""Tasks of every kind around any network, with random weights, without data."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from src.data.describe import Bits, Classes, Description, Features, Horizon, Tokens, Values
from src.recurrent import GRU
from src.tasks.base import Task
from src.tasks.classification import SequenceClassification
from src.tasks.forecasting import Forecasting
from src.tasks.language_model import LanguageModel
from src.tasks.music import PolyphonicMusic
from src.tasks.per_step import PerStepClassification
from src.tasks.regression import SequenceRegression
from src.tasks.waveform import Waveform

CLASSES = Classes(("a", "b", "c"))
HORIZON = Horizon(2, steps=4, columns=(2, 0))


def described(x: Any, y: Any, *, per_step: bool, causal: bool = False) -> Description:
    return Description(x, y, per_step=per_step, varying_length=True, causal=causal)


TASKS: dict[str, tuple[type[Task], Description, dict[str, Any]]] = {
    "last": (SequenceClassification, described(Features(3), CLASSES, per_step=False), {}),
    "mean": (SequenceClassification, described(Features(3), CLASSES, per_step=False), {"pooling": "mean"}),
    "max": (SequenceClassification, described(Tokens(7), CLASSES, per_step=False), {"pooling": "max"}),
    "values": (SequenceRegression, described(Features(3), Values(2), per_step=False), {}),
    "values per step": (SequenceRegression, described(Features(3), Values(2), per_step=True), {}),
    "per step": (PerStepClassification, described(Features(3), CLASSES, per_step=True), {}),
    "text": (LanguageModel, described(Tokens(3, "character"), CLASSES, per_step=True, causal=True), {}),
    "music": (PolyphonicMusic, described(Features(4), Bits(4), per_step=True, causal=True), {}),
    "waveform": (Waveform, described(Features(4), Values(2), per_step=True, causal=True), {"mixtures": 3}),
    "forecast": (Forecasting, described(Features(3), HORIZON, per_step=False), {"relative": False}),
    "relative forecast": (Forecasting, described(Features(3), HORIZON, per_step=False), {}),
    "recursive forecast": (
        Forecasting,
        described(Features(3), Horizon(3, steps=4, columns=(0, 1, 2)), per_step=False),
        {"strategy": "recursive"},
    ),
}


SMALL = partial(GRU, hidden_size=5, batch_first=True)


def make(name: str, network: Callable[..., Any] = SMALL) -> Any:
    """The task in evaluation mode, all its parameters drawn so that no gate is near a half."""
    kind, description, options = TASKS[name]
    torch.manual_seed(0)
    optimizer = partial(torch.optim.Adam, lr=1e-2)
    task = kind(description=description, network=network, optimizer=optimizer, monitor="val/loss", **options)
    for parameter in task.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    return task.eval()
