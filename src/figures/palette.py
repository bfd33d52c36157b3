"""One style for all figures: a colour, a marker and a dash for each model name, and type and grid.

The colour stands for the cell and is the same in every figure: GRU blue, LSTM vermillion, tanh RNN green, after Okabe
and Ito (2008), whose colours can be distinguished with any kind of colour vision. Every colour has a contrast of at
least 3 to 1 with white paper and with the dark page, so that one hex value serves both. In greyscale, markers and
dashes distinguish the cells.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

LIGHT = {"page": "#ffffff", "ink": "#1b1f24", "faint": "#5c6670", "grid": "#e3e7eb", "band": "#eef1f4"}
DARK = {"page": "#14181d", "ink": "#e6e9ec", "faint": "#9aa4af", "grid": "#2c333b", "band": "#20262d"}

# The first colour of a cell is the default; the others distinguish its variants (gru_bi, lstm_stacked, ...).
COLOURS = {
    "gru": ("#0072B2", "#6C6FD1", "#2A8C9E", "#8A63A8"),
    "lstm": ("#D55E00", "#C2455A", "#A97500", "#9A5B33"),
    "rnn": ("#009E73", "#6B8E23", "#3F8F5B", "#7B8A52"),
    "other": ("#C86FA0", "#777777", "#8F7330", "#4F7F8F", "#8A5FB0"),
}
MARKERS = {"gru": "oDhp", "lstm": "svXH", "rnn": "^<>d", "other": "P*Xd8"}
DASHES = {"gru": "-", "lstm": "--", "rnn": ":", "other": "-."}
# Variants that are a cell as defined in a paper keep the default colour.
PLAIN = ("", "cho", "chung", "custom")

SYMBOLS = {
    **{"o": "circle", "D": "diamond", "h": "hexagon", "p": "pentagon", "s": "square", "v": "triangle-down"},
    **{"X": "x", "H": "hexagon2", "^": "triangle-up", "<": "triangle-left", ">": "triangle-right"},
    **{"d": "diamond-tall", "P": "cross", "*": "star", "8": "octagon"},
}
PLOTLY_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}

SETTINGS: dict[str, object] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["faint"],
    "axes.labelcolor": LIGHT["ink"],
    "text.color": LIGHT["ink"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "xtick.color": LIGHT["faint"],
    "ytick.color": LIGHT["faint"],
    "xtick.labelcolor": LIGHT["ink"],
    "ytick.labelcolor": LIGHT["ink"],
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "figure.facecolor": LIGHT["page"],
    "savefig.facecolor": LIGHT["page"],
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text: searchable, and small
    "svg.hashsalt": "gatebench",  # the same figure gives the same file
}


@dataclass(frozen=True)
class Style:
    """The style of one model in every figure.

    >>> style("gru")
    Style(colour='#0072B2', marker='o', dash='-')
    """

    colour: str
    marker: str  # marker, dash: matplotlib's; SYMBOLS and PLOTLY_DASHES have plotly's names
    dash: str


def family(name: str) -> str:
    """Return the cell of a model name: ``gru``, ``lstm``, ``rnn`` (also for tanh) or ``other``."""
    low = name.lower()
    if "gru" in low:
        return "gru"
    if "lstm" in low:
        return "lstm"
    return "rnn" if "rnn" in low or low.startswith("tanh") else "other"


def style(name: str) -> Style:
    """Return the style of a model, from its name alone, so that it is the same in every figure."""
    return _choices(name)[0]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Return distinct styles for the models of a figure: each model's own, unless a shorter name has it.

    Args:
        names: model names; the result does not depend on their order.
    """
    taken: dict[str, Style] = {}
    for name in sorted(set(names), key=lambda n: (len(n), n)):
        used = set(taken.values())
        hues = {look.colour for look in used}
        options = _choices(name)
        free = [look for look in options if look not in used]
        taken[name] = next((look for look in free if look.colour not in hues), free[0] if free else options[0])
    return {name: taken[name] for name in sorted(taken)}


def _choices(name: str) -> list[Style]:
    """Return every style that a name may have, its own first: ``gru seed 1`` has that of ``gru``."""
    name = name.partition(" ")[0] or name
    cell = family(name)
    colours, markers = COLOURS[cell], MARKERS[cell]
    variant = name.lower().removeprefix(cell).strip("_")
    hashed = zlib.crc32(name.encode())
    first = 0 if variant in PLAIN else hashed % len(colours) if cell == "other" else 1 + hashed % (len(colours) - 1)
    start = 0 if variant in PLAIN else hashed // 7 % len(markers)
    return [
        Style(colours[(first + i) % len(colours)], markers[(start + j) % len(markers)], DASHES[cell])
        for j in range(len(markers))
        for i in range(len(colours))
    ]
