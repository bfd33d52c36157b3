"""The user's own arrays: x, y and lengths in an .npz file, for any task."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from src.arrays import HoldsObjects, array_names, in_parts, of_tokens, read_array, read_arrays
from src.config.errors import UserError, agreeing, counted, nearest
from src.data.describe import Description, Features, Horizon, Tokens
from src.data.module import NewData, Widened, checksum, say_large
from src.data.own.forms import SEQUENCES, form_of
from src.data.own.labelled import NEXT, OwnData, has_labels
from src.data.own.row_splits import NUMBER_OF, by_order, files_of
from src.data.scaling import PART
from src.data.windows import Series

KEYS = ("x", "y", "lengths", "offsets")
SINGLE = re.compile(r"(x|arr)_\d+", re.IGNORECASE)  # arrays with one sequence each
IGNORED = "-100"  # the label of a step that PyTorch's losses ignore
ROLLS = (88, 128)  # features of a piano roll: the keys of a piano, or all of MIDI
VOCABULARY = 1 << 20  # tokens at most: each has its own embedding and output, so a few more would fill memory
log = logging.getLogger(__name__)


class NPZ(OwnData):
    """Padded arrays ``x``, ``y`` and ``lengths`` in an .npz file; docs/file_formats.md describes the options."""

    form = "npz"
    tasks: ClassVar[tuple[str, ...]] = (
        *("classification", "per_step", "regression", "per_step_regression"),
        *("language_model", "music", "forecasting"),
    )
    fitted: ClassVar[tuple[str, ...]] = ("kind", "scaling")
    kind: str

    def __init__(self, *, standardise: bool = True, unlabelled: int | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.standardise, self.unlabelled = standardise, {IGNORED, IGNORED if unlabelled is None else str(unlabelled)}

    def read(self) -> Description:
        """Read and check the arrays, split, fit and scale."""
        say_large(self.path)
        key = self.splits_wanted if isinstance(self.splits_wanted, str) else None
        sequences = read_sequences(self.path, key, self.split_by)
        if files := files_of(self.splits_wanted):
            sequences = joined([sequences, *(read_sequences(file, None, self.split_by) for file in files)])
        self.kind = self.task or find_task(sequences)
        arrays = (sequences.lengths, sequences.y, sequences.split)
        wide = np.int64 if sequences.tokens else np.float64
        self.checksum = checksum(Widened(sequences.x, wide), *(array for array in arrays if array is not None))
        sequences, y = self._as_needed(sequences)
        items = np.arange(len(sequences.lengths))
        if y is not None and self.kind == "per_step":
            labelled = np.add.reduceat(y != "", np.cumsum(sequences.lengths) - sequences.lengths) > 0
            y = y[np.repeat(labelled, sequences.lengths)]
            sequences, items = sequences.take(labelled), items[labelled]
        for sentence in sequences.notes:
            log.info("%s: %s", sequences.path.name, sentence)
        self.note(sequences.notes)
        x, lengths = sequences.x, sequences.lengths
        split_of = self.kept_together(sequences.owners, sequences.split)
        if self.kind != "forecasting":
            return self.fill(self.kind, x, lengths, y, split_of, items=items, standardise=self.standardise)
        of_rows = by_order(self.splits_wanted, lengths) if split_of is None else np.repeat(split_of, lengths)
        names = [f"x{k}" for k in range(x.shape[1])]
        return self.forecasting(Series(x.astype(np.float64), lengths, of_rows, names, names), season=None)

    def new_data(self, path: str) -> NewData:
        """Read the sequences of a new file, scaled like the training file, with targets if the file has them."""
        description = self.description
        new = read_sequences(path)
        if new.tokens != isinstance(description.input, Tokens):
            raise UserError(
                f"{path}: x has {'tokens' if new.tokens else 'real numbers'}, but the run was trained on "
                f"{'real numbers' if new.tokens else 'tokens'}."
            )
        if isinstance(description.input, Features) and new.x.shape[1] != description.input.size:
            raise UserError(f"{path}: x has {new.x.shape[1]} features, but the run reads {description.input.size}.")
        if isinstance(description.input, Tokens) and new.x.max() >= description.input.vocabulary:
            raise UserError(
                f"{path}: x has the token {int(new.x.max())}, but the vocabulary of the run has only tokens below "
                f"{description.input.vocabulary}."
            )
        names = [str(k) for k in range(len(new.lengths))]
        if isinstance(description.output, Horizon):
            if new.lengths.min() < self.lookback:
                rows = counted(int(new.lengths.min()), "row")
                raise UserError(f"{path}: a series has {rows}, but a forecast reads {self.lookback}.")
            chosen = np.arange(len(names))
            x = new.x.astype(np.float64)
            return NewData(self.last_rows(names, x, new.lengths, chosen, description.output), names, False)
        there = new.y is not None or self.kind in NEXT
        new, y = self._as_needed(new) if there else (new, None)
        split = self.new_split(self.kind, new.x, new.lengths, y, str(path))
        return NewData(split, names, there and has_labels(split.targets))

    def _as_needed(self, sequences: Sequences) -> tuple[Sequences, np.ndarray | None]:
        """Return sequences and targets in the form that the task needs; unlabelled steps have no target."""
        if self.kind == "music" and sequences.velocities:
            sequences.notes.append(
                f"x has whole numbers up to {int(sequences.x.max())}, read as velocities: each above 0 is a "
                "sounding note."
            )
            sequences = replace(sequences, x=np.sign(sequences.x))
        y = as_targets(self.kind, sequences)
        if y is not None and self.kind == "per_step" and (gone := np.isin(y, list(self.unlabelled))).any():
            labels = " and ".join(np.unique(y[gone]))
            steps = int(gone.sum())
            words = f"{counted(steps, 'step')} with the label {labels} {agreeing('are', steps)}"
            sequences.notes.append(f"{words} ignored in loss and metrics.")
            y = np.where(gone, "", y)
        if y is not None and self.kind == "per_step" and "-1" in y:
            sequences.notes.append("-1 was read as a class; set data.unlabelled=-1 if it marks unlabelled steps.")
        return sequences, y


@dataclass(frozen=True)
class Sequences:
    """The checked content of a file, with sequences end to end."""

    path: Path
    x: np.ndarray  # (total steps, features) of any numeric type, or (total steps,) whole numbers (tokens)
    lengths: np.ndarray  # (sequences,) steps of each
    y: np.ndarray | None  # (sequences, values), or (total steps, values) if per_step; None if the file has none
    per_step: bool
    split: np.ndarray | None  # (sequences,) 0 train, 1 validation, 2 test; None: not stated
    owners: np.ndarray | None  # (sequences,) the owner of each, by data.split_by; None if not set
    notes: list[str]  # what was inferred, in sentences

    @property
    def tokens(self) -> bool:
        """Whether x has tokens rather than features."""
        return self.x.ndim == 1

    @property
    def is_roll(self) -> bool:
        """Whether x has several features of zeros and ones, like a piano roll."""
        return (
            not self.tokens
            and self.x.shape[1] > 1
            and all(np.isin(part, (0, 1)).all() for part in in_parts(self.x, PART))
        )

    @property
    def velocities(self) -> bool:
        """Whether x has whole numbers up to 127, mostly 0, like a piano roll with velocities."""
        if self.tokens or self.x.shape[1] == 1 or self.is_roll:
            return False
        whole = all(
            part.min() >= 0 and part.max() <= 127 and (part == np.round(part)).all() for part in in_parts(self.x, PART)
        )
        return bool(whole and (self.x == 0).mean() > 0.5)

    def take(self, rows: np.ndarray) -> Sequences:
        """Select sequences by a mask (sequences,), and note the others as dropped."""
        if rows.all():
            return self
        steps = np.repeat(rows, self.lengths)
        gone = int((~rows).sum())
        self.notes.append(f"{counted(gone, 'sequence')} without any label {agreeing('were', gone)} dropped.")
        return replace(
            self,
            x=self.x[steps],
            lengths=self.lengths[rows],
            y=None if self.y is None else self.y[steps if self.per_step else rows],
            split=None if self.split is None else self.split[rows],
            owners=None if self.owners is None else self.owners[rows],
        )


def read_sequences(path: str, split_key: str | None = None, owner_key: str | None = None) -> Sequences:
    """Read and check an .npz or .npy file; the keys name the arrays with splits and owners.

    Raises:
        UserError: an array is missing or invalid; the message gives the row and step of the first invalid entry.
    """
    file = Path(path).expanduser()
    notes: list[str] = []
    keys = {"splits": split_key, "split_by": owner_key}
    arrays = _load(file, {option: key for option, key in keys.items() if key is not None}, notes)
    x, y, lengths = arrays["x"], arrays.get("y"), arrays.get("lengths")
    if (ends := _ends(file, x, lengths, arrays.get("offsets"))) is not None:
        # Pad end-to-end sequences to rows of one length, so that all are checked alike.
        notes.append(f"x has {counted(len(ends), 'sequence')}, stored end to end.")
        per_step = y is not None and len(y) == len(x) and len(ends) != len(x)
        x, lengths = _padded(x, ends), np.diff(ends, prepend=0)
        y = _padded(y, ends) if per_step and y is not None else y
    if x.ndim not in (2, 3) or 0 in x.shape or x.dtype.kind not in "iufb":
        raise UserError(
            f"{file}: x must have shape (n, time, features) or (n, time) and hold numbers, got shape {x.shape} of "
            f"type {x.dtype}."
        )
    tokens = x.ndim == 2 and x.dtype.kind in "iu"
    n, time = x.shape[:2]
    table = x if tokens else x.reshape(n, time, -1)
    lengths = _lengths(file, lengths, table, notes)
    inside = np.arange(time)[None, :] < lengths[:, None]
    if tokens and (outside := inside & ((table < 0) | (table >= VOCABULARY))).any():
        row, step = np.argwhere(outside)[0]
        raise UserError(
            f"{file}: x[{row}, {step}] is {table[row, step]}, but tokens must be whole numbers of at least 0 and below "
            f"{VOCABULARY:,}: number them from 0, or save features as real numbers."
        )
    if not tokens:
        _refuse_not_finite(file, "x", table, inside)
    per_step = False
    if y is not None:
        y, per_step = _targets(file, y, n, time, inside)
    split = _splits(file, arrays[split_key], split_key, n) if split_key is not None else None
    owners = arrays[owner_key] if owner_key is not None else None
    if owners is not None and owners.shape != (n,):
        raise UserError(f"{file}: {owner_key} must have {n} entries, one per row of x, got shape {owners.shape}.")
    flat = table.reshape(n * time, *table.shape[2:]) if inside.all() else table[inside]
    return Sequences(
        file,
        flat.astype(of_tokens(int(flat.max()) + 1)) if tokens else flat,
        lengths,
        y,
        per_step,
        split,
        owners,
        notes,
    )


def _load(file: Path, more: dict[str, str], notes: list[str]) -> dict[str, np.ndarray]:
    """Return the arrays of a file, including ``more`` by option; others are noted and ignored.

    Sequences in separate arrays (``np.savez(FILE, *sequences)``) are stored end to end.
    """
    form = form_of(file)
    if form not in SEQUENCES:
        raise UserError(f"{file} is not an .npz file, or is damaged; use data=file for tables, texts and audio.")
    if form == "npy":
        try:
            return {"x": read_array(file)}
        except HoldsObjects as error:
            raise _with_advice(error, {error.name}) from error
    wanted = (*KEYS, *more.values())
    names = array_names(file)
    any_case = {name.lower(): name for name in names if name.lower() in KEYS}
    called = {name: any_case.get(name, name) if name not in names else name for name in wanted}
    single = sorted((n for n in names if SINGLE.fullmatch(n)), key=lambda n: int(n.rpartition("_")[2]))
    single = [] if called["x"] in names else single
    if called["x"] not in names and not single:
        raise UserError(f"{file} has no array x; it has {', '.join(names[:10]) or 'none at all'}.")
    if other := [name for name in names if name not in {*called.values(), *single}]:
        notes.append(f"Ignored arrays: {', '.join(other)}; only x, y and lengths are read.")
    try:
        arrays = read_arrays(file, {*called.values(), *single})
    except HoldsObjects as error:
        raise _with_advice(error, {called["x"], *single}) from error
    for name, array in arrays.items():
        if array.dtype.kind == "S":
            try:
                arrays[name] = np.char.decode(array, "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(f"{file}: {name} has bytes that are not UTF-8: save it as text.") from error
    for option, key in more.items():
        if key not in names:
            near = nearest(key, names)
            raise UserError(f"data.{option}={key} is not an array of {file}{near}; it has {', '.join(names)}.")
    found = {key: arrays[name] for key, name in called.items() if name in arrays}
    if single:
        pieces = [arrays[name] for name in single]
        if len({(piece.ndim, *piece.shape[1:]) for piece in pieces}) > 1 or pieces[0].ndim not in (1, 2):
            raise UserError(f"{file}: {single[0]}, ... must each be a sequence of shape (time,) or (time, features).")
        found |= {"x": np.concatenate(pieces), "lengths": np.array([len(piece) for piece in pieces])}
    return found


def _with_advice(error: HoldsObjects, sequences: set[str]) -> UserError:
    """Add to the error about an object array a line that saves it properly; ``sequences`` names arrays of sequences."""
    one = "[len(s) for s in x]"
    way = f"np.savez(FILE, x=np.concatenate(x), lengths={one}, y=y) stores sequences of different length"
    way = way if error.name in sequences else f"save {error.name}.astype(str)"
    return UserError(f"{str(error).removesuffix('.')}; {way}.")


def _ends(file: Path, x: np.ndarray, lengths: np.ndarray | None, offsets: np.ndarray | None) -> np.ndarray | None:
    """Return the end of each sequence (sequences,) if they are stored end to end; None if x has a row for each."""
    given = lengths if offsets is None else offsets
    if given is None or given.ndim != 1 or given.dtype.kind not in "iu" or x.ndim not in (1, 2) or not len(given):
        return None
    if offsets is not None:
        inner = given[1:] if given[0] == 0 else given
        ends = inner if len(inner) and inner[-1] == len(x) else np.append(inner, len(x))
    elif x.ndim == 2 and len(given) == len(x):
        return None
    else:
        ends = np.cumsum(given)
    if ends[-1] != len(x):
        raise UserError(
            f"{file}: lengths must be {len(x)} whole numbers, one per row of x, or add up to {len(x)} if sequences are "
            f"stored end to end, got {len(given)} numbers that add up to {ends[-1]}."
        )
    if (short := np.diff(ends, prepend=0) < 1).any():
        raise UserError(
            f"{file}: sequence {int(short.argmax())} is empty according to "
            f"{'lengths' if offsets is None else 'offsets'}."
        )
    return ends.astype(np.int64)


def _padded(flat: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Convert (total steps, ...) to (sequences, time, ...), with zeros after the end of each."""
    lengths = np.diff(ends, prepend=0)
    inside = np.arange(lengths.max())[None, :] < lengths[:, None]
    out = np.zeros((*inside.shape, *flat.shape[1:]), flat.dtype)
    out[inside] = flat
    return out


def _lengths(file: Path, given: np.ndarray | None, table: np.ndarray, notes: list[str]) -> np.ndarray:
    n, time = table.shape[:2]
    lengths = given
    if lengths is None:
        if table.ndim == 2:
            return np.full(n, time)
        gone = np.isnan(table).all(2)[:, ::-1].cumprod(1).sum(1)
        if gone.any():
            number = counted(int((gone > 0).sum()), "sequence")
            notes.append(f"NaN at the end of {number} was read as padding.")
        lengths = time - gone
    elif lengths.shape != (n,) or lengths.dtype.kind not in "iuf" or (lengths != np.floor(lengths)).any():
        raise UserError(
            f"{file}: lengths must be {n} whole numbers, one per row of x, got shape {lengths.shape} of type "
            f"{lengths.dtype}."
        )
    if (wrong := (lengths < 1) | (lengths > time)).any():
        row = int(wrong.argmax())
        if given is None:
            raise UserError(f"{file}: x[{row}] is all NaN: remove the sequence.")
        raise UserError(
            f"{file}: lengths[{row}] is {lengths[row]}, but x has {counted(time, 'step')}: it must be between 1 and "
            f"{time}."
        )
    return lengths.astype(np.int64)


def _targets(file: Path, y: np.ndarray, n: int, time: int, inside: np.ndarray) -> tuple[np.ndarray, bool]:
    if y.ndim < 1 or y.ndim > 3 or len(y) != n or y.dtype.kind not in "iufbUS" or 0 in y.shape:
        raise UserError(
            f"{file}: y must hold {n} numbers or texts, one per row of x, got shape {y.shape} of type {y.dtype}."
        )
    per_step = y.ndim >= 2 and y.shape[1] == time and not (y.ndim == 2 and time == 1)
    if y.ndim == 3 and not per_step:
        raise UserError(f"{file}: y with one target per step must have shape ({n}, {time}, values), got {y.shape}.")
    shaped = y.reshape(n, time if per_step else 1, -1)
    there = inside if per_step else np.ones((n, 1), bool)
    if y.dtype.kind == "f":
        _refuse_not_finite(file, "y", shaped, there)
    return shaped[there], per_step


def _splits(file: Path, words: np.ndarray, key: str, n: int) -> np.ndarray:
    if words.shape != (n,):
        raise UserError(f"{file}: {key} must have {n} entries train, val or test, got shape {words.shape}.")
    numbers = [NUMBER_OF.get(word.lower()) for word in words.astype(str).tolist()]
    if None in numbers:
        row = numbers.index(None)
        raise UserError(f"{file}: {key}[{row}] must be train, val or test, got {str(words[row])!r}.")
    return np.array(numbers)


def _refuse_not_finite(file: Path, name: str, table: np.ndarray, inside: np.ndarray) -> None:
    bad = ~np.isfinite(table) & inside[..., None]
    if bad.any():
        row, step, feature = np.argwhere(bad)[0]
        raise UserError(
            f"{file}: {name}[{row}, {step}, {feature}] is {table[row, step, feature]}, but must be finite: fill it, or "
            "end the sequence before it with lengths."
        )


def joined(files: Sequence[Sequences]) -> Sequences:
    """Merge the files of train, validation and test.

    Raises:
        UserError: the files do not have the same kinds of arrays.
    """
    first = files[0]
    for other in files[1:]:
        same = other.x.shape[1:] == first.x.shape[1:] and other.tokens == first.tokens
        both = (other.y is None) == (first.y is None) and other.per_step == first.per_step
        if not same or not both or (first.y is not None and other.y.shape[1:] != first.y.shape[1:]):  # type: ignore[union-attr]
            raise UserError(f"{other.path} must have the same kinds of arrays as {first.path}.")
    return replace(
        first,
        x=np.concatenate([each.x for each in files]),
        lengths=np.concatenate([each.lengths for each in files]),
        y=None if first.y is None else np.concatenate([each.y for each in files]),
        split=np.repeat(np.arange(3), [len(each.lengths) for each in files]),
        owners=None if first.owners is None else np.concatenate([each.owners for each in files]),
    )


def find_task(sequences: Sequences) -> str:
    """Infer the task from the arrays, and note the reason."""
    y, per_step = sequences.y, sequences.per_step
    if y is None:
        kind, holds = ("language_model", "tokens") if sequences.tokens else ("forecasting", "real numbers")
        kind, holds = ("music", "zeros and ones") if sequences.is_roll else (kind, holds)
        if sequences.velocities and sequences.x.shape[1] in ROLLS:
            kind, holds = "music", "the velocities of a piano roll"
        why = f"there is no y and x has {holds}"
    elif y.dtype.kind == "f":
        kind, why = ("per_step_regression" if per_step else "regression"), "y has real numbers"
        if (y == np.round(y)).all() and len(np.unique(y)) <= 20:
            why += ", all of them whole: if they are classes, set data.task"
    else:
        kind, why = ("per_step" if per_step else "classification"), "y holds classes"
    sequences.notes.append(f"data.task={kind} was inferred, because {why}.")
    if sequences.tokens:
        sequences.notes.append("x has whole numbers of shape (n, time), read as tokens; save features as real numbers.")
    return kind


def as_targets(kind: str, sequences: Sequences) -> np.ndarray | None:
    """Return targets as a task needs them: (targets,) text for classes, (targets, values) float64 for regression.

    Raises:
        UserError: the file lacks what the task needs.
    """
    y, per_step = sequences.y, sequences.per_step
    values = 0 if y is None else y.shape[1]
    holds, words = {
        "classification": (values == 1 and not per_step, "y of shape (n,)"),
        "per_step": (values == 1 and per_step, "y of shape (n, time)"),
        "regression": (values > 0 and not per_step, "y of shape (n,) or (n, values)"),
        "per_step_regression": (values > 0 and per_step, "y of shape (n, time) or (n, time, values)"),
        "language_model": (sequences.tokens, "x of whole numbers, (n, time)"),
        "music": (sequences.is_roll, "x of zeros and ones, (n, time, features)"),
        "forecasting": (not sequences.tokens, "x of real numbers"),
    }[kind]
    if not holds:
        shape = f" (its y has {values} values per row)" if values > 1 else ""
        raise UserError(f"data.task={kind} needs {words}, which {sequences.path} does not have{shape}.")
    if y is None or kind in ("language_model", "music", "forecasting"):
        return None
    if "regression" in kind:
        if y.dtype.kind not in "iufb":
            raise UserError(
                f"data.task={kind} needs numbers in y, but {sequences.path} has text there, e.g. {y[0, 0]!r}."
            )
        return y.astype(np.float64)
    whole = y.dtype.kind == "f" and (y == np.round(y)).all()
    return (y.astype(np.int64) if whole else y)[:, 0].astype(str)
