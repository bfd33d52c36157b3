"""The user's own arrays: x, y and lengths from an .npz file, for any task."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from src.config.errors import UserError
from src.data.describe import Description, Features, Horizon, Tokens
from src.data.module import NewData, checksum
from src.data.own import row_splits
from src.data.own.arrays import as_targets, find_task, joined, read_sequences
from src.data.own.labelled import NEXT, OwnData
from src.data.series import Series

log = logging.getLogger(__name__)


class NPZ(OwnData):
    """Padded arrays ``x``, ``y`` and ``lengths`` in an .npz file, read as docs/own_data.md says."""

    form = "npz"
    tasks = (
        *("classification", "per_step", "regression", "per_step_regression"),
        *("language_model", "music", "forecasting"),
    )
    fitted = ("kind", "scaling")
    kind: str

    def __init__(self, *, standardise: bool = True, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.standardise = standardise

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
        for sentence in sequences.notes:
            log.info("%s: %s", sequences.path.name, sentence)
        self.note(sequences.notes)
        x, lengths, split_of = sequences.x, sequences.lengths, sequences.split
        if self.kind != "forecasting":
            return self.fill(self.kind, x, lengths, y, split_of, standardise=self.standardise)
        of_rows = row_splits.by_order(self.splits_wanted, lengths) if split_of is None else np.repeat(split_of, lengths)
        names = [f"x{k}" for k in range(x.shape[1])]
        return self.forecasting(Series(x, lengths, of_rows, names, names), season=None)

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
        if isinstance(description.output, Horizon):
            if new.lengths.min() < self.lookback:
                raise UserError(f"{path}: a series has {new.lengths.min()} rows, but a forecast reads {self.lookback}.")
            x = self.inputs(self.kind, new.x)
            return NewData(self.last_rows(x, np.cumsum(new.lengths), description.output), names, False)
        there = new.y is not None or self.kind in NEXT
        y = as_targets(self.kind, new) if there else None
        return NewData(self.new_split(self.kind, new.x, new.lengths, y, str(path)), names, there)
