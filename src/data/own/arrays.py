"""What an .npz file of the user's holds, checked: sequences, and a target for each or for each step."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.config.errors import UserError, nearest
from src.data.own import row_splits as parts

KEYS = ("x", "y", "lengths")


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


def read_sequences(path: str, part_key: str | None = None) -> Sequences:
    """Read an .npz file and check all that it holds.

    Raises:
        UserError: names the array, and the row and step of the first entry that is broken.
    """
    file = Path(path).expanduser()
    notes: list[str] = []
    arrays = _load(file, KEYS if part_key is None else (*KEYS, part_key), notes)
    x = arrays["x"]
    if x.ndim not in (2, 3) or 0 in x.shape or x.dtype.kind not in "iufb":
        raise UserError(
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
            raise UserError(
                f"{file}: x[{row}, {step}] is {table[row, step]}, but a token is a whole number of at least 0."
            )
    else:
        _refuse_not_finite(file, "x", table, inside)
    y, per_step = None, False
    if "y" in arrays:
        y, per_step = _targets(file, arrays["y"], n, time, inside)
    part = _parts(file, arrays, part_key, n) if part_key is not None else None
    return Sequences(file, flat, lengths, y, per_step, part, notes)


def _load(file: Path, wanted: tuple[str, ...], notes: list[str]) -> dict[str, np.ndarray]:
    """The wanted arrays of a file, as far as it has them; others are named in the notes and not looked at."""
    if not file.is_file():
        raise UserError(f"data.path={file} is not a file: give the path of an .npz file.")
    arrays, key = {}, ""
    try:
        with open(file, "rb") as raw:
            found = np.load(raw, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise UserError(f"{file} is a single array: save it with np.savez, as x=..., y=..., lengths=....")
            if "x" not in found.files:
                raise UserError(f"{file} has no array x; it has {', '.join(found.files) or 'none at all'}.")
            if other := [name for name in found.files if name not in wanted]:
                notes.append(
                    f"Arrays that were not read: {', '.join(other)}; those that are read are x, y and lengths."
                )
            for key in (key for key in wanted if key in found.files):
                arrays[key] = found[key]
            if wanted[-1] not in found.files and wanted[-1] not in KEYS:
                near = nearest(wanted[-1], found.files)
                raise UserError(
                    f"data.splits={wanted[-1]} is not an array of {file}{near}; it has {', '.join(found.files)}."
                )
    except UserError:
        raise
    except ValueError as error:
        if not key:
            raise UserError(f"{file} is not an .npz file, or is damaged ({error}).") from error
        way = "pad the sequences to one array and give their lengths" if key == "x" else f"save {key}.astype(str)"
        raise UserError(
            f"{file}: {key} is an array of Python objects, which would have to be unpickled; {way}."
        ) from error
    except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise UserError(f"{file} is not an .npz file, or is damaged ({type(error).__name__}).") from error
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
            raise UserError(
                f"{file}: lengths has shape {lengths.shape} and type {lengths.dtype}; it must be {n} whole numbers, "
                "one "
                "for each row of x."
            )
        lengths = lengths.astype(np.int64)
    wrong = (lengths < 1) | (lengths > time)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"{file}: lengths[{row}] is {lengths[row]}, but x has {time} steps; it must be between 1 and {time}."
        )
    return lengths


def _targets(file: Path, y: np.ndarray, n: int, time: int, inside: np.ndarray) -> tuple[np.ndarray, bool]:
    if y.ndim < 1 or y.ndim > 3 or len(y) != n or y.dtype.kind not in "iufbUS" or 0 in y.shape:
        raise UserError(
            f"{file}: y has shape {y.shape} and type {y.dtype}; it must begin with {n}, one for each row of x, and "
            "hold "
            "numbers or text."
        )
    per_step = y.ndim >= 2 and y.shape[1] == time and not (y.ndim == 2 and time == 1)
    if y.ndim == 3 and not per_step:
        raise UserError(
            f"{file}: y has shape {y.shape}; with one target at each step it must be ({n}, {time}, values)."
        )
    if y.ndim == 2 and y.shape[1] == 1 and not per_step:
        y = y[:, 0]
    shaped = y.reshape(n, time if per_step else 1, -1)
    there = inside if per_step else np.ones((n, 1), bool)
    if y.dtype.kind == "f":
        _refuse_not_finite(file, "y", shaped, there)
    return shaped[there], per_step


def _parts(file: Path, arrays: dict[str, np.ndarray], key: str, n: int) -> np.ndarray:
    words = np.char.lower(arrays[key].astype(str))
    if words.shape != (n,):
        raise UserError(f"{file}: {key} has shape {words.shape}; it must be {n} entries that say train, val or test.")
    if (other := ~np.isin(words, list(parts.WORDS))).any():
        row = int(other.argmax())
        raise UserError(f"{file}: {key}[{row}] is {str(arrays[key][row])!r}, which must be train, val or test.")
    return np.array([parts.WORDS[word] for word in words.tolist()])


def _refuse_not_finite(file: Path, name: str, table: np.ndarray, inside: np.ndarray) -> None:
    bad = ~np.isfinite(table) & inside[..., None]
    if bad.any():
        row, step, feature = np.argwhere(bad)[0]
        raise UserError(
            f"{file}: {name}[{row}, {step}, {feature}] is {table[row, step, feature]}, which no network here can "
            "read; fill "
            "it, or end the sequence before it with lengths."
        )


def joined(found: list[Sequences]) -> Sequences:
    """The files of train, validation and test as one.

    Raises:
        UserError: when they do not hold the same kinds of arrays.
    """
    first = found[0]
    for other in found[1:]:
        same = other.x.shape[1:] == first.x.shape[1:] and other.x.dtype == first.x.dtype
        both = (other.y is None) == (first.y is None) and other.per_step == first.per_step
        if not same or not both or (first.y is not None and other.y.shape[1:] != first.y.shape[1:]):  # type: ignore[union-attr]
            raise UserError(f"{other.path} does not hold arrays of the same kind as {first.path}.")
    y = None if first.y is None else np.concatenate([each.y for each in found])
    return Sequences(
        first.path, np.concatenate([each.x for each in found]), np.concatenate([each.lengths for each in found]), y,
        first.per_step, np.repeat(np.arange(3), [len(each.lengths) for each in found]), first.notes,
    )  # fmt: skip


def find_task(found: Sequences) -> str:
    """The task that the arrays call for; why is noted."""
    if found.y is None:
        tokens, roll = found.x.ndim == 1, is_roll(found)
        kind, why = ("language_model", "tokens") if tokens else ("forecasting", "real numbers")
        kind, why = ("music", "zeros and ones") if roll else (kind, why)
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


def is_roll(found: Sequences) -> bool:
    """Whether x holds several features of zeros and ones, as a piano roll does."""
    return found.x.ndim == 2 and found.x.shape[1] > 1 and bool(np.isin(found.x, (0, 1)).all())


def as_targets(kind: str, found: Sequences) -> np.ndarray | None:
    """The targets as a task needs them: (targets,) text for classes, (targets, values) float64 for regression.

    Raises:
        UserError: when the file does not hold what the task needs.
    """
    y, tokens = found.y, found.x.ndim == 1
    holds, words = {
        "classification": (y is not None and not found.per_step and y.shape[1] == 1, "y of shape (n,)"),
        "per_step": (y is not None and found.per_step and y.shape[1] == 1, "y of shape (n, time)"),
        "regression": (y is not None and not found.per_step, "y of shape (n,) or (n, values)"),
        "per_step_regression": (y is not None and found.per_step, "y of shape (n, time) or (n, time, values)"),
        "language_model": (tokens, "x of whole numbers, (n, time)"),
        "music": (is_roll(found), "x of zeros and ones, (n, time, features)"),
        "forecasting": (not tokens, "x of real numbers"),
    }[kind]
    if not holds:
        shape = "" if y is None or y.shape[1] == 1 else f" (its rows of y hold {y.shape[1]} values)"
        raise UserError(f"data.task={kind} needs {words}, which {found.path} does not have{shape}.")
    if y is None or kind in ("language_model", "music", "forecasting"):
        return None
    if "regression" in kind:
        if y.dtype.kind not in "iufb":
            raise UserError(f"data.task={kind} needs numbers in y, but {found.path} has text there, e.g. {y[0, 0]!r}.")
        return y.astype(np.float64)
    whole = y.dtype.kind == "f" and (y == np.round(y)).all()
    return (y.astype(np.int64) if whole else y)[:, 0].astype(str)
