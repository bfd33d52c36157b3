"""Per-step classification: only steps that exist and have a label count."""

import math

import pytest
import torch

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features
from src.tasks.per_step import PerStepClassification
from tests.tasks.tiny import InMemory, measure, outputs, task

STEPS = Description(Features(3), Classes(("a", "b", "c", "d")), per_step=True, varying_length=True, causal=False)
LENGTHS = [1, 40, 7, 22, 3]


@pytest.fixture(scope="module")
def sequences() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn(n, 3, generator=generator), torch.randint(4, (n,), generator=generator)) for n in LENGTHS]


def data(sequences: list[tuple[torch.Tensor, torch.Tensor]], **keywords: int) -> InMemory:
    x, y = (torch.cat(part) for part in zip(*sequences, strict=True))
    lengths = torch.tensor([len(x) for x, _ in sequences])
    return InMemory(STEPS, lambda: FlatSplit(x, lengths, y, per_step=True), **keywords)


def looped(sequences: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[float, float]:
    """NLL and accuracy, one step at a time; a negative label is none."""
    module, total, right, steps = task(PerStepClassification, STEPS), 0.0, 0, 0
    for x, y in sequences:
        p = torch.softmax(outputs(module, x), -1)
        for step, label in enumerate(y.tolist()):
            if label >= 0:
                total -= math.log(float(p[step, label]))
                right += int(p[step].argmax()) == label
                steps += 1
    return total / steps, right / steps


@pytest.mark.parametrize("size", [1, 2, 100])
def test_pooled_over_steps_whatever_the_batches(sequences, size):
    found = measure(task(PerStepClassification, STEPS), data(sequences, eval_batch_size=size))
    nll, acc = looped(sequences)
    assert found["test/nll"] == pytest.approx(nll, abs=1e-6)
    assert found["test/acc"] == acc


def test_a_step_without_a_label_is_not_counted(sequences):
    holes = [(x, y.clone()) for x, y in sequences]
    for _, y in holes:
        y[1::3] = -1
    found = measure(task(PerStepClassification, STEPS), data(holes))
    nll, acc = looped(holes)
    assert found["test/nll"] == pytest.approx(nll, abs=1e-6)
    assert found["test/acc"] == acc
    assert nll != pytest.approx(looped(sequences)[0], abs=1e-6)


def test_data_of_another_kind_are_refused():
    with pytest.raises(UserError, match="task=per_step"):
        task(PerStepClassification, Description(Features(3), Bits(3), True, True, True))
    with pytest.raises(UserError, match="task=per_step"):
        task(PerStepClassification, Description(Features(3), Classes(("a", "b")), False, True, False))
