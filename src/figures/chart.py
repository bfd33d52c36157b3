"""The content of a figure before it is drawn: axes and layers of plain numbers.

`src.figures.comparison` makes charts from arrays, `src.figures.still` draws them with matplotlib for SVG and print,
`src.figures.interactive` for plotly in a page. Both show the same numbers in the same colours. A layer without a model
name has the colour of the text; a label of None has no legend entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

DIRECT = 4  # lines at most that have their names at their ends, where a legend would make the eye go back and forth
LONGEST = 18  # letters of such a name at most
K = TypeVar("K")  # what names are told apart by
APART = 0.075  # of the height of the axes, between two such names


@dataclass(frozen=True)
class Axis:
    """One axis of a chart."""

    label: str  # with the unit
    log: bool = False  # base 10
    range: tuple[float, float] | None = None  # lowest and highest value shown; None: fit the layers
    ticks: dict[float, str] = field(default_factory=dict)  # text for values where numbers would be meaningless
    whole: bool = False  # counts something, such as epochs: no ticks between whole numbers


@dataclass(frozen=True)
class Dots:
    """Single values of one model, e.g. one per run."""

    model: str  # which sets colour and marker
    x: Sequence[float]
    y: Sequence[float]
    text: Sequence[str] = ()  # what hovering shows; lines are separated by newlines
    hollow: Sequence[int] = ()  # indices of those drawn as rings, to be interpreted with care
    symbol: str | None = None  # matplotlib's marker; None: the model's
    size: float = 5.0  # in points
    label: str | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Line:
    """A line of one model, with a band where ``low`` and ``high`` are given."""

    model: str  # which sets colour and dash
    x: Sequence[float]  # ascending
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    text: Sequence[str] = ()  # what hovering shows, for each x
    width: float = 1.8  # in points
    opacity: float = 1.0
    solid: bool = False  # drawn without the model's dash
    label: str | None = None


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval."""

    model: str  # which sets the colour
    at: float  # position on the axis perpendicular to the interval
    value: float
    low: float
    high: float
    horizontal: bool = False  # the interval runs along x
    text: str = ""  # what hovering shows
    thick: bool = True  # drawn heavily: the one that the verdict uses


@dataclass(frozen=True)
class Rule:
    """A straight line at a value: a published result, a trivial baseline, zero."""

    value: float
    label: str  # beside it; may be empty
    horizontal: bool = True  # along x
    dash: str = "--"  # matplotlib's
    extent: tuple[float, float] | None = None  # of a horizontal one, from and to; None: all of the axis
    at_end: bool = True  # the label of a horizontal one is at its right end, otherwise at its left


@dataclass(frozen=True)
class Region:
    """A shaded range of x: the margin, or an extended range."""

    low: float
    high: float
    label: str  # in the legend; may be empty


@dataclass(frozen=True)
class Words:
    """A few words at a place, e.g. the value beside an arrow at the edge of an axis."""

    x: float
    y: float
    text: str
    below: bool = False  # of the place; False: above it


Layer = Dots | Line | Estimate | Rule | Region | Words


@dataclass(frozen=True)
class Chart:
    """One picture."""

    title: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]  # from the back to the front
    notes: list[str] = field(default_factory=list)  # sentences about what the axes omit

    @property
    def models(self) -> list[str]:
        """Names whose colours the chart needs, in the order of the layers, without the empty name."""
        named = [layer.model for layer in self.layers if isinstance(layer, Dots | Line | Estimate)]
        return [name for name in dict.fromkeys(named) if name]

    def at_ends(self) -> dict[int, float]:
        """Return the height of each labelled line's name beside the right edge, by the index of its layer.

        Heights are shares of the height of the axes, and names do not overlap. The result is empty if a legend has to
        name the lines: there are more than :data:`DIRECT`, a name is too long, or the axis has no range.
        """
        lines = {i: of for i, of in enumerate(self.layers) if isinstance(of, Line) and of.label and len(of.y) > 1}
        labels = [str(line.label) for line in lines.values()]
        crowded = len(lines) > DIRECT or max(map(len, labels), default=0) > LONGEST
        if crowded or len(set(labels)) < len(labels) or self.y.range is None:
            return {}
        scale = math.log10 if self.y.log else float
        low, high = map(scale, self.y.range)
        ends = {i: min(1.0, max(0.0, (scale(line.y[-1]) - low) / (high - low))) for i, line in lines.items()}
        return set_apart(ends)


def set_apart(ends: Mapping[K, float]) -> dict[K, float]:
    """Return heights of names beside the right edge, as shares of the axes, moved just enough to keep them apart.

    >>> {name: round(at, 3) for name, at in set_apart({"gru": 0.5, "lstm": 0.5}).items()}
    {'gru': 0.463, 'lstm': 0.537}
    """
    from scipy.optimize import isotonic_regression

    if not ends:
        return {}
    order = sorted(ends, key=ends.__getitem__)
    room = [APART * i for i in range(len(order))]
    # What is left after the room for the names below may not fall: the least squares of that are these.
    fitted = isotonic_regression([ends[name] - below for name, below in zip(order, room, strict=True)]).x
    at = {n: float(min(max(0.0, fit), 1 - room[-1]) + r) for n, fit, r in zip(order, fitted, room, strict=True)}
    return {name: at[name] for name in ends}
