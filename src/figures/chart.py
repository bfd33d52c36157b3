"""The content of a figure before it is drawn: axes and layers of plain numbers.

`src.figures.comparison` makes charts from arrays, `src.figures.still` draws them with matplotlib for SVG and print,
`src.figures.interactive` for plotly in a page. Both show the same numbers in the same colours. A layer without a model
name has the colour of the text; a label of None has no legend entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Axis:
    """One axis of a chart."""

    label: str  # with the unit
    log: bool = False  # base 10
    range: tuple[float, float] | None = None  # lowest and highest value shown; None: fit the layers
    ticks: dict[float, str] = field(default_factory=dict)  # text for values where numbers would be meaningless


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


@dataclass(frozen=True)
class Region:
    """A shaded range of x: the margin, or an extended range."""

    low: float
    high: float
    label: str  # in the legend; may be empty


Layer = Dots | Line | Estimate | Rule | Region


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
