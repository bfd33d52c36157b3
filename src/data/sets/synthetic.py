"""Synthetic sequences that require memory: the adding problem and copy memory.

Hochreiter and Schmidhuber 1997; generated as in Bai, Kolter, Koltun 2018 (section 4 and their code).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features, Values
from src.data.download import Source
from src.data.module import SequenceData, checksum
from src.data.splits import SPLITS
from src.rng import derive

_PAGE = "https://arxiv.org/abs/1803.01271"
BLANK, DELIMITER, MEMORISED = 0, 9, 10


class Adding(SequenceData):
    """Predict the sum of two marked numbers, from U(0, 1) values and a marker at two of the steps.

    Any two of the ``length`` steps may be marked, so there must be at least 2. The constant prediction 1, the mean, has
    an expected squared error of 1/6, the variance of the sum of two such numbers.
    """

    sources: ClassVar[dict[str, Source]] = {
        "adding": Source("regression", "any number of sequences", "none needed", _PAGE)
    }

    def __init__(
        self, *, length: int = 100, sizes: tuple[int, int, int] = (20000, 1000, 1000), **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self.length, self.sizes = length, dict(zip(SPLITS, sizes, strict=True))
        if length < 2:
            raise UserError(f"data.length must be a whole number of at least 2, got {length}.")

    def read(self) -> Description:
        """Generate all sequences."""
        errors = {}
        for i, (split, number) in enumerate(self.sizes.items()):
            self.items[split] = np.arange(number)
            generator = Generator().manual_seed(derive(self.split_seed, "split", i))
            x, y = adding(number, self.length, generator)
            self.splits[split] = FlatSplit(x.flatten(0, 1), torch.full((number,), self.length), y[:, None])
            errors[split] = y - 1
        self.measure_baselines(
            lambda split: {
                "one/mse": float(errors[split].square().mean()),
                "one/mae": float(errors[split].abs().mean()),
            }
        )
        self.checksum = checksum("adding", str(self.length), str(self.sizes), str(self.split_seed))
        return Description(Features(2), Values(1), per_step=False, varying_length=False, causal=False)


class CopyMemory(SequenceData):
    """Repeat ten symbols, in order, after a long blank and a delimiter.

    ``length`` (T in the paper) counts the blank steps between the symbols and the answer, including the first
    delimiter. Each of the ``length`` + 20 steps has a class: blank (0) until the last ten. Without memory the best
    prediction of those is one of eight symbols, which costs 10 ln 8 / (``length`` + 20) nats per step.
    """

    sources: ClassVar[dict[str, Source]] = {
        "copy_memory": Source("per-step classification", "any number of sequences", "none needed", _PAGE)
    }

    def __init__(self, *, length: int = 20, sizes: tuple[int, int, int] = (10000, 1000, 1000), **keywords: Any) -> None:
        super().__init__(**keywords)
        self.length, self.sizes = length, dict(zip(SPLITS, sizes, strict=True))

    def read(self) -> Description:
        """Generate all sequences."""
        steps = self.length + 2 * MEMORISED
        for i, (split, number) in enumerate(self.sizes.items()):
            self.items[split] = np.arange(number)
            generator = Generator().manual_seed(derive(self.split_seed, "split", i))
            x, y = copy_memory(number, self.length, generator)
            lengths = torch.full((number,), steps)
            self.splits[split] = FlatSplit(x.flatten()[:, None], lengths, y.flatten(), per_step=True)
        memoryless = {"nll": MEMORISED * math.log(8) / steps, "acc": (steps - MEMORISED + MEMORISED / 8) / steps}
        self.measure_baselines(lambda split: {f"memoryless/{name}": value for name, value in memoryless.items()})
        self.checksum = checksum("copy_memory", str(self.length), str(self.sizes), str(self.split_seed))
        names = ("blank", *(str(symbol) for symbol in range(1, 9)), "delimiter")
        return Description(Features(1), Classes(names), per_step=True, varying_length=False, causal=False)


def adding(number: int, length: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return sequences (number, length, 2) of values and markers, and their sums (number,)."""
    values = torch.rand(number, length, generator=generator)
    first = torch.randint(length, (number,), generator=generator)
    second = torch.randint(length - 1, (number,), generator=generator)
    marked = torch.stack([first, second + (second >= first)], 1)
    markers = torch.zeros_like(values).scatter_(1, marked, 1.0)
    return torch.stack([values, markers], 2), values.gather(1, marked).sum(1)


def copy_memory(number: int, length: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return inputs and targets, both (number, length + 20) bytes: 0 blank, 1 to 8 symbols, 9 delimiter."""
    symbols = torch.randint(1, 9, (number, MEMORISED), generator=generator, dtype=torch.uint8)
    x = torch.full((number, length + 2 * MEMORISED), BLANK, dtype=torch.uint8)
    y = x.clone()
    x[:, :MEMORISED] = symbols
    x[:, -MEMORISED - 1 :] = DELIMITER
    y[:, -MEMORISED:] = symbols
    return x, y
