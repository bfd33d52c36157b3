"""Charts as plain plotly specifications, drawn by plotly.js in a page.

Colours of the page (ink, faint, grid) stand as ``@ink``: the page puts in those of its light or dark half.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from src.figures.chart import Axis, Chart, Dots, Estimate, Line, Region, Rule
from src.figures.palette import PLOTLY_DASHES, SYMBOLS, Style

INK = Style("@ink", "o", ":")


def specification(chart: Chart, looks: Mapping[str, Style]) -> dict[str, Any]:
    """``{"data": [...], "layout": {...}}`` for plotly.js.

    Args:
        chart: what to show; its title is left to the page.
        looks: of the models.
    """
    layout: dict[str, Any] = {
        "xaxis": _axis(chart.x),
        "yaxis": _axis(chart.y),
        "shapes": [],
        "annotations": [],
        "hovermode": "closest",
    }
    data: list[dict[str, Any]] = []
    for layer in chart.layers:
        style = looks.get(getattr(layer, "model", ""), INK)
        match layer:
            case Dots():
                data.append(_dots(layer, style))
            case Line():
                data += _line(layer, style)
            case Estimate():
                data.append(_estimate(layer, style))
            case Rule():
                _rule(layer, layout, chart.y.log if layer.horizontal else chart.x.log)
            case Region():
                _region(layer, layout, data)
    layout["showlegend"] = any(trace.get("showlegend") for trace in data)
    return {"data": data, "layout": layout}


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": html.escape(axis.label)}}
    if axis.log:
        found |= {"type": "log", "exponentformat": "power", "dtick": None}
    if axis.range is not None:
        found["range"] = [_round(math.log10(v) if axis.log else v) for v in axis.range]
    if axis.ticks:
        found |= {
            "tickvals": list(axis.ticks),
            "ticktext": [html.escape(t).replace("\n", "<br>") for t in axis.ticks.values()],
        }
        found["showgrid"] = False
    return found


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
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _numbers(dots.x),
        "y": _numbers(dots.y),
        "marker": marker,
        "name": html.escape(dots.label or dots.model),
        "showlegend": dots.label is not None,
        "cliponaxis": False,
        **_hover(dots.text),
    }


def _line(line: Line, style: Style) -> list[dict[str, Any]]:
    dash = "solid" if line.solid else style.plotly_dash
    group = {"legendgroup": line.label} if line.label else {}
    traces: list[dict[str, Any]] = []
    if len(line.low):
        edge: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": _numbers(line.x), "line": {"width": 0}}
        edge |= {"hoverinfo": "skip", "showlegend": False, **group}
        traces.append(edge | {"y": _numbers(line.low)})
        traces.append(edge | {"y": _numbers(line.high), "fill": "tonexty", "fillcolor": _translucent(style.colour)})
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": _numbers(line.x),
            "y": _numbers(line.y),
            "line": {"color": style.colour, "width": line.width, "dash": dash},
            "opacity": line.opacity,
            "name": html.escape(line.label or line.model),
            "showlegend": line.label is not None,
            **group,
            **_hover(line.text, whole=len(line.text) == 1),
        }
    )
    return traces


def _estimate(estimate: Estimate, style: Style) -> dict[str, Any]:
    along, across = ("x", "y") if estimate.horizontal else ("y", "x")
    bar = {
        "type": "data",
        "symmetric": False,
        "array": [_round(estimate.high - estimate.value)],
        "arrayminus": [_round(estimate.value - estimate.low)],
        "color": style.colour,
        "thickness": 3 if estimate.thick else 1.2,
        "width": 0,
    }
    tick = {"symbol": "line-ns" if estimate.horizontal else "line-ew", "size": 9 if estimate.thick else 5}
    return {
        "type": "scatter",
        "mode": "markers",
        along: [_round(estimate.value)],
        across: [_round(estimate.at)],
        f"error_{along}": bar,
        "marker": tick
        | {"color": style.colour, "line": {"color": style.colour, "width": 2.4 if estimate.thick else 1.2}},
        "name": html.escape(estimate.label or estimate.model),
        "showlegend": estimate.label is not None,
        **_hover([estimate.text]),
    }


def _rule(rule: Rule, layout: dict[str, Any], log: bool) -> None:
    along, across = ("x", "y") if rule.horizontal else ("y", "x")
    ends = rule.extent or (0, 1)
    shape = {
        "type": "line",
        f"{along}ref": along if rule.extent else f"{along} domain",
        f"{along}0": ends[0],
        f"{along}1": ends[1],
        f"{across}ref": across,
        f"{across}0": _round(rule.value),
        f"{across}1": _round(rule.value),
        "line": {"color": "@faint", "width": 1.2, "dash": PLOTLY_DASHES[rule.dash]},
        "layer": "below",
    }
    layout["shapes"].append(shape)
    if rule.label and rule.horizontal:
        layout["annotations"].append(
            {
                "text": html.escape(rule.label),
                "xref": "x domain",
                "x": 1,
                "xanchor": "right",
                "yref": "y",
                "y": _round(math.log10(rule.value) if log else rule.value),
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 11, "color": "@faint"},
            }
        )


def _region(region: Region, layout: dict[str, Any], data: list[dict[str, Any]]) -> None:
    across, along = ("y", "x") if region.horizontal else ("x", "y")
    layout["shapes"].append(
        {
            "type": "rect",
            f"{across}ref": across,
            f"{across}0": _round(region.low),
            f"{across}1": _round(region.high),
            f"{along}ref": f"{along} domain",
            f"{along}0": 0,
            f"{along}1": 1,
            "fillcolor": "@ink",
            "opacity": 0.1,
            "line": {"width": 0},
            "layer": "below",
        }
    )
    if region.label:
        box: dict[str, Any] = {"symbol": "square", "size": 11, "color": "@ink", "opacity": 0.18}
        data.append(
            {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "marker": box, "showlegend": True}
            | {"name": html.escape(region.label), "hoverinfo": "skip"}
        )


def _hover(text: Sequence[str], whole: bool = False) -> dict[str, Any]:
    """What hovering shows; the words are not markup, whatever stands in them. One for each point, or for the whole."""
    if not text:
        return {}
    marked = [html.escape(t).replace("\n", "<br>") for t in text]
    return {"text": marked[0] if whole else marked, "hoverinfo": "text"}


def _translucent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5)) if colour.startswith("#") else (128, 128, 128)
    return f"rgba({red},{green},{blue},0.18)"


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_round(v) for v in values]


def _round(value: float) -> float | None:
    """Six digits: more than a screen shows, and a smaller page."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
