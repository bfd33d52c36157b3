"""The user's own arrays: x, y and lengths from an .npz file, for any task."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Description, Features, Input, Tokens
from src.data.module import NewData, SequenceData, checksum
from src.data.own import labelled
from src.data.own import row_splits as parts
from src.data.own.arrays import Sequences, as_targets, find_task, joined, read_sequences
from src.data.series import Scaling, Series, forecasting

TASKS = ("classification", "per_step", "regression", "per_step_regression", "language_model", "music", "forecasting")
log = logging.getLogger(__name__)


class NPZ(SequenceData):
    """Padded arrays in an .npz file, read as docs/own_data.md says.

    >>> # np.savez("mine.npz", x=x, y=y, lengths=lengths)
    >>> # python -m src.train data=npz data.path=mine.npz

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
        task: one of the above; None: found out, and said.
        splits: three fractions (by chance, classes shared out alike; forecasting: by position in each series); the key
            of an array (n,) that says train, val or test; or two further files, for validation and test.
        standardise: shift and scale each feature of x by its mean and standard deviation on the training part.
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

    # ---------------------------------------------------------------------------------------------------- reading

    def read(self) -> Description:
        """Read and check the arrays, split, fit and scale."""
        key = self.splits_wanted if isinstance(self.splits_wanted, str) else None
        found = read_sequences(self.path, key)
        if files := parts.files_of(self.splits_wanted):
            found = joined([found, *(read_sequences(file) for file in files)])
        self.kind = self.task or find_task(found)
        self.checksum = checksum(
            *(part.tobytes() for part in (found.x, found.lengths, found.y, found.part) if part is not None)
        )
        description = self._fill(found)
        for sentence in found.notes:
            log.info("%s: %s", found.path.name, sentence)
        self.notes |= {f"note_{k + 1}": sentence for k, sentence in enumerate(found.notes)}
        return description

    def _fill(self, found: Sequences) -> Description:
        tokens = found.x.ndim == 1
        y = as_targets(self.kind, found)
        if self.kind == "forecasting":
            return self._forecasting(found)
        keys = np.zeros(len(found.lengths), int)
        if self.kind == "classification" and y is not None:
            keys = np.unique(y, return_inverse=True)[1]
        part = parts.by_chance(keys, self.splits_wanted, self.seed) if found.part is None else found.part
        train = found.x[np.repeat(part == 0, found.lengths)]
        if not len(train):
            raise UserError(f"{found.path}: no sequence is for train; data.splits must leave some.")
        self.scaling = None
        if not tokens and self.kind != "music":
            width = found.x.shape[1]
            self.scaling = Scaling.fit(train) if self.standardise else Scaling(np.zeros(width), np.ones(width))
        input: Input = Tokens(int(found.x.max()) + 1) if tokens else Features(found.x.shape[1])
        return labelled.fill(self, self.kind, input, self._inputs(found), found.lengths, y, part)

    def _inputs(self, found: Sequences) -> torch.Tensor:
        if self.kind == "music":
            return torch.from_numpy(found.x.astype(np.uint8))
        return torch.from_numpy(found.x) if self.scaling is None else self.scaling.apply(found.x)

    def _forecasting(self, found: Sequences) -> Description:
        part = np.repeat(found.part, found.lengths) if found.part is not None else None
        if part is None:
            part = parts.by_order(self.splits_wanted, found.lengths)
        names = [f"x{k}" for k in range(found.x.shape[1])]
        description, self.scaling = forecasting(
            self, Series(found.x, found.lengths, part, names, names), lookback=self.lookback, horizon=self.horizon,
            season=None,
        )  # fmt: skip
        return description

    # -------------------------------------------------------------------------------------------------- new files

    def new_data(self, path: str) -> NewData:
        """The sequences of a new file, scaled as the training file was; its targets where it has them."""
        description = self.description
        found = read_sequences(path)
        tokens = found.x.ndim == 1
        if tokens != isinstance(description.input, Tokens):
            raise UserError(
                f"{path}: x holds {'tokens' if tokens else 'real numbers'}, and the run was trained on the other."
            )
        if isinstance(description.input, Features) and found.x.shape[1] != description.input.size:
            raise UserError(f"{path}: x has {found.x.shape[1]} features, but the run reads {description.input.size}.")
        if isinstance(description.input, Tokens) and found.x.max() >= description.input.vocabulary:
            raise UserError(
                f"{path}: x holds the token {int(found.x.max())}, but the run knows those below "
                f"{description.input.vocabulary}."
            )
        names = [str(k) for k in range(len(found.lengths))]
        if self.kind == "forecasting":
            if found.lengths.min() < self.lookback:
                raise UserError(
                    f"{path}: a series has {found.lengths.min()} rows, but a forecast reads {self.lookback}."
                )
            x = self._inputs(found)
            last = torch.cat([x[end - self.lookback : end] for end in np.cumsum(found.lengths).tolist()])
            lengths = torch.full((len(found.lengths),), self.lookback)
            y = torch.zeros(len(lengths), self.horizon, found.x.shape[1])
            return NewData(FlatSplit(last, lengths, y), names, labelled=False)
        ahead = self.kind in labelled.NEXT
        there = found.y is not None and not ahead
        targets = as_targets(self.kind, found) if there or ahead else None
        split = labelled.new_split(
            self.kind, description.output, self._inputs(found), found.lengths, targets, str(path)
        )
        return NewData(split, names, labelled=there or ahead)
