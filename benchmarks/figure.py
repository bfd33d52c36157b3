"""The figure of a result: speed relative to PyTorch's own layer, by shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import CELLS
from benchmarks.tables import where

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, distinguishable with any kind of colour vision, and a grey.
SAFE = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#999999", "#000000", "#F0E442")
COLOURS = dict(zip(CELLS, SAFE, strict=True))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the ratios with their intervals, a panel for each mode and number of threads.

    Args:
        result: as `benchmarks.results` has it.
        path: the file; its ending (.svg, .png, .pdf) is the format.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys((case["mode"], case["threads"]) for case in result["cases"]))
    shapes = list(dict.fromkeys(tuple(case["shape"]) for case in result["cases"]))
    compared = [entry for case in result["cases"] for entry in case["contenders"] if entry["ratio"]]
    names = list(dict.fromkeys(entry["name"] for entry in compared))
    backends = list(dict.fromkeys(entry["backend"] for entry in compared))
    figure = Figure(figsize=(1.5 + 4.5 * len(groups), 1.6 + (0.3 + 0.11 * len(names)) * len(shapes)))
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (mode, threads) in zip(panels, groups, strict=True):
        for case in result["cases"]:
            if (case["mode"], case["threads"]) == (mode, threads):
                show_case(panel, case, shapes.index(tuple(case["shape"])), names, backends)
        show_axis(panel)
        panel.set_title(f"{mode}, {where(threads, result).removeprefix('on the ')}", fontsize=10)
    panels[0].set_yticks(range(len(shapes)), [f"({', '.join(map(str, shape))})" for shape in shapes])
    panels[0].set_ylabel("batch, time (steps), input_size, hidden_size")
    panels[0].invert_yaxis()
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if handles:
        columns = min(6, len(handles))
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=columns, frameon=False, fontsize=8)
    hollow = "; hollow: the machine was too noisy to tell" if any(case["noise"] for case in result["cases"]) else ""
    device = result["hardware"].get("gpu") if result["device"] == "cuda" else result["hardware"]["cpu"]
    figure.suptitle(f"{device}, torch {result['versions'].get('torch')}{hollow}", fontsize=10)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def show_case(panel: Axes, case: dict[str, Any], row: int, names: list[str], backends: list[str]) -> None:
    """Draw the ratios of one case next to each other around its row."""
    for entry in case["contenders"]:
        if (ratio := entry["ratio"]) is None:
            continue
        offset = (names.index(entry["name"]) - (len(names) - 1) / 2) * 0.8 / max(len(names), 1)
        panel.errorbar(
            ratio["value"],
            row + offset,
            xerr=[[ratio["value"] - ratio["low"]], [ratio["high"] - ratio["value"]]],
            color=COLOURS[entry["cell"]],
            marker=MARKERS[backends.index(entry["backend"]) % len(MARKERS)],
            markerfacecolor="white" if case["noise"] else COLOURS[entry["cell"]],
            markersize=5,
            linewidth=1,
            label=entry["name"],
        )


def show_axis(panel: Axes) -> None:
    """Draw a logarithmic axis with plain numbers, and a line at equal speed."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.axvline(1, color="black", linewidth=0.8)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.grid(axis="x", which="both", color="0.9", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_xlabel("times as fast as PyTorch's layer (median of rounds)")
