"""What tables and arrays share: sequences with targets are split, encoded, and given a trivial baseline."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.baselines import majority, ngrams, piano_rolls
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features, Input, Output, Tokens, Values
from src.data.own.row_splits import by_chance, by_owner, refuse_shared, with_validation
from src.data.scaling import Scaling
from src.data.series import SeriesData
from src.data.splits import SPLITS

NEXT = ("language_model", "music")  # what is predicted is what is read next
WHOLE = ("classification", "regression")  # one prediction for each sequence
UNLABELLED = -1  # the target of a step without a label, which tasks do not count


class OwnData(SeriesData):
    """A file of series or sequences; ``splits`` and the other options are those of docs/file_formats.md."""

    form: ClassVar[str]  # data=FORM
    tasks: ClassVar[tuple[str, ...]]  # that the form can be read for

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
            raise UserError(
                f"data.task={task} is unknown to data={self.form}: it must be one of {', '.join(self.tasks)}."
            )
        self.path, self.task, self.splits_wanted, self.split_by = path, task, splits, split_by

    def kept_together(self, owners: np.ndarray | None, split_of: np.ndarray | None) -> np.ndarray | None:
        """The split of each item (items,) where that is stated, or each owner's items are to stay together.

        Raises:
            UserError: a stated split tears them apart.
        """
        if owners is None:
            return split_of
        if split_of is None:
            return by_owner(owners, self.splits_wanted, self.split_seed)
        refuse_shared(owners, split_of)
        return split_of

    def shared_out(self, kind: str, number: int, y: np.ndarray | None, split_of: np.ndarray | None) -> np.ndarray:
        """(sequences,) the split of each as stated, else by chance, classes shared out alike; some are for validation.

        Raises:
            UserError: the fractions are none, or leave a split empty.
        """
        keys = np.zeros(number, int)
        if kind == "classification" and y is not None:
            keys = np.unique(y, return_inverse=True)[1]
        if split_of is None:
            return by_chance(keys, self.splits_wanted, self.split_seed)
        return with_validation(split_of, keys, self.splits_wanted, self.split_seed)

    def note(self, sentences: Sequence[str]) -> None:
        """Keep what was inferred for the run's record."""
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
            kind: one of ``tasks``, but for ``forecasting``.
            x: (steps in all, features) of any type, sequences end to end, or (steps in all,) tokens.
            lengths: (sequences,) steps of each.
            y: (sequences,) or, per step, (steps in all,) text for classes ("": it has none); (..., values) float64 for
                regression; None for a language model and for music. Real values are standardised on the training
                sequences.
            split_of: (sequences,) 0 train, 1 validation, 2 test; None: by chance, classes shared out alike.
            items: (sequences,) the position of each in the file, or its name.
            standardise: shift and scale each feature of x by its mean and standard deviation on the training sequences.
            names: of the values.

        Raises:
            UserError: when a split is empty, a class is missing from train, or there is one class alone.
        """
        split_of = self.shared_out(kind, len(lengths), y, split_of)
        for number, name in enumerate(SPLITS):
            if not (split_of == number).any():
                raise UserError(
                    f"No sequence is for {name}: data.splits must leave some for each of {', '.join(SPLITS)}."
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
        """What the network reads: tokens as they are, a piano roll as bytes, all else standardised as float32.

        ``chosen`` are the numbers of the steps that are wanted; None: all.
        """
        if self.scaling is not None:
            return self.scaling.apply(x, chosen=chosen)
        x = x if chosen is None else x[chosen]
        return torch.from_numpy(x.astype(np.uint8) if kind == "music" else x)

    def new_split(self, kind: str, x: np.ndarray, lengths: np.ndarray, y: np.ndarray | None, where: str) -> FlatSplit:
        """The sequences of a new file, ``where``, as :meth:`fill` has them; targets are zeros where it has none."""
        read, output = self.inputs(kind, x), self.description.output
        if y is not None:
            targets = _encode(output, y, where)
        elif kind in NEXT:
            targets = read
        else:
            shape = (len(lengths) if kind in WHOLE else int(lengths.sum()), output.size)
            targets = torch.zeros(shape[:1]).long() if isinstance(output, Classes) else torch.zeros(shape)
        return _split(kind, read, lengths, targets)


def _encode(output: Output, y: np.ndarray, where: str) -> Tensor:
    """Targets as a task compares them: the class's number, or standardised values as float32."""
    if isinstance(output, Classes):
        number = {name: k for k, name in enumerate(output.names)} | {"": UNLABELLED}
        for label in np.unique(y).tolist():
            if label not in number:
                raise UserError(f"{where} has the class {label}; the known ones are {', '.join(output.names)}.")
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
    with suppress(ValueError):  # numbers come in the order of numbers
        known = tuple(sorted(known, key=float))
    if not known:
        raise UserError("No step has a label: all of them are marked as unlabelled.")
    if len(known) < 2:
        raise UserError(f"There is one class alone, {known[0]}: nothing is left to tell apart.")
    if missing := [name for name in known if name not in set(y[split_of == 0].tolist())]:
        raise UserError(
            f"The class {missing[0]} is missing from train: it stands {int((y == missing[0]).sum())} times in the "
            "data, never for training; change data.splits, or leave the class out."
        )
    return Classes(known)


def _split(kind: str, x: Tensor, lengths: np.ndarray, y: Tensor) -> FlatSplit:
    number = torch.from_numpy(lengths)
    if kind not in NEXT:
        return FlatSplit(x, number, y, per_step=kind not in WHOLE)
    if int(number.min()) < 2:
        row = int(number.argmin())
        raise UserError(f"Sequence {row} has {int(number[row])} step: to predict the next one takes at least 2.")
    return FlatSplit(x, number, x, per_step=True, shift=1)


def _baselines(output: Output, train: Tensor, test: Tensor) -> dict[str, float]:
    if isinstance(output, Classes):
        return majority(train[train >= 0], test[test >= 0], output.size)
    assert isinstance(output, Values)
    # Standardised on train, the training mean is 0.
    off, scale = test.double(), torch.tensor(output.scale, dtype=torch.float64)
    return {
        "mean/mse": float(off.square().mean()),
        "mean/mae": float(off.abs().mean()),
        "mean/mse_unit": float((off * scale).square().mean()),
        "mean/mae_unit": float((off * scale).abs().mean()),
    }
