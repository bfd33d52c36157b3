"""The user's own arrays: x, y and lengths from an .npz file, for any task."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from src.config.errors import UserError
from src.data.describe import Description, Features, Horizon, Input, Tokens
from src.data.module import NewData, SequenceData, checksum
from src.data.own import labelled, row_splits
from src.data.own.arrays import Sequences, as_targets, find_task, joined, read_sequences
from src.data.series import Scaling, Series, forecasting, last_rows

TASKS = ("classification", "per_step", "regression", "per_step_regression", "language_model", "music", "forecasting")
log = logging.getLogger(__name__)


class NPZ(SequenceData):
    """Padded arrays in an .npz file, read as docs/own_data.md says.

    ``x`` is (n, time, features) of numbers, (n, time) of real numbers (one feature), or (n, time) of whole numbers
    (tokens). ``lengths`` is (n,); without it every row is ``time`` long, but for NaN at its end. What ``y`` is says
    what is learned:

    ====================================  ============================================
    y                                     task
    ====================================  ============================================
    (n,) whole numbers, truth or text     classification
    (n,) or (n, values) real numbers      regression
    (n, time) whole numbers or text       per_step: a class at every step
    (n, time[, values]) real numbers      per_step_regression
    none, x tokens                        language_model: the next token
    none, x zeros and ones, features      music: which features are one in the next step
    none, x real numbers                  forecasting of n series
    ====================================  ============================================

    Args:
        path: the file.
        task: one of the above; None: inferred, and said.
        splits: three fractions (by chance, classes shared out alike; forecasting: by position in each series); the key
            of an array (n,) that says train, val or test; or two further files, for validation and test.
        standardise: shift and scale each feature of x by its mean and standard deviation on the training sequences.
        lookback: rows read by a forecast.
        horizon: rows forecast.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    fitted = ("kind", "scaling")
    kind: str
    scaling: Scaling | None

    def __init__(
        self,
        *,
        path: str,
        task: str | None = None,
        splits: Any = (0.7, 0.15, 0.15),
        standardise: bool = True,
        lookback: int = 48,
        horizon: int = 24,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        if task is not None and task not in TASKS:
            raise UserError(f"data.task={task} is unknown to data=npz: it must be one of {', '.join(TASKS)}.")
        self.path, self.task, self.splits_wanted, self.standardise = path, task, splits, standardise
        self.lookback, self.horizon = lookback, horizon

    def read(self) -> Description:
        """Read and check the arrays, split, fit and scale."""
        key = self.splits_wanted if isinstance(self.splits_wanted, str) else None
        sequences = read_sequences(self.path, key)
        if files := row_splits.files_of(self.splits_wanted):
            sequences = joined([sequences, *(read_sequences(file) for file in files)])
        self.kind = self.task or find_task(sequences)
        arrays = (sequences.x, sequences.lengths, sequences.y, sequences.split)
        self.checksum = checksum(*(array.tobytes() for array in arrays if array is not None))
        y = as_targets(self.kind, sequences)
        description = self._forecasting(sequences) if self.kind == "forecasting" else self._labelled(sequences, y)
        for k, sentence in enumerate(sequences.notes):
            log.info("%s: %s", sequences.path.name, sentence)
            self.notes[f"note_{k + 1}"] = sentence
        return description

    def _labelled(self, sequences: Sequences, y: np.ndarray | None) -> Description:
        x, lengths, split_of = sequences.x, sequences.lengths, sequences.split
        if split_of is None:
            keys = np.zeros(len(lengths), int)
            if y is not None and self.kind == "classification":
                keys = np.unique(y, return_inverse=True)[1]
            split_of = row_splits.by_chance(keys, self.splits_wanted, self.seed)
        train = x[np.repeat(split_of == 0, lengths)]
        if not len(train):
            raise UserError(f"{sequences.path}: no sequence is for train; data.splits must leave some.")
        self.scaling = None
        if not sequences.tokens and self.kind != "music":
            width = x.shape[1]
            self.scaling = Scaling.fit(train) if self.standardise else Scaling(np.zeros(width), np.ones(width))
        input: Input = Tokens(int(x.max()) + 1) if sequences.tokens else Features(x.shape[1])
        return labelled.fill(self, self.kind, input, self._inputs(sequences), lengths, y, split_of)

    def _inputs(self, sequences: Sequences) -> torch.Tensor:
        if self.kind == "music":
            return torch.from_numpy(sequences.x.astype(np.uint8))
        return torch.from_numpy(sequences.x) if self.scaling is None else self.scaling.apply(sequences.x)

    def _forecasting(self, sequences: Sequences) -> Description:
        if sequences.split is not None:
            split_of = np.repeat(sequences.split, sequences.lengths)
        else:
            split_of = row_splits.by_order(self.splits_wanted, sequences.lengths)
        names = [f"x{k}" for k in range(sequences.x.shape[1])]
        series = Series(sequences.x, sequences.lengths, split_of, names, names)
        description, self.scaling = forecasting(self, series, lookback=self.lookback, horizon=self.horizon, season=None)
        return description

    def new_data(self, path: str) -> NewData:
        """The sequences of a new file, scaled as the training file was; its targets where it has them."""
        description = self.description
        new = read_sequences(path)
        if new.tokens != isinstance(description.input, Tokens):
            raise UserError(
                f"{path}: x holds {'tokens' if new.tokens else 'real numbers'}, and the run was trained on the other."
            )
        if isinstance(description.input, Features) and new.x.shape[1] != description.input.size:
            raise UserError(f"{path}: x has {new.x.shape[1]} features, but the run reads {description.input.size}.")
        if isinstance(description.input, Tokens) and new.x.max() >= description.input.vocabulary:
            raise UserError(
                f"{path}: x holds the token {int(new.x.max())}, but the run knows those below "
                f"{description.input.vocabulary}."
            )
        names = [str(k) for k in range(len(new.lengths))]
        x = self._inputs(new)
        if isinstance(description.output, Horizon):
            if new.lengths.min() < self.lookback:
                raise UserError(f"{path}: a series has {new.lengths.min()} rows, but a forecast reads {self.lookback}.")
            return NewData(last_rows(x, np.cumsum(new.lengths), self.lookback, description.output), names, False)
        ahead = self.kind in labelled.NEXT
        there = new.y is not None or ahead
        y = as_targets(self.kind, new) if there else None
        return NewData(labelled.new_split(self.kind, description.output, x, new.lengths, y, str(path)), names, there)
