"""What checkpoints keep of a data module comes back as it was, without unpickling anything."""

import io

import numpy as np
import pytest
import torch

from src.data.describe import Bits, Classes, Description, Features, Horizon, Tokens, Values
from src.data.plain import from_plain, to_plain
from src.data.scaling import Scaling


@pytest.mark.parametrize("input", [Features(3), Tokens(7, "word")])
@pytest.mark.parametrize(
    "output",
    [Classes(("a", "b")), Bits(4), Values(2, ("u", "v"), (0.1, 2.0), (1.0, 3.0)), Horizon(1, steps=5, columns=(0,))],
)
def test_descriptions_come_back_from_a_file_read_without_pickle(input, output):
    description = Description(input, output, True, False, causal=True)
    file = io.BytesIO()
    torch.save(to_plain(description), file)
    file.seek(0)
    assert from_plain(torch.load(file, weights_only=True)) == description


def test_arrays_come_back_to_the_last_digit():
    scaling = Scaling(np.random.default_rng(0).normal(size=4), np.ones(4))
    back = from_plain(to_plain(scaling))
    assert isinstance(back, Scaling)
    np.testing.assert_array_equal(back.mean, scaling.mean)
    assert back.mean.dtype == np.float64
