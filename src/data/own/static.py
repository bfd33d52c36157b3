"""Columns with one value a series (its size, its kind), as numbers that each step of it reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.config.errors import UserError
from src.data.own.cells import text_array
from src.data.own.roles import Rows
from src.data.plain import kept


@kept
class Static:
    """Columns as they were in the training part: a number by mean and deviation, a category one-hot."""

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]  # of each, sorted; () of numbers
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, names: Sequence[str], rows: Rows, trained: np.ndarray) -> Static:
        """Learn them from the series that are ``trained`` on, (series,).

        Raises:
            UserError: a series has no value, or two.
        """
        categories: list[tuple[str, ...]] = []
        moments: list[tuple[float, float]] = []
        for name in names:
            cells, numbers = (values[trained] for values in of_series(rows, name))
            words = bool(np.isnan(numbers).any())
            categories.append(tuple(np.unique(cells).tolist()) if words else ())
            moments.append((0.0, 1.0) if words else (float(numbers.mean()), float(numbers.std()) or 1.0))
        mean, scale = zip(*moments, strict=True)
        return cls(tuple(names), tuple(categories), mean, scale)

    def of(self, rows: Rows) -> np.ndarray:
        """(series, values) of what each step reads; a category that was not trained on is none of those known.

        Raises:
            UserError: a series has no value, or two, or a word where numbers were trained on.
        """
        columns: list[np.ndarray] = []
        for name, known, mean, scale in zip(self.names, self.categories, self.mean, self.scale, strict=True):
            cells, numbers = of_series(rows, name)
            if known:
                columns += [(cells == category).astype(float) for category in known]
                if (new := ~np.isin(cells, known)).any():
                    rows.table.note(f"{cells[new.argmax()]} in {name} was not trained on: it is no known category.")
                continue
            if np.isnan(numbers).any():
                word = cells[int(np.isnan(numbers).argmax())]
                raise UserError(f"{rows.table.files[0]}: {name} holds {word!r}, but numbers were trained on.")
            columns.append((numbers - mean) / scale)
        return np.stack(columns, 1)


def of_series(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(series,) the value of each as text, from one of its rows or all, and as a number, NaN where it is none.

    Raises:
        UserError: a series has none, or two different ones, by line.
    """
    cells = rows.table.text(name)
    there = (cells != "").to_numpy()
    value = cells.where(there).groupby(rows.groups).transform("first")
    rows.table.refuse(value.isna(), name, "a column of data.static has a value for each series, and {cell} is none")
    rows.table.refuse(
        there & (cells != value).to_numpy(),
        name,
        "{cell} is a second value in its series, and data.static is for columns that do not change: data.features "
        "reads one that does, or data.known where it is known ahead",
    )
    numbers = pd.Series(rows.table.parsed(name)[0]).where(there).groupby(rows.groups).first()
    return text_array(value)[rows.first], numbers.to_numpy()
