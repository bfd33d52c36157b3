"""Forecasts with the true values, and their error by rows ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from src.figures.canvas import legend_below, look, new_figure
from src.figures.palette import LIGHT, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 4  # number of targets to draw
DATES = 4  # number of timestamps below them


@dataclass(frozen=True)
class Window:
    """The values seen, the true values and the forecast, each (rows, targets) in the targets' own units."""

    seen: np.ndarray
    truth: np.ndarray
    forecast: np.ndarray
    names: tuple[str, ...]
    times: tuple[str, ...] = ()  # of the rows seen and of those forecast, where the data have any
    series: str = ""  # its name, if there are several
    # Lower and upper bounds of prediction intervals, by coverage.
    bands: Mapping[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@look()
def draw_forecast(models: Mapping[str, Window], what: str) -> Figure:
    """Draw a panel per target: values seen, true values, the naive forecast (last row repeated) and each model's.

    Prediction intervals are bands around a model's forecast, lighter for higher coverage.

    Args:
        models: by name, forecasts of the same window.
        what: the title.
    """
    looks, one = styles(models), next(iter(models.values()))
    targets = min(PANELS, len(one.names))
    figure = new_figure(7.4, 1.1 + 1.5 * targets)
    panels = figure.subplots(targets, 1, sharex=True, squeeze=False)[:, 0]
    past = np.arange(-len(one.seen) + 1, 1)
    for k, axes in enumerate(panels):
        axes.plot(past, one.seen[:, k], color=LIGHT["faint"], linewidth=1, label="seen")
        ahead = np.arange(1, len(one.truth) + 1)
        axes.plot(ahead, one.truth[:, k], color=LIGHT["ink"], linewidth=1, label="truth")
        axes.plot(
            ahead, np.full(len(ahead), one.seen[-1, k]), color=LIGHT["faint"], linestyle=(0, (1, 1)), label="naive"
        )
        for model, window in models.items():
            rows = np.arange(1, len(window.forecast) + 1)
            axes.plot(rows, window.forecast[:, k], color=looks[model].colour, linestyle=looks[model].dash, label=model)
            for darker, (coverage, (lower, upper)) in enumerate(sorted(window.bands.items(), reverse=True), 1):
                # One colour a band, the same on the page and in the legend: the inner one lies over the outer one.
                axes.fill_between(
                    rows, lower[:, k], upper[:, k], color=looks[model].colour, alpha=min(0.6, 0.16 * darker),
                    linewidth=0, label=f"{model}, {100 * coverage:g} %",
                )  # fmt: skip
        axes.axvline(0.5, color=LIGHT["faint"], linewidth=0.6)
        axes.set_ylabel(f"{shortened(one.names[k])}\n(in its own unit)")
    panels[-1].set_xlabel("time" if one.times else "rows from the start of the forecast")
    if one.times:
        chosen = np.unique(np.linspace(0, len(one.times) - 1, min(DATES, len(one.times))).round().astype(int))
        panels[-1].set_xticks(chosen + past[0], [one.times[row] for row in chosen])
    legend_below(figure, panels[0])
    more = f" ({targets} of {len(one.names)} values)" if targets < len(one.names) else ""
    figure.suptitle(what + (f", series {one.series}" if one.series else "") + more, fontsize=9)
    return figure


def shortened(name: str, most: int = 18) -> str:
    """Shorten a name to the room on an axis.

    >>> shortened("a very long name of a sensor", 12)
    'a very lo...'
    """
    return name if len(name) <= most else f"{name[: most - 3]}..."


@look()
def draw_forecast_error(models: Mapping[str, np.ndarray], naive: np.ndarray) -> Figure:
    """Draw the mean squared error of all windows against the rows ahead.

    Args:
        models: by name, (horizon,) of standardised values.
        naive: (horizon,), that of repeating the last row.
    """
    looks = styles(models)
    figure = new_figure(5.2, 3.2)
    axes = figure.subplots()
    axes.plot(np.arange(1, len(naive) + 1), naive, color=LIGHT["faint"], linestyle=(0, (1, 1)), label="naive")
    for model, values in models.items():
        rows, style, every = np.arange(1, len(values) + 1), looks[model], max(1, len(values) // 8)
        axes.plot(
            rows, values, color=style.colour, linestyle=style.dash, marker=style.marker, markevery=every,
            markersize=4, label=model,
        )  # fmt: skip
    axes.set_xlabel("rows ahead")
    axes.set_ylabel("mean squared error\n(standardised values)")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
