"""What a picture shows, before anybody draws it: axes and layers of plain numbers.

`src.figures.comparison` makes charts from arrays, `src.figures.still` draws them with matplotlib for SVG and print,
`src.figures.interactive` for plotly in a page. Both show the same numbers in the same colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    >>> Axis("learning rate", log=True).range is None
    True

    Args:
        label: with the unit.
        log: logarithmic, base 10.
        range: lowest and highest value shown; None: what the layers need.
        ticks: values and their words, where numbers would say nothing (names of models).
    """

    label: str
    log: bool = False
    range: tuple[float, float] | None = None
    ticks: dict[float, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dots:
    """Single values of one model, e.g. one for each run.

    >>> Dots("gru", [0.0], [8.5], ["seed 0"]).hollow
    ()

    Args:
        model: whose colour and marker they have; one that is no model's has the ink's.
        x: of each.
        y: of each.
        text: what hovering shows; lines are separated by newlines.
        hollow: indices of those drawn as rings: to be read with care.
        symbol: matplotlib's marker; None: the model's.
        size: in points.
        label: in the legend; None: no entry.
        opacity: from 0 to 1.
    """

    model: str
    x: Sequence[float]
    y: Sequence[float]
    text: Sequence[str] = ()
    hollow: Sequence[int] = ()
    symbol: str | None = None
    size: float = 5.0
    label: str | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Line:
    """A line of one model, with a band where ``low`` and ``high`` are given.

    >>> Line("gru", [0, 1], [9.0, 8.5], label="gru").width
    1.8

    Args:
        model: whose colour and dash it has.
        x: ascending.
        y: of each x.
        low: lower edge of the band.
        high: upper edge of it.
        text: what hovering shows, for each x.
        width: in points.
        opacity: of the line.
        solid: drawn without the model's dash.
        label: in the legend; None: no entry.
    """

    model: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    text: Sequence[str] = ()
    width: float = 1.8
    opacity: float = 1.0
    solid: bool = False
    label: str | None = None


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval.

    >>> Estimate("gru", 0.0, 8.5, 8.45, 8.55).horizontal
    False

    Args:
        model: whose colour it has; one that is no model's has the ink's.
        at: place on the axis that the interval does not run along.
        value: the mean.
        low: end of the interval.
        high: end of the interval.
        horizontal: the interval runs along x.
        text: what hovering shows.
        thick: drawn heavily: the one that the answer uses.
        label: in the legend; None: no entry.
    """

    model: str
    at: float
    value: float
    low: float
    high: float
    horizontal: bool = False
    text: str = ""
    thick: bool = True
    label: str | None = None


@dataclass(frozen=True)
class Rule:
    """A straight line at a value: a published figure, a trivial baseline, zero.

    >>> Rule(8.54, "Chung et al. 2014", horizontal=True).dash
    '--'

    Args:
        value: where it stands.
        label: beside it; may be empty.
        horizontal: along x.
        dash: matplotlib's.
        extent: from and to on the axis it runs along; None: all of it.
    """

    value: float
    label: str
    horizontal: bool = True
    dash: str = "--"
    extent: tuple[float, float] | None = None


@dataclass(frozen=True)
class Region:
    """A shaded stretch of one axis: the margin, an extended range.

    >>> Region(-0.05, 0.05, "margin").horizontal
    False

    Args:
        low: its beginning.
        high: its end.
        label: in the legend.
        horizontal: a stretch of y that runs along x.
    """

    low: float
    high: float
    label: str
    horizontal: bool = False


Layer = Dots | Line | Estimate | Rule | Region


@dataclass(frozen=True)
class Chart:
    """One picture.

    >>> Chart("jsb_chorales", Axis("epoch"), Axis("val/nll"), []).notes
    []

    Args:
        title: short.
        x: axis.
        y: axis.
        layers: from the back to the front.
        notes: sentences of what the axes leave out.
    """

    title: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]
    notes: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Names whose colours the chart needs, in the order of the layers; the empty name is nobody's."""
        named = [layer.model for layer in self.layers if isinstance(layer, Dots | Line | Estimate)]
        return [name for name in dict.fromkeys(named) if name]
