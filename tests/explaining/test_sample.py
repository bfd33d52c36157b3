"""Which sequences are looked at, what the network is given of them, and how they are drawn."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features, Tokens, Values
from src.explaining.sample import network_input, sample, show
from src.recurrent import last_valid
from tests.exporting.tasks import TASKS, make

STEPS = torch.arange(40.0)[:, None]
CAUSAL = Description(Features(1), Values(1), per_step=True, varying_length=True, causal=True)
WHOLE = Description(Features(1), Classes(("a", "b")), per_step=False, varying_length=True, causal=False)


def test_sequences_with_one_answer_are_whole():
    split = FlatSplit(STEPS, torch.tensor([30, 4, 6]), torch.tensor([0, 1, 0]))
    batch = sample(split, WHOLE, 1, 9, 3)
    assert batch.lengths.tolist() == [4, 6]
    assert batch.x[0, :4, 0].tolist() == [30, 31, 32, 33]


def test_sequences_with_an_answer_at_each_step_are_cut():
    split = FlatSplit(STEPS, torch.tensor([30, 4, 6]), STEPS, per_step=True, shift=1)
    batch = sample(split, CAUSAL, 0, 3, 5)
    assert batch.lengths.tolist() == [5, 3, 5]
    assert batch.x[2, :, 0].tolist() == [34, 35, 36, 37, 38]
    assert batch.starts is None  # the task starts from its own state


def test_a_long_text_is_cut_into_pieces():
    split = FlatSplit(STEPS, torch.tensor([40]), STEPS, per_step=True, shift=1)
    batch = sample(split, CAUSAL, 0, 4, 9)
    assert batch.x[:, 0, 0].tolist() == [0, 10, 20, 30]
    assert batch.lengths.tolist() == [9] * 4
    assert len(sample(split, CAUSAL, 0, 1, 9).rows) == 1


def test_what_the_network_is_given_is_what_it_reads():
    task = make("relative forecast")
    x, y = torch.randn(2, 6, 3), torch.randn(2, 4, 2)
    batch = replace(sample(FlatSplit(STEPS, torch.tensor([40]), torch.tensor([0])), WHOLE, 0, 1, 1), x=x, y=y)
    given, lengths = network_input(task, batch)
    level = x[:, -1:] * torch.tensor([1.0, 0, 1])
    torch.testing.assert_close(given, x - level)
    assert lengths is None

    task = make("max")
    batch = replace(batch, x=torch.tensor([[1, 2, 6], [3, 0, 0]]), y=torch.tensor([0, 1]), lengths=torch.tensor([3, 1]))
    given, lengths = network_input(task, batch)
    torch.testing.assert_close(given, task.encoder.embedding.weight[batch.x])
    assert lengths is batch.lengths
    assert last_valid(given, lengths, 1).shape == (2, 64)


def test_input_features_are_called_as_their_columns_are():
    description = replace(WHOLE, input=Features(2))
    data = SimpleNamespace(description=description, roles=SimpleNamespace(features=["load", "oil"]))
    assert show(data, torch.zeros(4, 2)).names == ("load", "oil")
    data.roles.features = ["load"]
    assert show(data, torch.zeros(4, 1)).label == "load"
    data.roles.features = ["t0", "t1", "t2"]  # each row of the table is a sequence
    assert show(data, torch.zeros(3, 1)).names == ("feature 0",)


@pytest.mark.parametrize(("given", "output", "x", "kind", "steps"), [
    (Tokens(3, "character"), Classes(("a", " ", "c")), torch.tensor([0, 1]), "tokens", "step (character)"),
    (Features(88), Bits(88), torch.zeros(4, 88), "roll", "step (frame)"),
    (Features(20), Values(10), torch.zeros(4, 20), "wave", "step (10 samples, 1.25 ms)"),
    (Features(2), Classes(("a", "b")), torch.zeros(4, 2), "lines", "step"),
    (Features(12), Classes(("a", "b")), torch.zeros(4, 12), "heat", "step"),
])  # fmt: skip
def test_each_kind_of_input_is_drawn_as_what_it_is(given, output, x, kind, steps):
    causal = not isinstance(output, Classes) or isinstance(given, Tokens)
    description = Description(given, output, per_step=causal, varying_length=True, causal=causal)
    shown = show(SimpleNamespace(description=description, rate=8000), x)
    assert (shown.kind, shown.steps) == (kind, steps)
    if kind == "tokens":
        assert shown.names == ("a", " ")
    if kind == "wave":
        assert shown.values.shape == (4, 10)


def test_the_samples_that_a_step_adds_are_its_last_ones():
    x = torch.arange(6.0).unfold(0, 4, 2)
    description = TASKS["waveform"][1]
    np.testing.assert_array_equal(show(SimpleNamespace(description=description), x).values, [[2, 3], [4, 5]])
