"""An empty matplotlib figure in the project's look, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.figures.palette import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def look() -> Iterator[None]:
    """The settings of `src.figures.palette` for figures drawn or written inside; also a decorator, ``@look()``."""
    from matplotlib import rc_context

    settings: Any = SETTINGS  # matplotlib's type for them lists every key there is
    with rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches that draws without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as ``path.svg`` and ``path.png`` (200 dpi), the same bytes for the same picture.

    Returns:
        The two files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(f"{path.name}.{ending}") for ending in ("svg", "png")]
    with look():
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # it is laid out, and another layout before each file would take as long again
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], metadata={"Software": None}, pil_kwargs={"compress_level": 4})  # twice as fast as 6
    return files
