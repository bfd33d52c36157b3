"""MNIST as sequences, by pixel or by row, in order or permuted.

LeCun, Cortes, Burges; as a test of memory Le, Jaitly, Hinton 2015 ("A simple way to initialize recurrent networks").
"""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.data.baselines import majority
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.download import File, Source
from src.data.module import FileSet, checksum
from src.data.splits import held_out

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = {
    name: File(f"mnist/{name}-ubyte.gz", f"{_URL}{name}-ubyte.gz", f"md5-uncompressed:{md5}")
    for name, md5 in (
        ("train-images-idx3", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1", "27ae3e4e09519cfbb04c329615203637"),
    )
}
SIDE = 28
_SOURCE = Source(
    "classification",
    "70,000 images, 28 x 28",
    "none stated",
    "http://yann.lecun.com/exdb/mnist",
    tuple(FILES.values()),
)


class SequentialMNIST(FileSet):
    """Classify handwritten digits, read one pixel (784 steps) or one row (28 steps of 28) at a time.

    A part of each class's training images is held out for validation. Pixels are standardised with their mean and
    standard deviation over the other training images.
    """

    sources: ClassVar[dict[str, Source]] = {"seq_mnist": _SOURCE, "permuted_mnist": _SOURCE}

    def __init__(
        self,
        *,
        by: str = "pixel",
        permute: bool = False,
        permutation_seed: int = 0,
        val_fraction: float = 0.1,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.by, self.permute, self.permutation_seed, self.val_fraction = by, permute, permutation_seed, val_fraction

    def read(self) -> Description:
        """Read the four files and hold out validation images from the training images."""
        arrays = {name: read_idx(self.fetch(file)) for name, file in FILES.items()}
        order = permutation(self.permutation_seed) if self.permute else np.arange(SIDE * SIDE)
        self.checksum = checksum(*(file.digest for file in FILES.values()), order.tobytes(), self.by)
        images, digits = arrays["train-images-idx3"], torch.from_numpy(arrays["train-labels-idx1"]).long()
        train, val = held_out(digits, self.val_fraction, self.split_seed)
        labelled = {
            "train": (images[train.numpy()], digits[train]),
            "val": (images[val.numpy()], digits[val]),
            "test": (arrays["t10k-images-idx3"], torch.from_numpy(arrays["t10k-labels-idx1"]).long()),
        }
        self.items = {"train": train.numpy(), "val": val.numpy(), "test": np.arange(len(labelled["test"][1]))}
        mean, scale = float(labelled["train"][0].mean()), float(labelled["train"][0].std())
        size = 1 if self.by == "pixel" else SIDE
        for split, (pictures, labels) in labelled.items():
            values = torch.from_numpy(pictures.reshape(len(pictures), -1)[:, order].reshape(-1, size))
            lengths = torch.full((len(pictures),), SIDE * SIDE // size)
            self.splits[split] = ScaledBytes(values, lengths, labels, mean, scale)
        self.measure_baselines(lambda split: majority(labelled["train"][1], labelled[split][1], 10))
        return Description(Features(size), Classes(tuple("0123456789")), False, False, causal=False)


class ScaledBytes(FlatSplit):
    """Byte sequences of equal length that stay bytes until standardised in a batch."""

    def __init__(self, values: Tensor, lengths: Tensor, targets: Tensor, mean: float, scale: float) -> None:
        super().__init__(values, lengths, targets)
        self.mean, self.scale = mean, scale

    def inputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """Return the standardised bytes at the steps ``where``."""
        return (super().inputs(where, inside) - self.mean) / self.scale


def permutation(seed: int) -> np.ndarray:
    """Return the order in which the 784 pixels are read, from NumPy's legacy generator, which will never change."""
    return np.random.RandomState(seed).permutation(SIDE * SIDE)


def read_idx(path: Any) -> np.ndarray:
    """Read a gzipped file in MNIST's idx format as a byte array: (images, 28, 28) or (labels,)."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape).copy()
