"""Gates and states of networks over time, below the sequence they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.figures.canvas import look, new_figure, say, whole_steps
from src.figures.inputs import DIVERGING, Shown, heat, show_input, symmetric
from src.figures.palette import styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNIT = 0.0085  # inches of the height of a unit at least: 1.7 pixels at 200 dpi, so that none falls between two rows
SEQUENTIAL = "cividis"  # from closed to open; also for colour-blind readers, and in grey
# Rows of the figure: corresponding gates of GRU and LSTM, by name and axis label.
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
    """Draw heat maps side by side, one row per gate and state.

    Args:
        columns: one for each network.
        what: the title: which layer of which sequence.
    """
    rows = [row for row in ROWS if any(name in column.values for column in columns for name in row)]
    looks = styles(column.model for column in columns)
    tokens = [len(t) for column in columns if column.shown.kind == "tokens" for t in column.shown.names]
    top = 1.1 if any(column.shown.kind != "tokens" for column in columns) else 0.35 + 0.05 * max(0, max(tokens) - 2)
    units = max(value.shape[1] for column in columns for value in column.values.values())
    row_height = max(0.95, UNIT * units)
    figure = new_figure(1.2 + 3.6 * len(columns), 1.3 + 0.95 * top + row_height * len(rows))
    heights = [0.95 * top, *[row_height] * len(rows)]
    grid = figure.subplots(len(rows) + 1, len(columns), sharex="col", squeeze=False, height_ratios=heights)
    for at, column in enumerate(columns):
        show_input(grid[0, at], column.shown)
        grid[0, at].set_title(column.model, color=looks[column.model].colour, fontweight="bold")
        grid[-1, at].set_xlabel(column.shown.steps)
        whole_steps(grid[-1, at])
        grid[-1, at].set_xlim(-0.5, len(next(iter(column.values.values()))) - 0.5)
    for place, row in enumerate(rows, start=1):
        span, colours = range_of([column.values[n] for column in columns for n in row if n in column.values], row)
        image = None
        for at, column in enumerate(columns):
            axes: Axes = grid[place, at]
            name = next((n for n in row if n in column.values), None)
            if name is None:
                axes.grid(False)
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                axes.tick_params(axis="x", length=0)
                say(axes, f"no {' or '.join(row.values())}")
                continue
            values = column.values[name]
            image = heat(axes, values[:, list(column.order)] if len(column.order) else values, colours, span)
            note = f"\n({column.note})" if name == "update" and column.note else ""
            axes.set_ylabel(f"{row[name]}{note}\n{values.shape[1]} units")
            axes.set_yticks([])
        if image is not None:
            ends = "both" if "cell" in row else "neither"
            bar = figure.colorbar(image, ax=list(grid[place]), aspect=8, pad=0.01, fraction=0.04, extend=ends)
            bar.ax.tick_params(labelsize=7)
    figure.suptitle(what, fontsize=9)
    figure.align_ylabels()
    return figure


def range_of(values: Sequence[np.ndarray], row: Mapping[str, str]) -> tuple[tuple[float, float], str]:
    """Return the colour range of a row: 0 to 1 for gates, around zero for states."""
    if any("gate" in words for words in row.values()):
        return (0.0, 1.0), SEQUENTIAL
    if "cell" in row:
        # A few cells that count far would leave all other units without visible colour.
        return symmetric(np.concatenate([value.ravel() for value in values]), 0.95), DIVERGING
    return (-1.0, 1.0), DIVERGING
