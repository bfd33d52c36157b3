"""Every model that ships leaves as a graph that says the same, and its recomputed states are its own."""

import pytest
import torch

from src.exporting import check as checking
from src.exporting.check import TOLERANCE, check
from src.exporting.model import to_onnx
from src.inside.gates import difference, read_gates
from tests.exporting.tasks import make
from tests.recurrent.models import MODELS, compose


@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model(model, monkeypatch):
    monkeypatch.setattr(checking, "FORMS", ((3, 12),))
    task = make("last", lambda input_size: compose(model, input_size, torch.float32))
    for name, parameter in task.network.named_parameters():
        torch.nn.init.normal_(parameter, std=0.2 if "weight" in name else 1)
    assert check(to_onnx(task, state=True), task) < TOLERANCE
    x, lengths = torch.randn(3, 12, 3), torch.tensor([12, 5, 1])
    assert difference(task.network, x, lengths, read_gates(task.network, x, lengths)) < 1e-5
