"""Matplotlib figures in the project's style, and their files; axes with plain numbers."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.figures.palette import LIGHT, SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# How each format is written: without a date, so that the same picture is the same file.
AS: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}},  # twice as fast as 6
    "pdf": {"metadata": {"CreationDate": None}},
    "pgf": {},
}
LATEX = ("xelatex", "lualatex", "pdflatex")  # with which matplotlib measures the text of a PGF
LETTER, HANDLE, LINE = 0.068, 0.6, 0.17  # inches in a legend: per letter, of the handle, of a row


@contextmanager
def look() -> Iterator[None]:
    """Apply the settings of `src.figures.palette` to figures drawn or written inside; also a decorator, ``@look()``."""
    from matplotlib import rc_context

    settings: Any = SETTINGS | {"pgf.texsystem": latex() or LATEX[0]}  # matplotlib's type for them lists every key
    with rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of ``width`` by ``height`` inches that draws without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def latex() -> str | None:
    """Return the first installed engine in `LATEX`."""
    return next((engine for engine in LATEX if shutil.which(engine)), None)


def save(figure: Figure, path: Path, formats: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write a figure as ``path.svg``, ``path.png`` (200 dpi), ..; the same figure gives the same bytes.

    Returns:
        The files, in the order of ``formats``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(f"{path.name}.{ending}") for ending in formats]
    for file in files:  # do not follow a symbolic link that somebody put there
        file.unlink(missing_ok=True)
    with look():
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # already laid out; another layout per file would take as long again
        for file in files:
            figure.savefig(file, **AS[file.suffix[1:]])
    return files


def plain_log(axis: Axis) -> None:
    """Set written-out ticks at 1, 2, 5, 10, 20, ... on a logarithmic axis of few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    few = low > 0 and high / low < 5  # too few of 1, 2, 5 would fall between
    axis.set_major_locator(MaxNLocator(4) if few else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def whole_steps(axes: Axes) -> None:
    """Set ticks at whole numbers along x."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def say(axes: Axes, words: str) -> None:
    """Write text in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", fontsize=8, color=LIGHT["faint"])


def legend_below(figure: Figure, axes: Axes, title: str | None = None) -> None:
    """Put the legend of some axes below the whole figure, in as many columns as fit, and enlarge the figure."""
    lines, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    fit = int((figure.get_figwidth() - 0.3) / (HANDLE + LETTER * max(map(len, labels))))
    rows = math.ceil(len(labels) / max(1, fit))
    columns = math.ceil(len(labels) / rows)  # rows of about equal length
    figure.set_figheight(figure.get_figheight() + LINE * (rows - 1))
    figure.legend(lines, labels, loc="outside lower center", ncol=columns, title=title, title_fontsize=8)
