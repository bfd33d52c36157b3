"""Statistics of a layer's units: how often their gates are closed or open, and how long they remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from src.figures.canvas import legend_below, look, new_figure, plain_log
from src.figures.palette import LIGHT, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shares = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by gate: shares of steps below and above, (units,) each


@look()
def draw_saturation(models: Mapping[str, Sequence[tuple[str, Shares]]], low: float, high: float, what: str) -> Figure:
    """Draw a panel per gate of each model, with one point per unit, after Karpathy et al. 2015 (arXiv 1506.02078).

    Args:
        models: by name, the name and shares of each layer.
        low: a gate below this is closed.
        high: a gate above this is open.
        what: which sequences, for the title.
    """
    looks = styles(models)
    gates = {
        model: list(dict.fromkeys(gate for _, shares in layers for gate in shares)) for model, layers in models.items()
    }
    wide = max(map(len, gates.values()))
    figure = new_figure(1 + 2.3 * wide, 0.8 + 2.5 * len(models))
    grid = figure.subplots(len(models), wide, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for row, (model, layers) in enumerate(models.items()):
        for column, gate in enumerate(gates[model]):
            axes = grid[row, column]
            axes.set_visible(True)
            for k, (name, shares) in enumerate((n, s) for n, s in layers if gate in s):
                axes.plot(
                    *shares[gate], looks[model].marker, color=looks[model].colour, alpha=1 - 0.3 * min(k, 2),
                    markerfacecolor="none", markersize=4 + 1.5 * k, label=words(name), clip_on=False,
                )  # fmt: skip
            axes.plot([0, 1], [1, 0], color=LIGHT["grid"], linewidth=0.9, zorder=0)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
            axes.set_title(f"{model}, {gate} gate" if len(models) > 1 else f"{gate} gate", color=looks[model].colour)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.tick_params(labelbottom=True, labelleft=column == 0)
        grid[row, 0].set_ylabel(f"share of steps above {high:g}")
        if len(layers) > 1:
            grid[row, 0].legend(loc="upper right")
    for axes in grid.flat:
        axes.set_xlabel(f"share of steps below {low:g}")
    figure.suptitle(f"{what}, a point for each unit", fontsize=9)
    return figure


@look()
def draw_horizons(models: Mapping[str, Sequence[tuple[str, np.ndarray, np.ndarray]]], what: str) -> Figure:
    """Draw the share of units by memory length, before (thin) and after training.

    Args:
        models: by name, the name of each layer and the horizons of its units at initialisation and trained, in steps.
        what: which sequences, for the title.
    """
    looks, names = styles(models), list(dict.fromkeys(name for layers in models.values() for name, *_ in layers))
    figure = new_figure(1 + 3.2 * len(names), 3.4)
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for model, layers in models.items():
        for name, *horizons in layers:
            axes = panels[names.index(name)]
            for values, width, when in zip(horizons, (0.8, 1.8), ("at initialisation", "trained"), strict=True):
                ordered = np.sort(values)[::-1]
                share = np.arange(1, len(ordered) + 1) / len(ordered)
                axes.step(
                    ordered, share, where="post", color=looks[model].colour, linewidth=width,
                    linestyle=looks[model].dash, label=f"{model}, {when}",
                )  # fmt: skip
    for name, axes in zip(names, panels, strict=True):
        axes.set_xscale("log")
        plain_log(axes.xaxis)
        axes.set_xlabel("effective horizon 1 / (1 - share kept) (steps)")
        axes.set_title(words(name) if len(names) > 1 else "")
    panels[0].set_ylabel("share of units with this horizon or more")
    panels[0].set_ylim(0, 1.02)
    legend_below(figure, panels[0])
    figure.suptitle(what if len(names) > 1 else f"{words(names[0])}, {what}", fontsize=9)
    return figure


def words(name: str) -> str:
    """Format a layer's name for readers.

    >>> words("layer0_backward")
    'Layer 0, backward'
    """
    return name.replace("layer", "Layer ").replace("_", ", ")
