"""Sequences with what is predicted for each, or for each of their steps: split, encoded, with a trivial baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Bits, Classes, Description, Features, Input, Output, Values
from src.data.file_splits import PARTS
from src.data.module import SequenceData
from src.data.own import text
from src.data.series import Scaling
from src.data.sets import music
from src.data.sets.ucr import majority

NEXT = ("language_model", "music")  # what is predicted is what is read next
KINDS = ("classification", "per_step", "regression", "per_step_regression", *NEXT)


def fill(
    data: SequenceData,
    kind: str,
    input: Input,
    x: Tensor,
    lengths: np.ndarray,
    y: np.ndarray | None,
    parts: np.ndarray,
    names: Sequence[str] = (),
) -> Description:
    """Fill a data module's splits, baselines and notes.

    Args:
        data: the data module.
        kind: one of :data:`KINDS`.
        input: what ``x`` is.
        x: (steps in all, ...), sequences end to end, as the network reads them.
        lengths: (sequences,) steps of each.
        y: (sequences,) or, per step, (steps in all,) text for classes; (..., values) float64 for regression; None for
            a language model and for music, whose x then are zeros and ones, uint8. Real values are standardised on the
            training part.
        parts: (sequences,) 0 train, 1 validation, 2 test.
        names: of the values.

    Raises:
        UserError: when a part is empty, a class is missing from train, or there is one class alone.
    """
    for part, name in enumerate(PARTS):
        if not (parts == part).any():
            raise UserError(f"No sequence is for {name}: data.splits must leave some for each of {', '.join(PARTS)}.")
    of_targets = np.repeat(parts, lengths) if kind.startswith("per_step") else parts
    output = _output(data, kind, input, y, of_targets, names)
    encoded = encode(output, y, "The file") if y is not None else x
    for part, name in enumerate(PARTS):
        steps = torch.from_numpy(np.repeat(parts == part, lengths))
        of = steps if kind not in ("classification", "regression") else torch.from_numpy(parts == part)
        data.splits[name] = _split(kind, x[steps], lengths[parts == part], encoded[of])
        data.notes[f"{name}_sequences"] = int((parts == part).sum())
    data.baselines = _baselines(kind, output, encoded, of_targets, lengths, parts)
    per_step = kind not in ("classification", "regression")
    return Description(input, output, per_step, bool(lengths.min() < lengths.max()), causal=kind in NEXT)


def new_split(kind: str, output: Output, x: Tensor, lengths: np.ndarray, y: np.ndarray | None, where: str) -> FlatSplit:
    """A new file's sequences, its targets encoded as the training file's were, or zeros where it has none.

    Args:
        kind, x, lengths, y: as in :func:`fill`.
        output: the training data's.
        where: the file, for a sentence.
    """
    if kind in NEXT:
        return _split(kind, x, lengths, x)
    number = int(lengths.sum()) if kind.startswith("per_step") else len(lengths)
    if y is not None:
        encoded = encode(output, y, where)
    elif isinstance(output, Classes):
        encoded = torch.zeros(number, dtype=torch.int64)
    else:
        encoded = torch.zeros(number, output.size)
    return _split(kind, x, lengths, encoded)


def encode(output: Output, y: np.ndarray, where: str) -> Tensor:
    """Targets as a task compares them: the class's number, or standardised values as float32.

    Raises:
        UserError: names a class that the training data do not have, or says how many values there should be.
    """
    if isinstance(output, Classes):
        number = {name: k for k, name in enumerate(output.names)}
        for label in np.unique(y).tolist():
            if label not in number:
                raise UserError(f"{where} has the class {label}; the known ones are {', '.join(output.names)}.")
        return torch.tensor([number[label] for label in y.tolist()], dtype=torch.int64)
    assert isinstance(output, Values)
    if y.shape[1] != output.size:
        raise UserError(f"{where} has {y.shape[1]} values to predict, expected {output.size}.")
    return Scaling(np.array(output.mean), np.array(output.scale)).apply(y)


def class_names(labels: np.ndarray) -> tuple[str, ...]:
    """The different labels, numbers in the order of numbers."""
    found = np.unique(labels).tolist()
    try:
        return tuple(sorted(found, key=float))
    except ValueError:
        return tuple(found)


def _output(
    data: SequenceData, kind: str, input: Input, y: np.ndarray | None, parts: np.ndarray, names: Sequence[str]
) -> Output:
    if isinstance(input, Features) and kind == "music":
        return Bits(input.size)
    if y is None:
        return Classes(tuple(str(k) for k in range(input.vocabulary)))  # type: ignore[union-attr]
    if "regression" in kind:
        scaling = Scaling.fit(y[parts == 0])
        return Values(y.shape[1], tuple(names), tuple(scaling.mean.tolist()), tuple(scaling.scale.tolist()))
    known = class_names(y)
    if len(known) < 2:
        raise UserError(f"There is one class alone, {known[0]}: nothing is left to tell apart.")
    if missing := [name for name in known if name not in set(y[parts == 0].tolist())]:
        raise UserError(
            f"The class {missing[0]} is missing from train: it stands {int((y == missing[0]).sum())} times in the "
            "data, "
            "never for training; change data.splits, or leave the class out."
        )
    return Classes(known)


def _split(kind: str, x: Tensor, lengths: np.ndarray, y: Tensor) -> FlatSplit:
    number = torch.from_numpy(lengths)
    tokens = not x.is_floating_point()
    dtype = torch.int64 if tokens else torch.float32
    if kind not in NEXT:
        return FlatSplit(x, number, y, per_step=kind.startswith("per_step"), dtype=dtype)
    if int(number.min()) < 2:
        row = int(number.argmin())
        raise UserError(f"Sequence {row} has {int(number[row])} step: to predict the next one takes at least 2.")
    if kind == "music":
        return FlatSplit(x, number, x, per_step=True, shift=1)
    return FlatSplit(x, number, x, per_step=True, shift=1, dtype=dtype, target_dtype=torch.int64)


def _baselines(
    kind: str, output: Output, y: Tensor, of_targets: np.ndarray, lengths: np.ndarray, parts: np.ndarray
) -> dict[str, float]:
    if kind in NEXT:
        documents = [piece.numpy() for piece in y.split(lengths.tolist())]
        seen, asked = ([d for d, p in zip(documents, parts, strict=True) if p == part] for part in (0, 2))
        return music.baselines(seen, asked) if kind == "music" else text.baselines(seen, asked, output.size)
    train, test = y[torch.from_numpy(of_targets == 0)], y[torch.from_numpy(of_targets == 2)]
    if isinstance(output, Classes):
        return majority(train, test, output.size)
    assert isinstance(output, Values)
    # Standardised on train, the training mean is 0.
    off, scale = test.double(), torch.tensor(output.scale, dtype=torch.float64)
    return {
        "mean/mse": float(off.square().mean()),
        "mean/mae": float(off.abs().mean()),
        "mean/mse_unit": float((off * scale).square().mean()),
        "mean/mae_unit": float((off * scale).abs().mean()),
    }
