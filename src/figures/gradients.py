"""How far back a loss reaches: norms and singular values against the lag, with bands over sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from src.figures.canvas import legend_below, look, new_figure, plain_log, say, whole_steps
from src.figures.palette import LIGHT, Style, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = 1e-12  # lower end of the axis
QUANTILES = (0.1, 0.5, 0.9)
WHEN = ("at initialisation", "trained")
QUANTITIES = {
    "loss": r"$\|\partial L/\partial s_{T-k}\|\,/\,\|\partial L/\partial s_T\|$",
    "strongest": "largest singular value\n" r"of $\partial s_T/\partial s_{T-k}$",
    "largest": "largest singular value\n" r"of $\partial s_{T-k}/\partial s_{T-k-1}$",
}
LAG = "lag $k$ (steps before the last one)"


def band(values: np.ndarray) -> np.ndarray:
    """Return the 10 %, 50 % and 90 % quantiles over sequences, (3, lags), as far as half of the sequences reach.

    (3, 0) if no sequence has any value.

    Args:
        values: (sequences, lags), NaN before a sequence's start.
    """
    reach = np.isfinite(values).mean(0) >= 0.5
    return np.nanquantile(values[:, reach], QUANTILES, axis=0) if reach.any() else np.empty((3, 0))


@look()
def draw_gradients(models: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]], what: str) -> Figure:
    """Draw rows for the loss gradient, the end-to-end Jacobian and one step's; columns for before and after training.

    Args:
        models: by name, then by :data:`WHEN`, then by a key of :data:`QUANTITIES`: (sequences, lags).
        what: the title.
    """
    looks = styles(models)
    rows = [q for q in QUANTITIES if any(q in values for by_when in models.values() for values in by_when.values())]
    figure = new_figure(7.4, 0.8 + 1.9 * len(rows))
    grid = figure.subplots(len(rows), len(WHEN), sharex=True, sharey="row", squeeze=False)
    for at, when in enumerate(WHEN):
        grid[0, at].set_title(when)
        grid[-1, at].set_xlabel(LAG)
        for row, quantity in enumerate(rows):
            axes: Axes = grid[row, at]
            for model, by_when in models.items():
                if quantity in by_when.get(when, {}):
                    curve(axes, by_when[when][quantity], looks[model], model)
            axes.axhline(1, color=LIGHT["faint"], linewidth=0.6)
            whole_steps(axes)
            if not any(line.get_label() in models for line in axes.lines):
                say(axes, "no gradient: the head starts at zero")
    for row, quantity in enumerate(rows):
        logarithmic(grid[row, 0])
        grid[row, 0].set_ylabel(QUANTITIES[quantity])
    legend_below(figure, grid[0, 1], "median and 10 to 90 % of sequences")
    figure.suptitle(what, fontsize=9)
    return figure


def curve(axes: Axes, values: np.ndarray, style: Style, label: str) -> None:
    """Draw a median line in a band."""
    low, middle, high = band(values)
    if not len(middle):  # no gradient at all, as with a head initialised to zero
        return
    lags = np.arange(len(middle))
    axes.fill_between(lags, low, high, color=style.colour, alpha=0.15, linewidth=0)
    every = max(1, len(lags) // 8)
    axes.plot(
        lags, middle, color=style.colour, linestyle=style.dash, marker=style.marker, markevery=every, markersize=3.5,
        label=label,
    )  # fmt: skip


def logarithmic(axes: Axes) -> None:
    """Set a logarithmic axis that ends at :data:`FLOOR`, with plain numbers if it spans few of them."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(bottom=max(low, FLOOR))
    if high / max(low, FLOOR) < 100:
        plain_log(axes.yaxis)


@look()
def draw_along_training(models: Mapping[str, tuple[Sequence[int], Sequence[np.ndarray]]], what: str) -> Figure:
    """Draw the median loss gradient against the lag during training, from light to dark.

    Args:
        models: by name: epochs, and for each (lags,) medians over sequences, relative to lag 0.
        what: the title.
    """
    looks = styles(models)
    figure = new_figure(1 + 3.2 * len(models), 3.0)
    panels = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (model, (epochs, curves)) in zip(panels, models.items(), strict=True):
        whole_steps(axes)
        for k, (epoch, values) in enumerate(zip(epochs, curves, strict=True)):
            if not np.isfinite(values).any():  # as with a head initialised to zero
                continue
            share = 0.25 + 0.75 * (k + 1) / len(epochs)
            axes.plot(values, color=looks[model].colour, alpha=share, label=f"{epoch}")
        axes.set_title(model, color=looks[model].colour, fontweight="bold")
        axes.set_xlabel(LAG)
        axes.legend(title="epochs trained", fontsize=6, title_fontsize=7, ncol=2)
    logarithmic(panels[0])
    panels[0].set_ylabel(QUANTITIES["loss"])
    figure.suptitle(what, fontsize=9)
    return figure
