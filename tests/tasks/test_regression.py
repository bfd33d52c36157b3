"""Regression: errors over all values of all sequences, in the targets' unit and in the data's own."""

import pytest
import torch

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features, Horizon, Values
from src.tasks.regression import SequenceRegression
from tests.tasks.tiny import InMemory, measure, outputs, task

LENGTHS = [1, 40, 7, 22, 3]


def describe(output: Values) -> Description:
    return Description(Features(3), output, per_step=False, varying_length=True, causal=False)


def data(description: Description, targets: torch.Tensor, **keywords: int) -> InMemory:
    x = torch.randn(sum(LENGTHS), 3, generator=torch.Generator().manual_seed(3))
    return InMemory(description, lambda: FlatSplit(x, torch.tensor(LENGTHS), targets), **keywords)


def errors(built: InMemory, module: SequenceRegression, targets: torch.Tensor) -> torch.Tensor:
    built.setup()
    said = torch.stack([outputs(module, x)[-1] for x in built.splits["test"].values.split(LENGTHS)])
    return said - targets.reshape(said.shape)


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("values", [1, 2])
def test_errors_are_pooled_over_values_and_sequences(size, values):
    targets = torch.randn(len(LENGTHS), values, generator=torch.Generator().manual_seed(4))
    description = describe(Values(values))
    built, module = data(description, targets, eval_batch_size=size), task(SequenceRegression, description)
    found, error = measure(module, built), errors(built, module, targets)
    assert found["test/mse"] == pytest.approx(float(error.square().mean()), abs=1e-6)
    assert found["test/mae"] == pytest.approx(float(error.abs().mean()), abs=1e-6)
    assert "test/mse_unit" not in found


def test_errors_in_the_datas_own_unit():
    targets = torch.randn(len(LENGTHS), 2, generator=torch.Generator().manual_seed(4))
    description = describe(Values(2, mean=(5.0, 6.0), scale=(10.0, 0.5)))
    built, module = data(description, targets), task(SequenceRegression, description)
    found, error = measure(module, built), errors(built, module, targets) * torch.tensor([10.0, 0.5])
    assert found["test/mse_unit"] == pytest.approx(float(error.square().mean()), rel=1e-6)
    assert found["test/mae_unit"] == pytest.approx(float(error.abs().mean()), rel=1e-6)


def test_a_target_without_a_dimension_of_its_own_is_not_spread_over_the_batch():
    targets = torch.arange(5.0)
    description = describe(Values(1))
    built, module = data(description, targets), task(SequenceRegression, description)
    found, error = measure(module, built), errors(built, module, targets)
    assert found["test/mse"] == pytest.approx(float(error.square().mean()), abs=1e-6)
    columns = module.tables["test"].columns()
    assert columns["target"].tolist() == targets.tolist()
    assert columns["prediction"].shape == (5,)


@pytest.mark.parametrize("size", [1, 100])
def test_values_at_every_step_are_pooled_over_the_steps_that_exist(size):
    targets = torch.randn(sum(LENGTHS), 2, generator=torch.Generator().manual_seed(4))
    description = Description(Features(3), Values(2, mean=(5.0, 6.0), scale=(10.0, 0.5)), True, True, causal=False)
    x = torch.randn(sum(LENGTHS), 3, generator=torch.Generator().manual_seed(3))
    built = InMemory(
        description, lambda: FlatSplit(x, torch.tensor(LENGTHS), targets, per_step=True), eval_batch_size=size
    )
    module = task(SequenceRegression, description)
    found = measure(module, built)
    said = torch.cat([outputs(module, piece) for piece in x.split(LENGTHS)])
    error = said - targets
    assert found["test/mse"] == pytest.approx(float(error.square().mean()), rel=1e-6)
    assert found["test/mae_unit"] == pytest.approx(float((error * torch.tensor([10.0, 0.5])).abs().mean()), rel=1e-6)
    assert module.tables["test"].columns()["count"].tolist() == [2 * length for length in LENGTHS]


def test_data_of_another_kind_are_refused():
    for description in (
        Description(Features(3), Classes(("a", "b")), False, True, False),
        Description(Features(3), Values(1), True, True, causal=True),
        Description(Features(3), Horizon(1, steps=4), False, True, False),
    ):
        with pytest.raises(UserError, match="task=regression"):
            task(SequenceRegression, description)
