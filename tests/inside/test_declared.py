"""The gates that a network of the user's own says itself."""

import math

import pytest
import torch
from torch import Tensor, nn

from src.config.errors import UserError
from src.inside.gates import horizon, read_gates, saturation


class Says(nn.Module):
    """Whatever it is told to say."""

    def __init__(self, said: object, keep_gate: str | None = None) -> None:
        super().__init__()
        self.said, self.keep_gate = said, keep_gate

    def gates(self, input: Tensor, lengths: Tensor | None = None) -> object:
        return self.said


X, LENGTHS = torch.zeros(2, 4, 3), torch.tensor([4, 2])
HALF, STATE = torch.full((2, 4, 5), 0.5), torch.zeros(2, 4, 5)


def test_what_it_says_is_measured_like_the_gates_of_a_cell() -> None:
    (layer,) = read_gates(Says([{"keep": HALF, "hidden": STATE}], "keep"), X, LENGTHS)
    assert (layer.name, layer.sigmoids) == ("layer0", ["keep"])
    assert math.isnan(layer.values["keep"][1, 2, 0])
    assert horizon(layer) == pytest.approx(2.0)
    assert {name: (low.sum(), high.sum()) for name, (low, high) in saturation(layer).items()} == {"keep": (0, 0)}


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16])
def test_gates_of_any_type_end_with_the_sequence(dtype: torch.dtype) -> None:
    """NumPy has no bfloat16, and whole numbers and booleans have no NaN."""
    shut = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])[:, :, None].to(dtype)
    (layer,) = read_gates(Says([{"keep": shut, "hidden": STATE}]), X, LENGTHS)
    assert {name: (low.item(), high.item()) for name, (low, high) in saturation(layer).items()} == {"keep": (0.5, 0.5)}


def test_without_a_gate_that_keeps_there_is_no_horizon() -> None:
    first, second = read_gates(Says([{"in": HALF, "hidden": STATE}, {"hidden": 3 * HALF, "counter": 9 * HALF}]), X)
    assert (first.sigmoids, second.sigmoids) == (["in"], [])
    assert horizon(first) is None


@pytest.mark.parametrize(
    ("said", "keep", "words"),
    [
        ([HALF], None, r"Says\.gates must return for each layer a dict .* \(2, 4, units\), got Tensor"),
        ([{"keep": HALF[:, :3], "hidden": STATE}], None, r"got \(2, 3, 5\) for keep\."),
        ([{"keep": [0.5], "hidden": STATE}], None, r"got list for keep\."),
        ([{"keep": HALF}], None, r"lacks hidden, the output of a layer, in layer 0\."),
        ([{"keep": 3 * HALF, "hidden": STATE}], "keep", r"Says\.keep_gate must be a gate of layer 0"),
    ],
)
def test_what_it_says_wrongly_is_one_sentence(said: object, keep: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_gates(Says(said, keep), X, LENGTHS)


def test_a_network_that_says_nothing_is_told_how() -> None:
    with pytest.raises(UserError, match=r"unless it has a method gates\(input, lengths\) that returns them"):
        read_gates(nn.Linear(3, 3), X)
