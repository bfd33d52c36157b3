"""The sequence that a network read, above its activations: notes, characters, a sound wave, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from src.figures.palette import LIGHT
from src.figures.piano_roll import show_roll

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VISIBLE = {" ": "\u00b7", "\n": "\u21b5", "<eos>": "\u21b5", "\t": "\u2192"}  # replacements for invisible characters
DIVERGING = "PuOr_r"
FEATURES = 24  # that have their names beside the axis


@dataclass(frozen=True)
class Shown:
    """A sequence to draw with its steps along the horizontal axis.

    A ``roll`` is zeros and ones of 88 keys, ``tokens`` are words in ``names``, a ``wave`` the samples that each step
    adds, ``lines`` a few numbers a step and ``heat`` many of them.
    """

    kind: Literal["roll", "tokens", "wave", "lines", "heat"]
    values: np.ndarray  # (steps, ...); for tokens (steps,) of no meaning
    steps: str  # what a step is, for the axis
    label: str  # the input, with its unit
    names: tuple[str, ...] = ()  # of the tokens, or of the numbers


def show_input(axes: Axes, shown: Shown) -> None:
    """Draw a sequence, with step t at t on the horizontal axis."""
    axes.grid(False)
    if shown.kind == "roll":
        show_roll(axes, shown.values, LIGHT["ink"])
    elif shown.kind == "tokens":
        size = min(8.0, 330 / max(len(shown.names), 1))  # as wide as a column of the gates' figure
        upright = 90 if any(len(token) > 2 for token in shown.names if token not in VISIBLE) else 0
        for step, token in enumerate(shown.names):
            text: Any = {"ha": "center", "va": "center", "fontsize": size, "family": "monospace"}
            axes.text(step, 0.5, VISIBLE.get(token, token), rotation=upright, **text)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    elif shown.kind == "wave":
        hop = shown.values.shape[1]
        samples = shown.values.reshape(-1)
        axes.plot((np.arange(len(samples)) + 0.5) / hop - 0.5, samples, color=LIGHT["ink"], linewidth=0.6)
    elif shown.kind == "lines":
        styles = ("-", ":", "--")
        for k, line in enumerate(shown.values.T):
            label = shown.names[k] if shown.names else None
            axes.plot(line, color=LIGHT["ink"], linestyle=styles[k % 3], linewidth=0.9, label=label)
        if shown.names and shown.values.shape[1] > 1:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncol=3, fontsize=6, borderaxespad=0.1)
    else:
        image = heat(axes, shown.values, DIVERGING, symmetric(shown.values))
        bar = axes.figure.colorbar(image, ax=axes, aspect=9, pad=0.01, fraction=0.03, extend="both")
        bar.set_label("value (std)", fontsize=7)
        bar.ax.tick_params(labelsize=6)
        if shown.names:
            every = -(-len(shown.names) // FEATURES)
            axes.set_yticks(range(0, len(shown.names), every), shown.names[::every], fontsize=6)
    axes.set_ylabel(shown.label)


def symmetric(values: np.ndarray, share: float = 0.99) -> tuple[float, float]:
    """Return a range around zero that contains this fraction of all values."""
    finite = values[np.isfinite(values)]
    edge = float(np.quantile(np.abs(finite), share)) if finite.size else 1.0
    return -(edge or 1.0), edge or 1.0


def heat(axes: Axes, values: np.ndarray, colours: str, between: tuple[float, float]) -> Any:
    """Draw values (steps, rows) as a heat map with the first row at the bottom; return the image, for a colour bar."""
    axes.grid(False)
    return axes.imshow(
        values.T, cmap=colours, vmin=between[0], vmax=between[1], aspect="auto", origin="lower", interpolation="nearest"
    )
