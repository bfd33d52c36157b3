"""Charts as plain plotly specifications, drawn by plotly.js in a page.

Colours of the page (ink, faint, grid) stand as ``@ink``: the page puts in those of its light or dark half.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from src.figures.chart import Axis, Chart, Dots, Estimate, Line, Region, Rule, Words
from src.figures.palette import PLOTLY_DASHES, SYMBOLS, Style
from src.figures.scales import log_ticks

INK = Style("@ink", "o", ":")


def specification(chart: Chart, looks: Mapping[str, Style]) -> dict[str, Any]:
    """Return a figure for plotly.js, ``{"data": [...], "layout": {...}}``.

    Args:
        chart: what to show; the page shows its title.
        looks: of the models.
    """
    layout: dict[str, Any] = {"xaxis": _axis(chart.x), "yaxis": _axis(chart.y), "shapes": [], "annotations": []}
    data: list[dict[str, Any]] = []
    ends = chart.at_ends()
    for i, layer in enumerate(chart.layers):
        style = looks.get(getattr(layer, "model", ""), INK)
        match layer:
            case Dots():
                data.append(_dots(layer, style))
            case Line():
                data += _line(replace(layer, label=None) if i in ends else layer, style)
                if i in ends:
                    layout["annotations"].append(_beside(layer, ends[i], style))
                    # Pixels beside the axes that the names take: plotly leaves no room for annotations by itself.
                    layout["meta"] = {"right": max(layout.get("meta", {}).get("right", 0), 7 * len(layer.label or ""))}
            case Estimate():
                data.append(_estimate(layer, style))
            case Rule():
                _rule(layer, layout, chart.y.log if layer.horizontal else chart.x.log)
            case Region():
                _region(layer, layout, data)
            case Words():
                layout["annotations"].append(_words(layer, chart.y.log))
    legend = any(trace.get("showlegend") for trace in data)
    return {"data": data, "layout": layout | {"hovermode": "closest", "showlegend": legend}}


def _axis(axis: Axis) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": {"text": html.escape(axis.label)}}
    if axis.log:
        shown |= {"type": "log"}
    if axis.range is not None:
        shown["range"] = [_round(math.log10(v) if axis.log else v) for v in axis.range]
    if axis.whole and axis.range is not None and axis.range[1] - axis.range[0] < 5:
        shown["dtick"] = 1  # plotly.js would place ticks at halves; further apart, its steps are whole
    if axis.log and axis.range is not None:
        ticks = log_ticks(*axis.range)
        shown |= {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    if axis.ticks:
        words = [_marked(text) for text in axis.ticks.values()]
        shown |= {"tickvals": list(axis.ticks), "ticktext": words, "showgrid": False}
    return shown


def _dots(dots: Dots, style: Style) -> dict[str, Any]:
    symbol = SYMBOLS[dots.symbol or style.marker]
    hollow = set(dots.hollow)
    marker: dict[str, Any] = {
        "color": style.colour,
        "size": round(1.5 * dots.size, 1),
        "opacity": dots.opacity,
        "symbol": [f"{symbol}-open" if i in hollow else symbol for i in range(len(dots.x))] if hollow else symbol,
        # A rim of the page's colour keeps points apart that lie on each other.
        "line": {
            "width": [1.6 if i in hollow else 0.7 for i in range(len(dots.x))] if hollow else 0.7,
            "color": [style.colour if i in hollow else "@page" for i in range(len(dots.x))] if hollow else "@page",
        },
    }
    return _trace(dots, "markers", dots.x, dots.y, dots.text) | {"marker": marker, "cliponaxis": False}


def _line(line: Line, style: Style) -> list[dict[str, Any]]:
    dash = "solid" if line.solid else PLOTLY_DASHES[style.dash]
    group = {"legendgroup": line.label} if line.label else {}
    traces: list[dict[str, Any]] = []
    if len(line.low):
        edge: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": _numbers(line.x), "line": {"width": 0}}
        edge |= {"hoverinfo": "skip", "showlegend": False, **group}
        traces.append(edge | {"y": _numbers(line.low)})
        traces.append(edge | {"y": _numbers(line.high), "fill": "tonexty", "fillcolor": _translucent(style.colour)})
    # Plotly has no entry in its legend for a line without any point.
    at = (line.x, line.y) if len(line.x) else ([math.nan], [math.nan])
    middle = _trace(line, "lines", *at, line.text, whole=len(line.text) == 1)
    stroke = {"color": style.colour, "width": line.width, "dash": dash}
    return [*traces, middle | {"line": stroke, "opacity": line.opacity, **group}]


def _estimate(estimate: Estimate, style: Style) -> dict[str, Any]:
    along = "x" if estimate.horizontal else "y"
    bar = {
        "type": "data",
        "symmetric": False,
        "array": [_round(estimate.high - estimate.value)],
        "arrayminus": [_round(estimate.value - estimate.low)],
        "color": style.colour,
        "thickness": 3 if estimate.thick else 1.2,
        "width": 0,
    }
    marker = {
        "symbol": "line-ns" if estimate.horizontal else "line-ew",
        "size": 9 if estimate.thick else 5,
        "color": style.colour,
        "line": {"color": style.colour, "width": 2.4 if estimate.thick else 1.2},
    }
    place = [estimate.value], [estimate.at]
    trace = _trace(estimate, "markers", *(place if estimate.horizontal else place[::-1]), [estimate.text])
    return trace | {f"error_{along}": bar, "marker": marker}


def _trace(
    layer: Dots | Line | Estimate, mode: str, x: Sequence[float], y: Sequence[float], text: Sequence[str],
    whole: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Points or a line with what hovering shows, for each point or the whole; the words are not markup."""
    trace: dict[str, Any] = {"type": "scatter", "mode": mode, "x": _numbers(x), "y": _numbers(y)}
    label = None if isinstance(layer, Estimate) else layer.label
    trace |= {"name": html.escape(label or layer.model), "showlegend": label is not None}
    marked = [_marked(words) for words in text]
    return trace | {"text": marked[0] if whole else marked, "hoverinfo": "text"} if marked else trace


def _rule(rule: Rule, layout: dict[str, Any], log: bool) -> None:
    line = {"color": "@faint", "width": 1.2, "dash": PLOTLY_DASHES[rule.dash]}
    shape = _shape("line", rule.horizontal, rule.value, rule.value, rule.extent)
    layout["shapes"].append(shape | {"line": line})
    if rule.label and rule.horizontal:
        at = _round(math.log10(rule.value) if log else rule.value)
        end, side = (1, "right") if rule.at_end else (0, "left")
        place = {"xref": "x domain", "x": end, "xanchor": side, "yref": "y", "y": at, "yanchor": "bottom"}
        words = {"text": html.escape(rule.label), "showarrow": False, "font": {"size": 11, "color": "@faint"}}
        layout["annotations"].append(place | words)


def _beside(line: Line, height: float, style: Style) -> dict[str, Any]:
    place = {"xref": "x domain", "x": 1, "xanchor": "left", "yref": "y domain", "y": round(height, 3)}
    font = {"size": 12, "color": f"@ink {style.colour}"}
    return place | {"yanchor": "middle", "text": html.escape(line.label or ""), "showarrow": False, "font": font}


def _words(words: Words, log: bool) -> dict[str, Any]:
    at = _round(math.log10(words.y) if log else words.y)
    place = {"xref": "x", "x": words.x, "yref": "y", "y": at, "yshift": -8 if words.below else 8}
    place |= {"yanchor": "top" if words.below else "bottom"}
    return place | {"text": _marked(words.text), "showarrow": False, "font": {"size": 11, "color": "@faint"}}


def _region(region: Region, layout: dict[str, Any], data: list[dict[str, Any]]) -> None:
    shape = _shape("rect", False, region.low, region.high)
    layout["shapes"].append(shape | {"fillcolor": "@ink", "opacity": 0.1, "line": {"width": 0}})
    if region.label:
        box: dict[str, Any] = {"symbol": "square", "size": 11, "color": "@ink", "opacity": 0.18}
        data.append(
            {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "marker": box, "showlegend": True}
            | {"name": html.escape(region.label), "hoverinfo": "skip"}
        )


def _shape(
    kind: str, horizontal: bool, low: float, high: float, extent: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Behind the points, from low to high on one axis and over an extent of the other, or all of it."""
    along, across = ("x", "y") if horizontal else ("y", "x")
    start, end = extent or (0, 1)
    return {
        "type": kind,
        f"{along}ref": along if extent else f"{along} domain",
        f"{along}0": start,
        f"{along}1": end,
        f"{across}ref": across,
        f"{across}0": _round(low),
        f"{across}1": _round(high),
        "layer": "below",
    }


def _marked(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def _translucent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5)) if colour.startswith("#") else (128, 128, 128)
    return f"rgba({red},{green},{blue},0.18)"


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_round(v) for v in values]


def _round(value: float) -> float | None:
    """Six digits: more than a screen shows, and a smaller page."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
