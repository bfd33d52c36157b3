"""The report of a comparison: one self-contained HTML file that makes no network requests, and its figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from src.analysis.flags import serious_by_kind, serious_first
from src.analysis.summary import Summary, as_plain
from src.config.errors import UserError
from src.figures.canvas import LATEX, latex
from src.figures.chart import Chart
from src.figures.interactive import specification
from src.figures.palette import DARK, LIGHT, Style, styles
from src.figures.still import inline
from src.files import write_atomically
from src.reporting.page import words
from src.reporting.page.pictures import Pictures, model_names, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = Path(__file__).parent / "page"
FILTERS = [serious_by_kind, serious_first, words.difference, words.duration, words.interval, words.moment]
FILTERS += [words.number, words.place, words.probability, words.setting, words.settings, words.supported]
HEIGHT = 360  # pixels of a figure
PANELS_ALONE = 40  # number of panels that one process draws faster than several can start
ROW = 84  # pixels of a row in the figure of differences


def write_report(
    summary: Summary, directory: Path, formats: Sequence[str] = ("svg", "png"), static: bool = False
) -> list[Path]:
    """Write ``report.html`` and its ``figures/`` in some formats into a directory; returns the files, the page first.

    Args:
        summary: what to show.
        directory: where to.
        formats: of the figures beside the page.
        static: the page has its figures as SVG alone and no script library, so that it is small enough to be committed.

    Raises:
        UserError: jinja2 or matplotlib is not installed, or plotly, which a static page does not need.
    """
    kinds = pictures(summary)
    looks = styles(model_names(summary))
    page = directory / "report.html"
    text = render(summary, kinds, looks, static=static)
    write_atomically(page, lambda out: out.write(text.encode()))
    return [page, *_stills(kinds, looks, directory / "figures", formats)]


def write_page(summary: Summary | None, lead: str, page: Path) -> None:
    """Write only the page of a summary, preceded by the HTML ``lead``; without a summary that is the whole page.

    Raises:
        UserError: plotly or jinja2 is not installed.
    """
    if summary is None:
        text = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Answer</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{_style()}</style></head>"
            f'<body><main><div class="lead">{lead}</div></main></body></html>\n'
        )
    else:
        text = render(summary, pictures(summary), styles(model_names(summary)), lead)
    write_atomically(page, lambda out: out.write(text.encode()))


def _style() -> str:
    """Return the style of a page, in the reader's choice of light or dark colours."""
    light, dark = ("".join(f"--{key}: {value}; " for key, value in of.items()) for of in (LIGHT, DARK))
    colours = f":root {{ {light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark}}} }}\n"
    return colours + (PAGE / "report.css").read_text()


def refuse_without_latex(formats: Sequence[str]) -> None:
    """Refuse PGF if no LaTeX is installed to measure its text.

    Raises:
        UserError: ``formats`` includes pgf and there is no LaTeX.
    """
    if "pgf" in formats and latex() is None:
        raise UserError(
            f"figures=[pgf] needs one of {', '.join(LATEX)}, but none is installed: use figures=[pdf], or install one "
            "(apt-get install texlive-xetex)."
        )


def render(
    summary: Summary, kinds: list[Pictures], looks: dict[str, Style], lead: str = "", static: bool = False
) -> str:
    """Return the page of a summary with its figures; ``lead`` is HTML that precedes everything else.

    Every figure is included as SVG, for printing; unless ``static``, scripts draw it again on the screen.

    Raises:
        UserError: jinja2 or matplotlib is not installed, or plotly, which a static page does not need.
    """
    try:
        import matplotlib.figure  # noqa: F401
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        if not static:
            from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError(
            f"The report needs {error.name}: install it with pip install -e '.[report]' in GateBench's clone."
        ) from error
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.filters |= {of.__name__: of for of in FILTERS}
    plan = summary.plan.plan if summary.plan else None
    charts = {f"{kind.key}-{i}": chart for kind in kinds for i, chart in enumerate(kind.charts)}
    figures = {} if static else {name: specification(chart, looks) for name, chart in charts.items()}
    drawn = _drawn([(inline, (chart, looks, name, _height(chart) / 114), {}) for name, chart in charts.items()])
    return environment.get_template("report.html").render(
        summary=summary,
        lead=lead,
        static=static,
        kinds=kinds,
        looks=looks,
        resolved_plan=yaml.safe_dump(as_plain(plan), sort_keys=False, allow_unicode=True) if plan else None,
        strip=_strip,
        height=_height,
        css=_style(),
        js=(PAGE / "report.js").read_text(),
        drawn=dict(zip(charts, drawn, strict=True)),
        plotly=get_plotlyjs().replace("</script", "<\\/script") if figures else None,
        # Not even a closing tag inside a run's name can end the script that holds the data.
        figures=json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def drawn(summary: Summary, keys: Sequence[str]) -> Figure:
    """Draw some kinds of the report's pictures in one matplotlib figure.

    Args:
        summary: of a comparison.
        keys: of kinds, as in ``figures/``: ``points``, ``differences``, ``learning``, ``tuning``, ``cost``, ...

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from src.figures.still import draw

        charts = [chart for kind in pictures(summary) if kind.key in keys for chart in kind.charts]
        return draw(charts, looks=styles(model_names(summary)))
    except ImportError as error:
        needed = f"A figure needs {error.name}: install it with pip install -e '.[report]' in GateBench's clone."
        raise UserError(needed) from error


def _drawn(calls: Sequence[tuple[Any, ...]], panels: int | None = None) -> list[Any]:
    """Return the figures of some calls (function, arguments, keywords), in several processes if that is faster."""
    from joblib import Parallel, cpu_count

    several = (len(calls) if panels is None else panels) > PANELS_ALONE
    return list(Parallel(n_jobs=min(cpu_count(), len(calls)) if several else 1)(calls))


def _stills(kinds: list[Pictures], looks: dict[str, Style], directory: Path, formats: Sequence[str]) -> list[Path]:
    kinds = [kind for kind in kinds if kind.charts]
    longest_first = sorted(kinds, key=lambda kind: -len(kind.charts))
    panels = sum(len(kind.charts) for kind in kinds)
    written = _drawn([(_still, (kind, looks, directory, formats), {}) for kind in longest_first], panels)
    files = {kind.key: paths for kind, paths in zip(longest_first, written, strict=True)}
    return [path for kind in kinds for path in files[kind.key]]


def _still(kind: Pictures, looks: dict[str, Style], directory: Path, formats: Sequence[str]) -> list[Path]:
    from src.figures.canvas import save
    from src.figures.still import draw

    return save(draw(kind.charts, looks=looks), directory / kind.key, formats)


def _height(chart: Chart) -> int:
    """Return the height of a figure in pixels."""
    return 120 + ROW * len(chart.y.ticks) if chart.y.ticks else HEIGHT


def _strip(mean: float, low: float, high: float, margin: float | None) -> dict[str, Any]:
    """Positions in percent of the strip's width, and its ticks by their words; 0 stands in the middle."""
    reach = 1.15 * max(abs(low), abs(high), abs(mean), margin or 0.0) or 1.0

    def at(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    edge = None if margin is None else (at(-margin), round(at(margin) - at(-margin), 2))
    power = 10.0 ** math.floor(math.log10(reach))
    step = next(s * power for s in (5, 2, 1, 0.5) if s * power <= reach)
    ticks = {
        f"{k * step:+.3g}".replace("-", "−") if k else "0": at(k * step) for k in range(-2, 3) if abs(k) * step <= reach
    }
    return {"ticks": ticks, "mean": at(mean), "wide": (at(low), round(at(high) - at(low), 2)), "margin": edge}
