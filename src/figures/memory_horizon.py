"""How far back networks remember: the share of runs that solve a task against its length."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from src.figures.canvas import legend_below, look, new_figure, plain_log
from src.figures.chart import DIRECT, set_apart
from src.figures.palette import LIGHT, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Share(NamedTuple):
    """How many of a model's runs at one length solved the task."""

    length: int  # steps
    solved: int  # runs that did
    runs: int  # all of them
    low: float  # ends of the interval of the share
    high: float


@look()
def draw_memory(tasks: Mapping[str, Mapping[str, Sequence[Share]]], criterion: str) -> Figure:
    """Draw a panel for each task with a line and intervals for each model, named at its end (beyond four, in a legend).

    Args:
        tasks: by name, then by model: shares in the order of the length.
        criterion: the criterion for solving, for the axis.
    """
    from matplotlib.ticker import NullLocator

    looks = styles(model for models in tasks.values() for model in models)
    figure = new_figure(1 + 3.4 * len(tasks), 3.5)
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for axes, (task, models) in zip(panels, tasks.items(), strict=True):
        ends = set_apart(
            {model: (shares[-1].solved / shares[-1].runs + 0.03) / 1.06 for model, shares in models.items()}
        )
        for place, (model, shares) in enumerate(models.items()):
            style = looks[model]
            at, solved, runs, low, high = np.array(shares, float).T
            rate = solved / runs
            beside = 1.03 ** (place - (len(models) - 1) / 2)  # so that bars do not overlap
            axes.errorbar(
                at * beside, rate, yerr=np.stack([rate - low, high - rate]).clip(0), label=model,
                color=style.colour, marker=style.marker, linestyle=style.dash, capsize=0, elinewidth=0.7,
            )  # fmt: skip
            if len(looks) <= DIRECT:
                place_of = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center", "fontsize": 8}
                axes.annotate(model, (1, ends[model]), xytext=(4, 0), color=style.colour, **place_of)
        axes.set_xscale("log")
        plain_log(axes.xaxis)
        lengths = sorted({share.length for shares in models.values() for share in shares})
        axes.set_xticks(lengths, [str(length) for length in lengths])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(lengths[0] / 1.2, lengths[-1] * 1.2)
        axes.set_xlabel("length (steps)")
        axes.set_title(textwrap.fill(task, 34))
    panels[0].set_ylim(-0.03, 1.03)
    panels[0].set_ylabel("share of runs that solve the task")
    number = sorted({share.runs for models in tasks.values() for shares in models.values() for share in shares})
    many = f"{number[0]}" if len(number) == 1 else f"{number[0]} to {number[-1]}"
    runs = f"{many} run{'' if number == [1] else 's'} each"
    figure.supxlabel(f"Solved: {criterion}. Bars: 95 % interval (Wilson), {runs}.", fontsize=7, color=LIGHT["faint"])
    if len(looks) > DIRECT:
        legend_below(figure, panels[0])
    return figure
