"""Columns with one value per series (its size, its kind), as numeric inputs of every step."""

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
    """Columns as fitted on the training part: numbers standardised, categories one-hot."""

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]  # of each column, sorted; () for numbers
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, names: Sequence[str], rows: Rows, trained: np.ndarray) -> Static:
        """Fit on the series that are ``trained`` on, (series,).

        Raises:
            UserError: a series has no value, or two.
        """
        categories: list[tuple[str, ...]] = []
        moments: list[tuple[float, float]] = []
        for name in names:
            cells, numbers = (values[trained] for values in of_series(rows, name))
            words = bool(np.isnan(numbers).any())
            categories.append(tuple(np.unique(cells).tolist()) if words else ())
            mean, scale = float(numbers.mean()), float(numbers.std())
            constant = scale <= 1e-12 * np.abs(numbers).max(initial=0)  # 0.1 thrice has a deviation of 1e-17
            moments.append((0.0, 1.0) if words else (mean, 1.0 if constant else scale))
        return cls(tuple(names), tuple(categories), *zip(*moments, strict=True))

    def of(self, rows: Rows) -> np.ndarray:
        """Return the inputs of each step (series, values); an unknown category becomes all zeros.

        Raises:
            UserError: a series has no value or two, or a word in a column of numbers.
        """
        columns: list[np.ndarray] = []
        for name, known, mean, scale in zip(self.names, self.categories, self.mean, self.scale, strict=True):
            cells, numbers = of_series(rows, name)
            if known:
                columns += [(cells == category).astype(float) for category in known]
                if (new := ~np.isin(cells, known)).any():
                    rows.table.note(f"{name} has a category not seen in training: {cells[new.argmax()]}.")
                continue
            if np.isnan(numbers).any():
                word = cells[int(np.isnan(numbers).argmax())]
                raise UserError(f"{rows.table.files[0]}: {name} has {word!r}, but must be numeric as in training.")
            columns.append((numbers - mean) / scale)
        return np.stack(columns, 1)


def of_series(rows: Rows, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return each series' value (series,) as text, from one or all of its rows, and as a number or NaN.

    Raises:
        UserError: a series has no value, or two different ones; names the line.
    """
    cells = rows.table.text(name)
    there = (cells != "").to_numpy()
    value = cells.where(there).groupby(rows.groups).transform("first")
    rows.table.refuse(value.isna(), name, "a column of data.static needs a value for each series, got {cell}")
    rows.table.refuse(
        there & (cells != value).to_numpy(),
        name,
        "{cell} is a second value in its series, but columns of data.static must be constant: use data.features for "
        "one that changes, or data.known if it is known in advance",
    )
    numbers = pd.Series(rows.table.parsed(name)[0]).where(there).groupby(rows.groups).first()
    return text_array(value)[rows.first], numbers.to_numpy()
