"""Gates and states of networks over time, below the sequence they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.figures.canvas import look, new_figure, whole_steps
from src.figures.inputs import DIVERGING, FEATURES, Shown, heat, show_input, symmetric
from src.figures.palette import styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = 0.0085  # inches of the height of a unit at least: 1.7 pixels at 200 dpi, so that none falls between two rows
SEQUENTIAL = "cividis"  # from closed to open; even for people who see no red or green, and in grey
# From the top; what a GRU and an LSTM have in common has the same colours, by name and words for the axis.
ROWS: tuple[dict[str, str], ...] = (
    {"update": "update gate", "forget": "forget gate"},
    {"reset": "reset gate", "input": "input gate"},
    {"output": "output gate"},
    {"candidate": "candidate"},
    {"cell": "cell"},
    {"hidden": "hidden state"},
)


@dataclass(frozen=True)
class Column:
    """One network's part of the figure."""

    model: str  # its name, which sets the colour
    shown: Shown  # what it read
    values: Mapping[str, np.ndarray]  # by the name of a gate or state, (steps, units)
    order: Sequence[int] = ()  # of the units, from the bottom; () leaves them as they are
    note: str = ""  # beside the update gate: what it does with the old state


@look()
def draw_gates(columns: Sequence[Column], what: str) -> Figure:
    """Draw heat maps below each other, one for each gate and state of a network, under the sequence it read.

    A sequence that several networks read is drawn once, on top of all.

    Args:
        columns: one for each network.
        what: the title: which layer of which sequence.
    """
    looks = styles(column.model for column in columns)
    panels: list[tuple[Column, str | None]] = []  # a network, and a gate or state of it or None for what it read
    for at, column in enumerate(columns):
        if not at or not _same(column.shown, columns[at - 1].shown):
            panels.append((column, None))
        panels += [(column, name) for row in ROWS for name in row if name in column.values]
    spans = {
        name: range_of([column.values[n] for column in columns for n in row if n in column.values], row)
        for row in ROWS
        for name in row
    }
    heights = [
        _input_height(of.shown) if name is None else max(0.62, UNIT * of.values[name].shape[1]) for of, name in panels
    ]
    figure = new_figure(7.2, 0.9 + sum(heights) + 0.12 * len(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    drawn: set[str] = set()
    for axes, (column, name) in zip(grid, panels, strict=True):
        if name is None:
            show_input(axes, column.shown)
            continue
        if column.model not in drawn:
            axes.set_title(column.model, color=looks[column.model].colour, fontweight="bold", fontsize=9)
            drawn.add(column.model)
        span, colours = spans[name]
        values = column.values[name]
        image = heat(axes, values[:, list(column.order)] if len(column.order) else values, colours, span)
        words = next(row[name] for row in ROWS if name in row)
        note = f"\n({column.note})" if name == "update" and column.note else ""
        axes.set_ylabel(f"{words}{note}\n{values.shape[1]} units", rotation=0, ha="right", va="center", fontsize=8)
        axes.set_yticks([])
        bar = figure.colorbar(
            image, ax=axes, aspect=9, pad=0.01, fraction=0.03, extend="both" if name == "cell" else "neither"
        )
        bar.set_label("opening" if colours == SEQUENTIAL else "value", fontsize=7)
        bar.ax.tick_params(labelsize=6)
    grid[-1].set_xlabel(columns[0].shown.steps)
    whole_steps(grid[-1])
    grid[-1].set_xlim(-0.5, max(len(value) for column in columns for value in column.values.values()) - 0.5)
    figure.suptitle(what, fontsize=9)
    return figure


def _same(one: Shown, other: Shown) -> bool:
    return (one.kind, one.names) == (other.kind, other.names) and np.array_equal(one.values, other.values)


def _input_height(shown: Shown) -> float:
    """Return the height in inches: long token names are upright, and each feature has a row with its name."""
    if shown.kind == "tokens":
        return 0.35 + 0.05 * max(0, max(map(len, shown.names), default=0) - 2)
    return max(1.0, 0.1 * min(shown.values.shape[1], FEATURES)) if shown.kind == "heat" else 1.0


def range_of(values: Sequence[np.ndarray], row: Mapping[str, str]) -> tuple[tuple[float, float], str]:
    """Return the colour range of a row: 0 to 1 for gates, around zero for states."""
    if any("gate" in words for words in row.values()):
        return (0.0, 1.0), SEQUENTIAL
    if values and "cell" in row:
        # A few cells that count far would leave all other units without visible colour.
        return symmetric(np.concatenate([value.ravel() for value in values]), 0.95), DIVERGING
    return (-1.0, 1.0), DIVERGING
