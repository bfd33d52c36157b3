"""The user's own arrays in an .npz file: x, y and lengths, for any task."""

from __future__ import annotations

import logging
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.config import Mistake, nearest
from src.data import labelled, parts
from src.data.batches import FlatSplit
from src.data.describe import Description, Features, Input, Tokens
from src.data.module import NewData, SequenceData, checksum
from src.data.series import Scaling, Series, forecasting

TASKS = ("classification", "per_step", "regression", "per_step_regression", "language_model", "forecasting")
KEYS = ("x", "y", "lengths")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sequences:
    """What a file holds, checked, sequences end to end.

    Args:
        path: the file.
        x: (steps in all, features) float64, or (steps in all,) whole numbers (tokens).
        lengths: (sequences,) steps of each.
        y: (sequences, values), or (steps in all, values) where ``per_step``; None: the file has none.
        per_step: whether there is one target at each step.
        part: (sequences,) 0 train, 1 validation, 2 test; None: not stated.
        notes: what was found out, in sentences.
    """

    path: Path
    x: np.ndarray
    lengths: np.ndarray
    y: np.ndarray | None
    per_step: bool
    part: np.ndarray | None
    notes: list[str]


class Arrays(SequenceData):
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
            raise Mistake(f"data.task={task} is unknown to data=npz: it must be one of {', '.join(TASKS)}.")
        self.path, self.task, self.splits_wanted, self.standardise = path, task, splits, standardise
        self.lookback, self.horizon = lookback, horizon

    # ---------------------------------------------------------------------------------------------------- reading

    def read(self) -> Description:
        """Read and check the arrays, split, fit and scale."""
        key = self.splits_wanted if isinstance(self.splits_wanted, str) else None
        found = read_sequences(self.path, key)
        if files := parts.files_of(self.splits_wanted):
            found = _joined([found, *(read_sequences(file) for file in files)])
        self.kind = self.task or _inferred(found)
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
            raise Mistake(f"{found.path}: no sequence is for train; data.splits must leave some.")
        self.scaling = None
        if not tokens:
            width = found.x.shape[1]
            self.scaling = Scaling.fit(train) if self.standardise else Scaling(np.zeros(width), np.ones(width))
        input: Input = Tokens(int(found.x.max()) + 1) if tokens else Features(found.x.shape[1])
        return labelled.fill(self, self.kind, input, self._inputs(found), found.lengths, y, part)

    def _inputs(self, found: Sequences) -> torch.Tensor:
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
            raise Mistake(
                f"{path}: x holds {'tokens' if tokens else 'real numbers'}, and the run was trained on the other."
            )
        if isinstance(description.input, Features) and found.x.shape[1] != description.input.size:
            raise Mistake(f"{path}: x has {found.x.shape[1]} features, but the run reads {description.input.size}.")
        if isinstance(description.input, Tokens) and found.x.max() >= description.input.vocabulary:
            raise Mistake(
                f"{path}: x holds the token {int(found.x.max())}, but the run knows those below "
                f"{description.input.vocabulary}."
            )
        names = [str(k) for k in range(len(found.lengths))]
        if self.kind == "forecasting":
            if found.lengths.min() < self.lookback:
                raise Mistake(f"{path}: a series has {found.lengths.min()} rows, but a forecast reads {self.lookback}.")
            x = self._inputs(found)
            last = torch.cat([x[end - self.lookback : end] for end in np.cumsum(found.lengths).tolist()])
            lengths = torch.full((len(found.lengths),), self.lookback)
            y = torch.zeros(len(lengths), self.horizon, found.x.shape[1])
            return NewData(FlatSplit(last, lengths, y), names, labelled=False)
        there = found.y is not None and self.kind != "language_model"
        targets = as_targets(self.kind, found) if there else None
        split = labelled.new_split(
            self.kind, description.output, self._inputs(found), found.lengths, targets, str(path)
        )
        return NewData(split, names, labelled=there or self.kind == "language_model")


# ------------------------------------------------------------------------------------------------------------- checking


def read_sequences(path: str, part_key: str | None = None) -> Sequences:
    """Read an .npz file and check all that it holds.

    Raises:
        Mistake: names the array, and the row and step of the first entry that is broken.
    """
    file = Path(path).expanduser()
    arrays = _load(file, KEYS if part_key is None else (*KEYS, part_key))
    x = arrays["x"]
    notes: list[str] = []
    if x.ndim not in (2, 3) or 0 in x.shape or x.dtype.kind not in "iufb":
        raise Mistake(
            f"{file}: x has shape {x.shape} and type {x.dtype}; it must be (n, time, features) or (n, time), of "
            "numbers."
        )
    tokens = x.ndim == 2 and x.dtype.kind in "iu"
    n, time = x.shape[:2]
    table = x if tokens else x.reshape(n, time, -1).astype(np.float64)
    lengths = _lengths(file, arrays, table, notes)
    inside = np.arange(time)[None, :] < lengths[:, None]
    flat = table[inside]
    if tokens:
        flat = flat.astype(np.int64)
        if flat.min() < 0:
            row, step = np.argwhere(inside & (table < 0))[0]
            raise Mistake(
                f"{file}: x[{row}, {step}] is {table[row, step]}, but a token is a whole number of at least 0."
            )
    else:
        _refuse_not_finite(file, "x", table, inside)
    y, per_step = None, False
    if "y" in arrays:
        y, per_step = _targets(file, arrays["y"], n, time, inside)
    part = _parts(file, arrays, part_key, n) if part_key is not None else None
    return Sequences(file, flat, lengths, y, per_step, part, notes)


def _load(file: Path, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The wanted arrays of a file, as far as it has them; no other is looked at."""
    if not file.is_file():
        raise Mistake(f"data.path={file} is not a file: give the path of an .npz file.")
    arrays, key = {}, ""
    try:
        with open(file, "rb") as raw:
            found = np.load(raw, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise Mistake(f"{file} is a single array: save it with np.savez, as x=..., y=..., lengths=....")
            if "x" not in found.files:
                raise Mistake(f"{file} has no array x; it has {', '.join(found.files) or 'none at all'}.")
            for key in (key for key in wanted if key in found.files):
                arrays[key] = found[key]
            if wanted[-1] not in found.files and wanted[-1] not in KEYS:
                near = nearest(wanted[-1], found.files)
                raise Mistake(
                    f"data.splits={wanted[-1]} is not an array of {file}{near}; it has {', '.join(found.files)}."
                )
    except Mistake:
        raise
    except ValueError as error:
        if not key:
            raise Mistake(f"{file} is not an .npz file, or is damaged ({error}).") from error
        raise Mistake(
            f"{file}: {key} is an array of Python objects, which would have to be unpickled; pad the sequences to one "
            "array and give their lengths."
        ) from error
    except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise Mistake(f"{file} is not an .npz file, or is damaged ({type(error).__name__}).") from error
    return arrays


def _lengths(file: Path, arrays: dict[str, np.ndarray], table: np.ndarray, notes: list[str]) -> np.ndarray:
    n, time = table.shape[:2]
    if "lengths" not in arrays:
        if table.ndim == 2:
            return np.full(n, time)
        gone = np.isnan(table).all(2)[:, ::-1].cumprod(1).sum(1)
        if gone.any():
            notes.append(f"{int((gone > 0).sum())} sequences end in NaN and were taken to be that much shorter.")
        lengths = time - gone
    else:
        lengths = arrays["lengths"]
        if lengths.shape != (n,) or not np.issubdtype(lengths.dtype, np.number) or (lengths != np.floor(lengths)).any():
            raise Mistake(
                f"{file}: lengths has shape {lengths.shape} and type {lengths.dtype}; it must be {n} whole numbers, "
                "one "
                "for each row of x."
            )
        lengths = lengths.astype(np.int64)
    wrong = (lengths < 1) | (lengths > time)
    if wrong.any():
        row = int(wrong.argmax())
        raise Mistake(
            f"{file}: lengths[{row}] is {lengths[row]}, but x has {time} steps; it must be between 1 and {time}."
        )
    return lengths


def _targets(file: Path, y: np.ndarray, n: int, time: int, inside: np.ndarray) -> tuple[np.ndarray, bool]:
    if y.ndim < 1 or y.ndim > 3 or len(y) != n or y.dtype.kind not in "iufbUS" or 0 in y.shape:
        raise Mistake(
            f"{file}: y has shape {y.shape} and type {y.dtype}; it must begin with {n}, one for each row of x, and "
            "hold "
            "numbers or text."
        )
    per_step = y.ndim >= 2 and y.shape[1] == time and not (y.ndim == 2 and time == 1)
    if y.ndim == 3 and not per_step:
        raise Mistake(f"{file}: y has shape {y.shape}; with one target at each step it must be ({n}, {time}, values).")
    if y.ndim == 2 and y.shape[1] == 1 and not per_step:
        y = y[:, 0]
    shaped = y.reshape(n, time if per_step else 1, -1)
    there = inside if per_step else np.ones((n, 1), bool)
    if y.dtype.kind == "f":
        _refuse_not_finite(file, "y", shaped, there)
    return shaped[there], per_step


def _parts(file: Path, arrays: dict[str, np.ndarray], key: str, n: int) -> np.ndarray:
    words = np.char.lower(arrays[key].astype(str))
    if words.shape != (n,) or not np.isin(words, list(parts.WORDS)).all():
        raise Mistake(f"{file}: {key} must be {n} entries that say train, val or test.")
    return np.array([parts.WORDS[word] for word in words.tolist()])


def _refuse_not_finite(file: Path, name: str, table: np.ndarray, inside: np.ndarray) -> None:
    bad = ~np.isfinite(table) & inside[..., None]
    if bad.any():
        row, step, feature = np.argwhere(bad)[0]
        raise Mistake(
            f"{file}: {name}[{row}, {step}, {feature}] is {table[row, step, feature]}, which no network here can "
            "read; fill "
            "it, or end the sequence before it with lengths."
        )


def _joined(found: list[Sequences]) -> Sequences:
    first = found[0]
    for other in found[1:]:
        same = other.x.shape[1:] == first.x.shape[1:] and other.x.dtype == first.x.dtype
        both = (other.y is None) == (first.y is None) and other.per_step == first.per_step
        if not same or not both or (first.y is not None and other.y.shape[1:] != first.y.shape[1:]):  # type: ignore[union-attr]
            raise Mistake(f"{other.path} does not hold arrays of the same kind as {first.path}.")
    y = None if first.y is None else np.concatenate([each.y for each in found])
    return Sequences(
        first.path, np.concatenate([each.x for each in found]), np.concatenate([each.lengths for each in found]), y,
        first.per_step, np.repeat(np.arange(3), [len(each.lengths) for each in found]), first.notes,
    )  # fmt: skip


def _inferred(found: Sequences) -> str:
    if found.y is None:
        kind, why = ("language_model", "tokens") if found.x.ndim == 1 else ("forecasting", "real numbers")
        why = f"there is no y, and x holds {why}"
    elif found.y.dtype.kind == "f":
        kind, why = ("per_step_regression" if found.per_step else "regression"), "y holds real numbers"
        if (found.y == np.round(found.y)).all() and len(np.unique(found.y)) <= 20:
            why += ", though all of them are whole: where they are classes, give data.task"
    else:
        kind, why = ("per_step" if found.per_step else "classification"), "y holds classes"
    found.notes.append(f"data.task was taken as {kind}, since {why}.")
    if found.x.ndim == 1:
        found.notes.append("x holds whole numbers, (n, time), and was taken for tokens; save features as real numbers.")
    return kind


def as_targets(kind: str, found: Sequences) -> np.ndarray | None:
    """The targets as a task needs them: (targets,) text for classes, (targets, values) float64 for regression.

    Raises:
        Mistake: when the file does not hold what the task needs.
    """
    y, tokens = found.y, found.x.ndim == 1
    holds, words = {
        "classification": (y is not None and not found.per_step and y.shape[1] == 1, "y of shape (n,)"),
        "per_step": (y is not None and found.per_step and y.shape[1] == 1, "y of shape (n, time)"),
        "regression": (y is not None and not found.per_step, "y of shape (n,) or (n, values)"),
        "per_step_regression": (y is not None and found.per_step, "y of shape (n, time) or (n, time, values)"),
        "language_model": (tokens, "x of whole numbers, (n, time)"),
        "forecasting": (not tokens, "x of real numbers"),
    }[kind]
    if not holds:
        raise Mistake(f"data.task={kind} needs {words}, which {found.path} does not have.")
    if y is None or kind in ("language_model", "forecasting"):
        return None
    if "regression" in kind:
        if y.dtype.kind not in "iufb":
            raise Mistake(f"data.task={kind} needs numbers in y, but {found.path} has text there, e.g. {y[0, 0]!r}.")
        return y.astype(np.float64)
    whole = y.dtype.kind == "f" and (y == np.round(y)).all()
    return (y.astype(np.int64) if whole else y)[:, 0].astype(str)
