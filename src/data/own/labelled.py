"""Shared by tables and arrays: split and encode sequences with targets, with a trivial baseline."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError, counted
from src.data.baselines import majority, ngrams, piano_rolls
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features, Input, Output, Tokens, Values
from src.data.own.row_splits import by_chance, by_owner, refuse_shared, with_validation
from src.data.scaling import Scaling
from src.data.series import SeriesData
from src.data.splits import SPLITS

NEXT = ("language_model", "music")  # the prediction target is the next input
WHOLE = ("classification", "regression")  # one prediction per sequence
log = logging.getLogger(__name__)
UNLABELLED = -1  # the target of unlabelled steps, which tasks ignore


class OwnData(SeriesData):
    """A file of series or sequences; docs/file_formats.md describes ``splits`` and the other options."""

    form: ClassVar[str]  # data=FORM
    tasks: ClassVar[tuple[str, ...]]  # tasks that the format supports

    def __init__(
        self,
        *,
        path: str,
        task: str | None = None,
        splits: Any = (0.7, 0.15, 0.15),
        split_by: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        if task is not None and task not in self.tasks:
            raise UserError(f"data.task must be one of {', '.join(self.tasks)} with data={self.form}, got {task}.")
        self.path, self.task, self.splits_wanted, self.split_by = path, task, splits, split_by

    def kept_together(self, owners: np.ndarray | None, split_of: np.ndarray | None) -> np.ndarray | None:
        """Return each item's split (items,) if it is stated, or if each owner's items must stay together; else None.

        Raises:
            UserError: a stated split separates an owner's items.
        """
        if owners is None:
            return split_of
        if split_of is None:
            return by_owner(owners, self.splits_wanted, self.split_seed)
        refuse_shared(owners, split_of)
        return split_of

    def shared_out(self, kind: str, number: int, y: np.ndarray | None, split_of: np.ndarray | None) -> np.ndarray:
        """Return each sequence's split (sequences,) as stated, else random and stratified; some is for validation.

        Raises:
            UserError: the fractions are invalid, or leave a split empty.
        """
        keys = np.zeros(number, int)
        if kind == "classification" and y is not None:
            keys = np.unique(y, return_inverse=True)[1]
        if split_of is None:
            return by_chance(keys, self.splits_wanted, self.split_seed)
        return with_validation(split_of, keys, self.splits_wanted, self.split_seed)

    def note(self, sentences: Sequence[str]) -> None:
        """Keep inferences for the run's record."""
        self.notes |= {f"note_{k + 1}": sentence for k, sentence in enumerate(sentences)}

    def fill(
        self,
        kind: str,
        x: np.ndarray,
        lengths: np.ndarray,
        y: np.ndarray | None,
        split_of: np.ndarray | None,
        *,
        items: np.ndarray,
        standardise: bool = True,
        names: Sequence[str] = (),
    ) -> Description:
        """Fill splits, baselines and notes with sequences, and set the scaling.

        Args:
            kind: one of ``tasks``, except ``forecasting``.
            x: (total steps, features) of any type, sequences end to end, or (total steps,) tokens.
            lengths: (sequences,) steps of each.
            y: (sequences,) or, per step, (total steps,) text for classes ("": none); (..., values) float64 for
                regression; None for a language model and for music. Real values are standardised on the training
                sequences.
            split_of: (sequences,) 0 train, 1 validation, 2 test; None: random, stratified by class.
            items: (sequences,) the position of each in the file, or its name.
            standardise: standardise each feature of x on the training sequences.
            names: of the values.

        Raises:
            UserError: a split is empty, a class is missing from train, or there is only one class.
        """
        split_of = self.shared_out(kind, len(lengths), y, split_of)
        for number, name in enumerate(SPLITS):
            if not (split_of == number).any():
                raise UserError(
                    f"There are no {name} sequences: data.splits must leave some for each of {', '.join(SPLITS)}."
                )
        of_steps = np.repeat(split_of, lengths)
        of_targets = split_of if kind in WHOLE else of_steps
        input: Input = Tokens(int(x.max()) + 1) if x.ndim == 1 else Features(x.shape[1])
        self.scaling = None
        if x.ndim == 2 and kind != "music":
            width = x.shape[1]
            train = np.flatnonzero(of_steps == 0)
            self.scaling = Scaling.fit(x, train) if standardise else Scaling.none(width)
        output = _output(kind, input, y, of_targets, names)
        encoded = None if y is None else _encode(output, y, "The file")
        targets: list[Tensor] = []
        for number, name in enumerate(SPLITS):
            of_split = lengths[split_of == number]
            read = self.inputs(kind, x, np.flatnonzero(of_steps == number))
            targets.append(read if encoded is None else encoded[torch.from_numpy(of_targets == number)])
            self.splits[name] = _split(kind, read, of_split, targets[-1])
            self.items[name] = items[split_of == number]
            self.notes[f"{name}_sequences"] = len(of_split)
        each = np.split(x, np.cumsum(lengths)[:-1])
        self.find_leaked({s: [each[k] for k in np.flatnonzero(split_of == n)] for n, s in enumerate(SPLITS)})
        if kind in NEXT:
            pieces = [[p.numpy() for p in y.split(lengths[split_of == k].tolist())] for k, y in enumerate(targets)]
            reached = [
                piano_rolls(pieces[0], asked) if kind == "music" else ngrams(pieces[0], asked, output.size)
                for asked in pieces[1:]
            ]
        else:
            reached = [_baselines(output, targets[0], asked) for asked in targets[1:]]
        self.val_baselines, self.baselines = reached
        varying = bool(lengths.min() < lengths.max())
        return Description(input, output, kind not in WHOLE, varying, causal=kind in NEXT)

    def inputs(self, kind: str, x: np.ndarray, chosen: np.ndarray | None = None) -> Tensor:
        """Return the network's input: tokens unchanged, a piano roll as bytes, all else standardised as float32.

        ``chosen`` are the indices of the steps wanted; None: all.
        """
        if self.scaling is not None:
            return self.scaling.apply(x, chosen=chosen)
        x = x if chosen is None else x[chosen]
        return torch.from_numpy(x.astype(np.uint8) if kind == "music" else x)

    def new_split(self, kind: str, x: np.ndarray, lengths: np.ndarray, y: np.ndarray | None, where: str) -> FlatSplit:
        """Return the sequences of a new file, ``where``, in the form of :meth:`fill`.

        Without ``y`` the targets are zeros; a missing one, or an unknown class, is `UNLABELLED` or NaN.
        """
        read, output = self.inputs(kind, x), self.description.output
        if y is not None:
            if isinstance(output, Classes):
                y = _known(y, output, where)
            targets = _encode(output, y, where)
        elif kind in NEXT:
            targets = read
        else:
            shape = (len(lengths) if kind in WHOLE else int(lengths.sum()), output.size)
            targets = torch.zeros(shape[:1]).long() if isinstance(output, Classes) else torch.zeros(shape)
        return _split(kind, read, lengths, targets)


def has_labels(targets: Tensor) -> bool:
    """Return whether any target of `OwnData.new_split` is known."""
    return bool((~targets.isnan()).any() if targets.is_floating_point() else (targets != UNLABELLED).any())


def _known(y: np.ndarray, output: Classes, where: str) -> np.ndarray:
    """Return the labels of a new file without those that training lacks, which cannot be scored; each is named once."""
    for label in np.unique(y[(y != "") & ~np.isin(y, output.names)]).tolist():
        times = counted(int((y == label).sum()), "time")
        known = ", ".join(output.names)
        log.info(
            "%s: The class %s (%s) is unknown to the run and is not scored; known are %s.", where, label, times, known
        )
    return np.where(np.isin(y, output.names), y, "")


def _encode(output: Output, y: np.ndarray, where: str) -> Tensor:
    """Encode targets for a task: class numbers, or standardised float32 values."""
    if isinstance(output, Classes):
        number = {name: k for k, name in enumerate(output.names)} | {"": UNLABELLED}
        return torch.tensor([number[label] for label in y.tolist()], dtype=torch.int64)
    assert isinstance(output, Values)
    if y.shape[1] != output.size:
        raise UserError(f"{where} has {y.shape[1]} values to predict, expected {output.size}.")
    return Scaling(np.array(output.mean), np.array(output.scale)).apply(y)


def _output(kind: str, input: Input, y: np.ndarray | None, split_of: np.ndarray, names: Sequence[str]) -> Output:
    if y is None:
        return Bits(input.size) if isinstance(input, Features) else Classes(tuple(map(str, range(input.vocabulary))))
    if "regression" in kind:
        scaling = Scaling.fit(y[split_of == 0])
        return Values(y.shape[1], tuple(names), tuple(scaling.mean.tolist()), tuple(scaling.scale.tolist()))
    known = tuple(np.unique(y[y != ""]).tolist())
    with suppress(ValueError):  # sort numbers numerically
        known = tuple(sorted(known, key=float))
    if not known:
        raise UserError("No step has a label: all are marked as unlabelled.")
    if len(known) < 2:
        raise UserError(f"There is only one class, {known[0]}: classification needs at least two.")
    if missing := [name for name in known if name not in set(y[split_of == 0].tolist())]:
        times = counted(int((y == missing[0]).sum()), "time")
        raise UserError(
            f"The class {missing[0]} is missing from train: it occurs {times} in the data, never in train; change "
            "data.splits, or remove the class."
        )
    return Classes(known)


def _split(kind: str, x: Tensor, lengths: np.ndarray, y: Tensor) -> FlatSplit:
    number = torch.from_numpy(lengths)
    if kind not in NEXT:
        return FlatSplit(x, number, y, per_step=kind not in WHOLE)
    if int(number.min()) < 2:
        row = int(number.argmin())
        raise UserError(
            f"Sequence {row} has {counted(int(number[row]), 'step')}, but next-step prediction needs at least 2."
        )
    return FlatSplit(x, number, x, per_step=True, shift=1)


def _baselines(output: Output, train: Tensor, test: Tensor) -> dict[str, float]:
    if isinstance(output, Classes):
        return majority(train[train >= 0], test[test >= 0], output.size)
    assert isinstance(output, Values)
    # After standardisation, the training mean is 0.
    off, scale = test.double(), torch.tensor(output.scale, dtype=torch.float64)
    return {
        "mean/mse": float(off.square().mean()),
        "mean/mae": float(off.abs().mean()),
        "mean/mse_unit": float((off * scale).square().mean()),
        "mean/mae_unit": float((off * scale).abs().mean()),
    }
