"""The report of a comparison: one self-contained HTML file that makes no network requests, and its figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from src.analysis.flags import serious_first
from src.analysis.summary import Summary, as_plain
from src.config.errors import UserError
from src.figures.canvas import LATEX, latex
from src.figures.chart import Chart
from src.figures.interactive import specification
from src.figures.palette import DARK, LIGHT, Style, styles
from src.files import write_atomically
from src.reporting.page import words
from src.reporting.page.pictures import Pictures, model_names, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = Path(__file__).parent / "page"
FILTERS = [serious_first, words.difference, words.duration, words.interval, words.moment, words.number, words.place]
FILTERS += [words.probability, words.setting, words.settings]
HEIGHT = 360  # pixels of a figure
PANELS_ALONE = 40  # number of panels that one process draws faster than several can start
ROW = 84  # pixels of a row in the figure of differences


def write_report(summary: Summary, directory: Path, formats: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write ``report.html`` and its ``figures/`` in the given formats, and return the files, the page first.

    Raises:
        UserError: plotly, jinja2 or matplotlib is not installed.
    """
    kinds = pictures(summary)
    looks = styles(model_names(summary))
    page = directory / "report.html"
    text = render(summary, kinds, looks)
    write_atomically(page, lambda out: out.write(text.encode()))
    return [page, *_stills(kinds, looks, directory / "figures", formats)]


def write_page(summary: Summary | None, lead: str, page: Path) -> None:
    """Write only the page of a summary, preceded by the HTML ``lead``; without a summary that is the whole page.

    Raises:
        UserError: plotly or jinja2 is not installed.
    """
    if summary is None:
        colours = "".join(f"--{key}: {value}; " for key, value in LIGHT.items())
        style = f":root {{ {colours}}}\n{(PAGE / 'report.css').read_text()}"
        text = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{style}</style><main>{lead}</main></html>\n'
        )
    else:
        text = render(summary, pictures(summary), styles(model_names(summary)), lead)
    write_atomically(page, lambda out: out.write(text.encode()))


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


def render(summary: Summary, kinds: list[Pictures], looks: dict[str, Style], lead: str = "") -> str:
    """Return the page of a summary with its figures as a string; the HTML ``lead`` precedes everything else.

    Raises:
        UserError: plotly or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
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
    figures = {f"{k.key}-{i}": specification(chart, looks) for k in kinds for i, chart in enumerate(k.charts)}
    return environment.get_template("report.html").render(
        summary=summary,
        lead=lead,
        kinds=kinds,
        looks=looks,
        resolved_plan=yaml.safe_dump(as_plain(plan), sort_keys=False, allow_unicode=True) if plan else None,
        strip=_strip,
        height=_height,
        light=LIGHT,
        dark=DARK,
        css=(PAGE / "report.css").read_text(),
        js=(PAGE / "report.js").read_text(),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        # Escape, so that a closing tag in a run's name cannot end the script with the data.
        figures=json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def drawn(summary: Summary, keys: Sequence[str]) -> Figure:
    """Some kinds of the report's pictures as one figure of matplotlib.

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
        raise UserError(f"A picture needs {error.name}: install it with pip install 'gatebench[report]'.") from error


def _stills(kinds: list[Pictures], looks: dict[str, Style], directory: Path, formats: Sequence[str]) -> list[Path]:
    try:
        import matplotlib.figure  # noqa: F401  (missing, it is named here and not by a process of its own)
        from joblib import Parallel, cpu_count, delayed
    except ImportError as error:
        raise UserError(
            f"The figures need {error.name}: install it with pip install -e '.[report]' in GateBench's clone."
        ) from error
    several = sum(len(kind.charts) for kind in kinds) > PANELS_ALONE
    parallel = Parallel(n_jobs=min(cpu_count(), len(kinds)) if several else 1, batch_size=1)
    longest_first = sorted(kinds, key=lambda kind: -len(kind.charts))
    written = parallel(delayed(_still)(kind, looks, directory, formats) for kind in longest_first)
    files = {kind.key: paths for kind, paths in zip(longest_first, written, strict=True)}
    return [path for kind in kinds for path in files[kind.key]]


def _still(kind: Pictures, looks: dict[str, Style], directory: Path, formats: Sequence[str]) -> list[Path]:
    from src.figures.canvas import save
    from src.figures.still import draw

    return save(draw(kind.charts, kind.columns, looks), directory / kind.key, formats)


def _height(chart: Chart) -> int:
    """Return the height of a figure in pixels."""
    return 90 + ROW * len(chart.y.ticks) if chart.y.ticks else HEIGHT


def _strip(mean: float, low: float, high: float, margin: float | None) -> dict[str, Any]:
    """Return positions in percent of the strip's width, with 0 in the middle."""
    reach = 1.15 * max(abs(low), abs(high), abs(mean), margin or 0.0) or 1.0

    def at(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    edge = None if margin is None else (at(-margin), round(at(margin) - at(-margin), 2))
    return {"mean": at(mean), "wide": (at(low), round(at(high) - at(low), 2)), "margin": edge}
