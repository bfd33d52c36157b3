"""Store data in memory as a file for the commands: data frames as CSV, arrays and PyTorch data sets as .npz."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.config.errors import UserError, counted
from src.files import write_atomically

STORE = ".data"  # the folder for data from memory, in that of the runs
DIALECT = {"separator": "comma", "decimal": "point"}  # of the CSV files written here, in UTF-8


def kept(data: Any, y: Any, folder: Path, name: str) -> Path:
    """Return the file with data from memory, below ``folder``; equal data share a file.

    Args:
        data: a pandas data frame or series; an array (sequences, time[, features]); a list of arrays (time[,
            features]), one per sequence; or a ``torch.utils.data.Dataset`` of such arrays, or of pairs (x, y).
        y: targets for arrays, one per sequence or one per step; None if there are none, or the data include them.
        folder: folder for such files.
        name: name of the file, without extension.

    Raises:
        UserError: the data have another form.
    """
    frame = isinstance(data, pd.DataFrame | pd.Series)
    if frame and y is not None:
        raise UserError('y is for arrays: for a data frame, name the column with target="NAME".')
    content = _csv(data) if frame else _npz(data, y)
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / digest / f"{name}.{'csv' if frame else 'npz'}"
    if not path.is_file():
        write_atomically(path, lambda out: out.write(content))
    return path


def is_kept(path: Path) -> bool:
    """Return whether :func:`kept` has made a file in a folder named :data:`STORE`.

    >>> is_kept(Path("runs/.data/0123456789abcdef/load.csv")), is_kept(Path("load.csv"))
    (True, False)
    """
    return path.parent.parent.name == STORE


def column(name: Any) -> str:
    """Return a data-frame column's name in a file, where a number is not a valid name."""
    text = str(name)
    return f"x{text}" if text.replace(".", "", 1).replace("-", "", 1).isdigit() else text


def _csv(data: pd.DataFrame | pd.Series) -> bytes:
    """Convert whole columns to CSV; an informative index (times, or named) becomes a column."""
    frame = data.to_frame(data.name or "value") if isinstance(data, pd.Series) else data
    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        frame = frame.set_axis(index.to_timestamp().rename(index.name))
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
        frame = frame.rename_axis("time")
    if isinstance(index, pd.MultiIndex) or frame.index.name is not None:
        frame = frame.reset_index(allow_duplicates=True)
    frame = frame.set_axis([column(name) for name in frame.columns], axis=1)
    if not frame.shape[0] or not frame.shape[1]:
        raise UserError(
            f"The data frame has {frame.shape[0]} rows and {frame.shape[1]} columns, but needs at least one of each."
        )
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise UserError(f"The data frame has two columns named {twice[0]}: rename one.")
    for name in frame.columns:
        if isinstance(cell := next(iter(frame[name].dropna()), None), list | tuple | np.ndarray):
            raise UserError(
                f"Column {name} has a {type(cell).__name__} in each row: give a list of arrays, one per sequence, and "
                "their targets as y, or use frame.explode(...) with a column that numbers the sequences."
            )
        if pd.api.types.is_bool_dtype(frame[name]):
            frame[name] = frame[name].astype("Int64")
    text: str = frame.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    return text.encode()


def _npz(data: Any, y: Any) -> bytes:
    import torch.utils.data

    if isinstance(data, torch.utils.data.Dataset):
        if y is not None:
            raise UserError("A Dataset includes its targets, as pairs (x, y): drop y.")
        data, y = _items(data)
    arrays = _sequences(data)
    if y is not None:
        arrays["y"] = _targets(y, arrays)
    out = BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _items(dataset: Any) -> tuple[list[Any], list[Any] | None]:
    """Return the x and, if items are pairs, the y of a PyTorch data set."""
    sized = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    items = [dataset[k] for k in range(len(dataset))] if sized else list(dataset)
    if not items:
        raise UserError("The Dataset is empty.")
    if not isinstance(items[0], list | tuple):
        return items, None
    if other := [item for item in items if not isinstance(item, list | tuple) or len(item) != 2]:
        got = counted(len(other[0]), "part") if isinstance(other[0], list | tuple) else "some of each"
        raise UserError(f"An item of the Dataset must be x or a pair (x, y), got {got}.")
    return [x for x, _ in items], [y for _, y in items]


def _array(value: Any, what: str) -> np.ndarray:
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()  # which has no bfloat16
    try:
        array = np.asarray(value)
    except ValueError:
        raise UserError(f"{what} must have rows of equal length.") from None
    if array.dtype == object and all(isinstance(cell, str) for cell in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "iufbU":
        raise UserError(
            f"{what} must be numbers{' or words' * (what == 'y')}, got {type(value).__name__} of {array.dtype}."
        )
    return array


def _sequences(data: Any) -> dict[str, np.ndarray]:
    """Return ``x``, and for separate sequences ``lengths``, with the sequences stored end to end."""
    if not isinstance(data, list | tuple):
        if not hasattr(data, "__array__"):
            raise UserError(
                f"data must be a data frame, an array (sequences, time, features), a list of arrays, a Dataset or "
                f"the path of a file, got {type(data).__name__}."
            )
        return {"x": _array(data, "data")}
    pieces = [_array(one, f"data[{k}]") for k, one in enumerate(data)]
    shapes = {piece.shape[1:] for piece in pieces}
    if not pieces or len(shapes) > 1 or pieces[0].ndim not in (1, 2):
        found = ", ".join(str(piece.shape) for piece in pieces[:3]) or "none"
        raise UserError(f"A list must contain arrays (time, features) or (time,) of equal width, got {found}.")
    return {"x": np.concatenate(pieces), "lengths": np.array([len(piece) for piece in pieces])}


def _targets(y: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return one target per sequence, or if targets are as long as their sequences, one per step, end to end."""
    number = len(arrays.get("lengths", arrays["x"]))
    if isinstance(y, pd.Series):
        y = y.to_numpy()
    try:
        given = len(y)
    except TypeError:
        raise UserError(f"y must have one entry per sequence, got {type(y).__name__}.") from None
    if given != number:
        raise UserError(f"y must have one entry per sequence, got {given} for {number} sequences.")
    if "lengths" in arrays and isinstance(y, list | tuple) and not _alone(y[0]):
        pieces = [_array(one, "y") for one in y]
        if all(len(piece) == length for piece, length in zip(pieces, arrays["lengths"], strict=True)):
            return np.concatenate(pieces)
        if len({piece.shape for piece in pieces}) > 1:
            raise UserError("y must have one target per sequence, or one per step of each sequence.")
    return _array([_array(one, "y") for one in y] if isinstance(y, list | tuple) else y, "y")


def _alone(value: Any) -> bool:
    """Return whether a target is a single value, rather than one per step."""
    return isinstance(value, str) or np.ndim(value) == 0


def listed(value: Any) -> Any:
    """Return names of columns in their config form: one, or a list."""
    if isinstance(value, Sequence | pd.Index | np.ndarray) and not isinstance(value, str):
        return [column(name) for name in value]
    return None if value is None else column(value)
