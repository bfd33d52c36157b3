"""Mean ranks over data sets, with lines that join models without significant differences (Demsar's diagram)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from src.figures.chart import Axis, Chart, Dots, Layer, Line
from src.figures.marks import short

STEP = 0.3  # of a row, between two joining lines


def ranks(title: str, means: Mapping[str, float], alike: Sequence[Sequence[str]]) -> Chart:
    """Chart one row per model, best first, with a thin line from its mean rank up to the lines that join models.

    After Demsar ("Statistical comparisons of classifiers over multiple data sets", Journal of Machine Learning Research
    7, 2006, figure 1), but without his critical difference: which models are joined is given.

    Args:
        means: mean rank by model, 1 is best.
        alike: groups of models, each joined by a heavy line.
    """
    order = sorted(means, key=means.__getitem__)
    rows = {name: float(len(order) - 1 - i) for i, name in enumerate(order)}
    first = len(order) - 1 + 1.5 * STEP  # height of the first joining line
    top = first + STEP * len(alike)
    layers: list[Layer] = [
        Line(name, [means[name]] * 2, [rows[name], top], width=0.8, opacity=0.6, solid=True) for name in order
    ]
    for i, group in enumerate(alike):
        ends = [min(means[name] for name in group), max(means[name] for name in group)]
        words = [f"not significantly different: {', '.join(group)}"]
        layers.append(Line("", ends, [first + STEP * i] * 2, text=words, width=4, solid=True))
    layers += [Dots(name, [means[name]], [rows[name]], [f"{name}\nmean rank {short(means[name])}"]) for name in order]
    y_axis = Axis("", range=(-0.5, top), ticks={at: name for name, at in rows.items()})
    return Chart(title, Axis("mean rank, 1 is best", range=(0.9, len(order) + 0.1)), y_axis, layers)
