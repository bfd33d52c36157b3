"""Draw charts with matplotlib, for SVG and print."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from src.figures.canvas import look, new_figure
from src.figures.chart import Axis, Chart, Dots, Estimate, Line, Region, Rule, Words
from src.figures.palette import LIGHT, Style, styles
from src.figures.scales import log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = Style(LIGHT["ink"], "o", ":")
WIDTH = 4.4  # inches of a figure in a page, which are stretched to its column
UPRIGHT_CHARACTERS = 32  # that fit beside a panel
LEGEND_CHARACTERS = 54  # that fit beside each other under a panel
NAME_CHARACTERS = 48  # of names along x that fit beside each other, with two for each space; more are slanted
TICKS = 5  # intervals of an axis at most: each costs a label and a line, and a report may have hundreds of panels


def draw(charts: Sequence[Chart], columns: int = 2, looks: Mapping[str, Style] | None = None) -> Figure:
    """Draw one figure with a panel for each chart.

    Args:
        charts: from the top left.
        columns: panels side by side.
        looks: styles of models shared by several figures; None: those of the charts' models.
    """
    looks = looks or styles(name for chart in charts for name in chart.models)
    columns = min(columns, len(charts)) or 1
    rows = -(-len(charts) // columns)
    with look():
        heights = [max(map(_inches, charts[columns * i : columns * (i + 1)]), default=3.2) for i in range(rows)]
        figure = new_figure(0.4 + 4.2 * columns, 0.3 + sum(heights))
        panels = figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel()
        for panel, chart in zip(panels, charts, strict=False):
            _panel(panel, chart, looks)
        for panel in panels[len(charts) :]:
            panel.set_axis_off()
    return figure


def inline(chart: Chart, looks: Mapping[str, Style], name: str, height: float) -> str:
    """Return a chart as an SVG element, without title, y label and notes, which the page shows; it fills the width.

    Colours of ink, grid and background are variables of the page (``var(--ink)``), so that it is dark if the page is.

    Args:
        chart: what to show.
        looks: of the models.
        name: a name that no other figure of the page has.
        height: in inches.
    """
    bare = replace(chart, title="", notes=[], y=replace(chart.y, label=""))
    file = io.StringIO()
    with look():
        figure = new_figure(WIDTH, height)
        _panel(figure.subplots(), bare, looks)
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    svg = re.sub(r'(<svg )(?:width|height)="[^"]*" ?', r"\1", re.sub(r' (?:width|height)="[\d.]+pt"', "", svg))
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family: [^;]*; ?", "", svg)  # the page's own
    # Positions in tenths of a point, a fifth of a pixel; the labels between the tags keep all their digits.
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"\d+\.\d{3,}", lambda n: f"{float(n[0]):.1f}", tag[0]), svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg)  # nothing refers to groups
    svg = re.sub(r"\n([LQCz])", r"\1", svg)  # a path's points on one line
    for key, colour in LIGHT.items():
        svg = re.sub(rf"{colour}\b", f"var(--{key})", svg, flags=re.IGNORECASE)
    # Words in the colour of a model, which is bright enough for lines but not for letters.
    svg = re.sub(r"(<text [^>]*fill: )(#\w{6})", r"\1color-mix(in srgb, \2 60%, var(--ink))", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="{name}-t" ', 1)


def _inches(chart: Chart) -> float:
    """Return the height of a panel: where rows have names, it grows with them."""
    return 1.2 + 0.7 * len(chart.y.ticks) if chart.y.ticks else 3.2


def _panel(panel: Axes, chart: Chart, looks: Mapping[str, Style]) -> None:
    from matplotlib.transforms import ScaledTranslation

    ends = chart.at_ends()
    for i, layer in enumerate(chart.layers):
        style = looks.get(getattr(layer, "model", ""), INK)
        named = layer if i in ends and isinstance(layer, Line) else None
        _LAYERS[type(layer)](panel, replace(named, label=None) if named else layer, style)
        if named:
            panel.annotate(
                named.label or "",
                (1, ends[i]),
                xycoords="axes fraction",
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=style.colour,
            )
    panel.set_title(chart.title)
    _axis(panel, chart.x, "x")
    _axis(panel, chart.y, "y")
    handles, labels = panel.get_legend_handles_labels()
    kept = {label: handle for handle, label in zip(handles, labels, strict=True)}
    columns = max(1, LEGEND_CHARACTERS // (6 + max(map(len, kept), default=0)))
    below = 32.0 if chart.x.label else 20.0  # points occupied below the axes
    if _slanted(chart.x):
        below += 2.4 * max(map(len, chart.x.ticks.values()))
    if kept:
        panel.legend(
            list(kept.values()),
            list(kept),
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=panel.transAxes + ScaledTranslation(0, -below / 72, panel.figure.dpi_scale_trans),
            borderaxespad=0,
            borderpad=0,
            ncols=columns,
            fontsize=8,
            markerscale=0.8,
            columnspacing=1.2,
        )
        below += 4 + 12 * -(-len(kept) // columns)
    if chart.notes:
        panel.annotate(
            textwrap.fill(" ".join(chart.notes), 84),
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -below),
            textcoords="offset points",
            va="top",
            fontsize=6,
            color=LIGHT["faint"],
        )


def _axis(panel: Axes, axis: Axis, side: Literal["x", "y"]) -> None:
    from matplotlib.ticker import NullFormatter

    label = textwrap.fill(axis.label, UPRIGHT_CHARACTERS) if side == "y" and "\n" not in axis.label else axis.label
    setting: dict[str, Any] = {f"{side}label": label}
    if axis.log:
        setting[f"{side}scale"] = "log"
    if axis.range is not None:
        setting[f"{side}lim"] = axis.range
    panel.set(**setting)
    if not axis.log:
        panel.locator_params(axis=side, nbins=TICKS, integer=axis.whole)
    ticks = log_ticks(*axis.range) if axis.log and axis.range else axis.ticks
    if ticks:
        place: dict[str, Any] = {}
        if side == "x" and _slanted(axis):
            place = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        (panel.set_xticks if side == "x" else panel.set_yticks)(list(ticks), list(ticks.values()), **place)
        (panel.xaxis if side == "x" else panel.yaxis).set_minor_formatter(NullFormatter())
    if axis.ticks:
        panel.grid(visible=False, axis=side)


def _slanted(axis: Axis) -> bool:
    return sum(len(name) + 2 for name in axis.ticks.values()) > NAME_CHARACTERS


def _dots(panel: Axes, dots: Dots, style: Style) -> None:
    from matplotlib.colors import to_rgba

    edge, hollow = to_rgba(style.colour, dots.opacity), set(dots.hollow)
    panel.scatter(
        dots.x,
        dots.y,
        s=dots.size**2 * 0.8,
        marker=dots.symbol or style.marker,
        facecolors=[(0, 0, 0, 0) if i in hollow else edge for i in range(len(dots.x))],
        edgecolors=[edge if i in hollow else LIGHT["page"] for i in range(len(dots.x))],
        linewidths=[1.1 if i in hollow else 0.5 for i in range(len(dots.x))],
        label=dots.label,
        zorder=3,
        clip_on=False,
    )


def _line(panel: Axes, line: Line, style: Style) -> None:
    if len(line.low):
        panel.fill_between(line.x, line.low, line.high, color=style.colour, alpha=0.18, linewidth=0)
    dash = "-" if line.solid else style.dash
    panel.plot(line.x, line.y, dash, color=style.colour, linewidth=line.width, alpha=line.opacity, label=line.label)


def _estimate(panel: Axes, estimate: Estimate, style: Style) -> None:
    bar: Any = panel.hlines if estimate.horizontal else panel.vlines
    width = 2.4 if estimate.thick else 1.0
    bar(estimate.at, estimate.low, estimate.high, colors=style.colour, linewidth=width, zorder=4)
    place = (estimate.value, estimate.at) if estimate.horizontal else (estimate.at, estimate.value)
    tick = {"marker": "|" if estimate.horizontal else "_", "markersize": 11 if estimate.thick else 6}
    panel.plot(*place, color=style.colour, markeredgewidth=1.8 if estimate.thick else 1.0, zorder=5, **tick)  # type: ignore[arg-type]


def _rule(panel: Axes, rule: Rule, _: Style) -> None:
    setting: dict[str, Any] = {"color": LIGHT["faint"], "linestyle": rule.dash, "linewidth": 0.9, "zorder": 2}
    if rule.extent:
        panel.hlines(rule.value, *rule.extent, **setting)
    else:
        (panel.axhline if rule.horizontal else panel.axvline)(rule.value, **setting)
    if rule.label and rule.horizontal:
        panel.annotate(
            rule.label,
            (int(rule.at_end), rule.value),
            xycoords=("axes fraction", "data"),
            xytext=(-2 if rule.at_end else 2, 2),
            textcoords="offset points",
            ha="right" if rule.at_end else "left",
            fontsize=8,
            color=LIGHT["faint"],
        )


def _region(panel: Axes, region: Region, _: Style) -> None:
    label = region.label or None
    panel.axvspan(region.low, region.high, color=LIGHT["ink"], alpha=0.09, linewidth=0, label=label)


def _words(panel: Axes, words: Words, _: Style) -> None:
    panel.annotate(
        words.text,
        (words.x, words.y),
        xytext=(0, -7 if words.below else 7),
        textcoords="offset points",
        ha="center",
        va="top" if words.below else "bottom",
        fontsize=8,
        color=LIGHT["faint"],
    )


_LAYERS: dict[type, Any] = {
    **{Dots: _dots, Line: _line, Estimate: _estimate, Rule: _rule, Region: _region, Words: _words}
}
