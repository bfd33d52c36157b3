"""Sequences with one class each: split by row, standardised with training data; with the majority-class baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from src.data.baselines import majority
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.module import SequenceData


class Classified(NamedTuple):
    """Sequences stored end to end, with their classes."""

    values: Tensor  # (total steps, features)
    lengths: Tensor  # (sequences,) steps of each
    labels: Tensor  # (sequences,) whole numbers

    def take(self, rows: Tensor) -> Classified:
        """Select some of the sequences."""
        pieces = self.values.split(self.lengths.tolist())
        return Classified(torch.cat([pieces[i] for i in rows.tolist()]), self.lengths[rows], self.labels[rows])


def classification(
    data: SequenceData, sequences: Mapping[str, Classified], names: Sequence[str], *, standardise: bool = True
) -> Description:
    """Fill a data module's splits and baselines with the sequences of each split, but not its items.

    ``standardise`` subtracts each feature's mean and divides by its standard deviation on the training sequences.
    """
    seen = sequences["train"].values
    mean, scale = torch.zeros(seen.shape[1]), torch.ones(seen.shape[1])
    if standardise:
        mean, scale = seen.mean(0), seen.std(0, correction=0).clamp_min(1e-8)
    for split, (values, lengths, labels) in sequences.items():
        data.splits[split] = FlatSplit((values - mean) / scale, lengths, labels)
    data.measure_baselines(lambda split: majority(sequences["train"].labels, sequences[split].labels, len(names)))
    varying = len(torch.cat([lengths for _, lengths, _ in sequences.values()]).unique()) > 1
    return Description(Features(seen.shape[1]), Classes(tuple(names)), False, varying, causal=False)
