"""The user's own arrays: x, y and lengths from an .npz file, for any task."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from src.config.errors import UserError
from src.data.describe import Description, Features, Horizon, Tokens
from src.data.module import NewData, SequenceData, checksum
from src.data.own import labelled, row_splits
from src.data.own.arrays import as_targets, find_task, joined, read_sequences
from src.data.series import Scaling, Series, forecasting, last_rows

TASKS = ("classification", "per_step", "regression", "per_step_regression", "language_model", "music", "forecasting")
log = logging.getLogger(__name__)


class NPZ(SequenceData):
    """Padded arrays in an .npz file, read as docs/own_data.md says.

    Args:
        path: the file, which holds ``x``, ``y`` and ``lengths``.
        task: one of :data:`TASKS`; None: inferred from the arrays, and said.
        splits: three fractions (by chance, classes shared out alike; forecasting: by position in each series); the key
            of an array (n,) that says train, val or test; or two further files, for validation and test.
        standardise: shift and scale each feature of x by its mean and standard deviation on the training sequences.
        lookback, horizon: rows read and rows forecast.
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
        x, lengths, split_of = sequences.x, sequences.lengths, sequences.split
        if self.kind == "forecasting":
            if split_of is None:
                of_rows = row_splits.by_order(self.splits_wanted, lengths)
            else:
                of_rows = np.repeat(split_of, lengths)
            names = [f"x{k}" for k in range(x.shape[1])]
            series = Series(x, lengths, of_rows, names, names)
            description, self.scaling = forecasting(
                self, series, lookback=self.lookback, horizon=self.horizon, season=None
            )
        else:
            description, self.scaling = labelled.fill(
                self, self.kind, x, lengths, y, split_of, splits=self.splits_wanted, standardise=self.standardise
            )
        for k, sentence in enumerate(sequences.notes):
            log.info("%s: %s", sequences.path.name, sentence)
            self.notes[f"note_{k + 1}"] = sentence
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
        x = labelled.inputs(self.kind, new.x, self.scaling)
        if isinstance(description.output, Horizon):
            if new.lengths.min() < self.lookback:
                raise UserError(f"{path}: a series has {new.lengths.min()} rows, but a forecast reads {self.lookback}.")
            return NewData(last_rows(x, np.cumsum(new.lengths), self.lookback, description.output), names, False)
        ahead = self.kind in labelled.NEXT
        there = new.y is not None or ahead
        y = as_targets(self.kind, new) if there else None
        return NewData(labelled.new_split(self.kind, description.output, x, new.lengths, y, str(path)), names, there)
