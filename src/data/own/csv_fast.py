"""Read large regular CSV files with pandas (with Arrow if installed) rather than cell by cell."""

from __future__ import annotations

import importlib.util
import mmap
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from src.data.own.cells import MISSING, Table, as_cells

LARGE = 4_000_000  # bytes from which this is faster
HEAD = 1 << 16  # bytes inspected to tell whether a file is regular
PLAIN_NAME = re.compile(r"[^\W\d][\w .()/%°-]*")
MISSING_AS_WRITTEN = sorted(
    {form for word in MISSING for form in (word, word.upper(), word.title(), word.capitalize())}
)
MISSING_AS_WRITTEN += ["NaN", "NaT", "N/a"]


def read_plain(path: Path, separators: str, separator: str | None, encoding: str) -> Table | None:
    """Read a file with a header and no quoted cells; return None if it is less regular than that.

    Every row is a line of the file, and numbers are exact to the last digit, so the result is the same as that of
    :func:`src.data.own.csv_table.read_table`, which handles ambiguous cases (thousands separators, ragged rows).
    """
    if encoding.lower() not in ("utf-8-sig", "utf-8", "utf8") or path.suffix == ".gz":
        return None
    if path.stat().st_size < LARGE or (separator is not None and len(separator) != 1):
        return None
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8-sig", errors="replace")
    first, _, rest = head.partition("\n")
    separator = separator or max(separators, key=first.count)
    names = [name.strip() for name in first.rstrip("\r").split(separator)]
    if '"' in head or separator == " " or len({*names}) < len(names) or not all(map(PLAIN_NAME.fullmatch, names)):
        return None
    if any(line.count(separator) != len(names) - 1 for line in rest.splitlines()[:-1]):
        return None
    try:
        frame = _parsed(path, separator, encoding)
        kept = _as_written(frame, path, separator)
        texts = frame.iloc[:, []]
        if kept:
            texts = pd.read_csv(path, sep=separator, encoding=encoding, usecols=kept, dtype="str", na_filter=False)
    except (ValueError, UnicodeDecodeError):  # pandas raises ValueError; the cell-by-cell reader reports the problem
        return None
    if (
        not len(frame) == len(texts) == _lines(path) - 1
        or list(frame.columns.str.strip()) != names
        or frame.isna().all(axis=1).any()
    ):
        return None
    texts = texts.set_axis([names[k] for k in kept], axis=1)
    frame = frame.set_axis(names, axis=1).assign(**texts).apply(as_cells)
    if any(_doubtful(frame[name]) for name in names):
        return None
    rows = np.arange(len(frame))
    return Table(frame, [path], np.zeros(len(frame), np.int8), rows + 2, separator=separator)


def _parsed(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    arrow = importlib.util.find_spec("pyarrow") is not None
    return pd.read_csv(
        path,
        sep=separator,
        encoding=encoding,
        na_values=MISSING_AS_WRITTEN,
        keep_default_na=False,
        **({"engine": "pyarrow"} if arrow else {"engine": "c", "float_precision": "round_trip", "low_memory": False}),
    )


def _as_written(frame: pd.DataFrame, path: Path, separator: str) -> list[int]:
    """Return the columns with cells that may be names or classes, but not as numbers: none, True, 1.0, 007."""
    kinds, kept = pd.api.types, list[int]()
    whole = [k for k, dtype in enumerate(frame.dtypes) if kinds.is_integer_dtype(dtype)]
    if whole and _has_leading_zeros(path, separator):
        kept += whole
    for k, dtype in enumerate(frame.dtypes):
        if kinds.is_float_dtype(dtype):
            values = frame.iloc[:, k].dropna()
            kept += [] if (values % 1 != 0).any() else [k]
        elif not (kinds.is_integer_dtype(dtype) or kinds.is_datetime64_any_dtype(dtype)):
            kept.append(k)
    return sorted(kept)


def _has_leading_zeros(path: Path, separator: str) -> bool:
    """Return whether a cell of a file is a whole number with leading zeros."""
    sign = re.escape(separator.encode())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return re.search(rb"[\n%b] *0\d+ *[%b\r\n]" % (sign, sign), content) is not None


def _lines(path: Path) -> int:
    """Count the lines of a file, the last of which may lack a line ending."""
    number, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            number, last = number + piece.count(b"\n"), piece[-1:]
    return number + (last != b"\n")


def _doubtful(column: pd.Series) -> bool:
    """Return whether a numeric column may have thousands separators: some whole numbers, else three decimals."""
    if not pd.api.types.is_float_dtype(column):
        return False
    values = column.to_numpy()[:10_000]
    values = np.abs(values[np.isfinite(values)])
    broken = values[values % 1 != 0]
    three = np.isclose(broken * 1000, np.round(broken * 1000), rtol=0, atol=1e-6) & (broken >= 1) & (broken < 1000)
    return bool(len(broken) and three.all() and (values % 1 == 0).any())


def without(column: pd.Series, codes: Sequence[str | float]) -> pd.Series:
    """Return a column in which cells that equal one of ``codes``, or numbers that do, are missing."""
    words = [str(code) for code in codes]
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if pd.api.types.is_numeric_dtype(column):
        return column.mask(column.isin(pd.to_numeric(words, errors="coerce")))
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    return column.mask(column.isin(words) | numbers.isin([code for code in codes if not isinstance(code, str)]), "")
