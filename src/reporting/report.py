"""The report of a comparison: one HTML file that asks nobody for anything, and its figures as SVG and PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.analysis.across import Across
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.config.errors import UserError
from src.figures.chart import Chart
from src.figures.interactive import specification
from src.figures.palette import DARK, LIGHT, Style, styles
from src.files import write_atomically
from src.reporting.page.pictures import Pictures, model_names, pictures
from src.reporting.page.sections import sections
from src.reporting.page.task_tables import answer
from src.reporting.page.words import NOTHING, duration, interval, number, place
from src.statistics.rounding import of_interval

PAGE = Path(__file__).parent / "page"
HEIGHT = 360  # pixels of a figure
PANELS_ALONE = 40  # panels that one process draws sooner than several have started
ROW = 84  # pixels of a row in the figure of differences


def write_report(summary: Summary, directory: Path) -> list[Path]:
    """Write ``report.html`` and ``figures/*.svg`` and ``*.png`` into a directory; returns the files, the page first.

    Raises:
        UserError: plotly, jinja2 or matplotlib is not installed.
    """
    kinds = pictures(summary)
    looks = styles(model_names(summary))
    page = directory / "report.html"
    text = render(summary, kinds, looks)
    write_atomically(page, lambda out: out.write(text.encode()))
    return [page, *_stills(kinds, looks, directory / "figures")]


def render(summary: Summary, kinds: list[Pictures], looks: dict[str, Style]) -> str:
    """The page of a summary with its figures, as one string.

    Raises:
        UserError: plotly or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError(f"The report needs {error.name}: install it with pip install 'gatebench[report]'.") from error
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    figures = {f"{k.key}-{i}": specification(chart, looks) for k in kinds for i, chart in enumerate(k.charts)}
    below = sections(summary)
    answers = [_answer(task, c, looks) for task, c in summary.headline()]
    flags = summary.all_flags()
    minor = [f for f in flags if f.weight != "serious"]
    contents = [("answer", "The answer"), ("care", "Before you rely on it")]
    contents += [(kind.key, kind.heading) for kind in kinds] + [(s.id, s.heading) for s in below]
    return environment.get_template("report.html").render(
        name=summary.name,
        first=answers[0]["badge"] if answers else "no comparison",
        question=summary.plan.question if summary.plan else None,
        facts=_facts(summary),
        light=LIGHT,
        dark=DARK,
        css=_read("report.css"),
        js=_read("report.js"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        contents=contents,
        answers=answers,
        across=_across(summary.across),
        serious=[f for f in flags if f.weight == "serious"],
        counted=_counted(summary),
        unknown=_unknown(summary),
        notes=f"{len(minor)} further note{'' if len(minor) == 1 else 's'}" if minor else None,
        kinds=kinds,
        height=_height,
        sections=below,
        # Not even a closing tag inside a run's name can end the script that holds the data.
        figures=json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _stills(kinds: list[Pictures], looks: dict[str, Style], directory: Path) -> list[Path]:
    try:
        import matplotlib.figure  # noqa: F401  (missing, it is named here and not by a process of its own)
        from joblib import Parallel, cpu_count, delayed
    except ImportError as error:
        raise UserError(f"The figures need {error.name}: install it with pip install 'gatebench[report]'.") from error
    several = sum(len(kind.charts) for kind in kinds) > PANELS_ALONE
    parallel = Parallel(n_jobs=min(cpu_count(), len(kinds)) if several else 1, batch_size=1)
    longest_first = sorted(kinds, key=lambda kind: -len(kind.charts))
    written = parallel(delayed(_still)(kind, looks, directory) for kind in longest_first)
    files = {kind.key: paths for kind, paths in zip(longest_first, written, strict=True)}
    return [path for kind in kinds for path in files[kind.key]]


def _still(kind: Pictures, looks: dict[str, Style], directory: Path) -> list[Path]:
    from src.figures.canvas import save
    from src.figures.still import draw

    return save(draw(kind.charts, kind.columns, looks), directory / kind.key)


def _read(name: str) -> Any:
    from markupsafe import Markup

    return Markup((PAGE / name).read_text())


def _height(chart: Chart) -> int:
    """Of a figure, in pixels."""
    return 90 + ROW * len(chart.y.ticks) if chart.y.ticks else HEIGHT


def _answer(task: Task, c: Comparison, looks: dict[str, Style]) -> dict[str, Any]:
    """One comparison as the card at the top shows it."""
    verdict = c.verdict
    leading = c.a if (c.mean or 0) >= 0 else c.b
    shown = (verdict and verdict.interval_95) or c.t
    where = place(task) if c.primary else f"{place(task)}: {c.a} against {c.b}"
    unit = f" {task.unit}" if task.unit else f" in {task.metric}"
    words = ["There is no mean difference"]
    if c.mean is not None:
        value = f"{c.mean:+.{of_interval(shown)}f}".replace("-", "−")
        words = [f"Mean paired difference {value}{unit}"]
    if shown:
        words.append(f"{100 * shown.level:.0f} % interval {interval(shown)}")
    words.append(f"margin ±{number(task.margin)}" if task.margin is not None else "no margin was fixed")
    words.append("one pair" if c.n == 1 else f"{c.n} pairs")
    return {
        "place": where,
        "outcome": verdict.outcome if verdict else "undecided",
        "badge": answer(c),
        "sentence": verdict.sentence.removeprefix(f"{task.label}: ")
        if verdict
        else "There are too few pairs to answer.",
        "strip": _strip(c.mean, shown.low, shown.high, task.margin) if c.mean is not None and shown else None,
        "words": "; ".join(words) + (f"; positive: {c.a} better." if c.mean is not None else "."),
        "colour": looks[leading].colour if leading in looks else "var(--ink)",
        "a": c.a,
        "b": c.b,
        "changes": bool(c.sensitivity),
    }


def _strip(mean: float, low: float, high: float, margin: float | None) -> dict[str, Any]:
    """Positions in percent of the strip's width; 0 stands in the middle."""
    reach = 1.15 * max(abs(low), abs(high), abs(mean), margin or 0.0) or 1.0

    def at(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    edge = None if margin is None else (at(-margin), round(at(margin) - at(-margin), 2))
    return {"mean": at(mean), "wide": (at(low), round(at(high) - at(low), 2)), "margin": edge}


def _facts(summary: Summary) -> str:
    kinds = {"study": "A study", "runs": "Runs", "table": "A table", "pack": "A pack"}
    words = [f"{kinds.get(summary.kind, summary.kind)} read from {', '.join(summary.places) or NOTHING}"]
    words.append("one run" if len(summary.runs) == 1 else f"{len(summary.runs)} runs")
    if summary.seconds:
        words.append(f"{duration(summary.seconds)} of training")
    return "; ".join(words) + "."


def _counted(summary: Summary) -> str:
    """How the runs ended, by phase."""
    phases = [
        f"{phase} runs: " + ", ".join(f"{n} {status}" for status, n in by_status.items())
        for phase, by_status in summary.counts.items()
        if by_status
    ]
    if summary.problems:
        number = len(summary.problems)
        phases.append(f"{number} place{' was' if number == 1 else 's were'} found and not counted, or not in full")
    text = "; ".join(phases)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _unknown(summary: Summary) -> str | None:
    """What nobody could check, since what was read does not say it."""
    words = []
    if summary.kind == "table":
        words.append("A table says nothing of budgets, tuning, code and data: whether they were alike is not known.")
    if summary.plan is None and any(task.margin is not None for task in summary.tasks):
        words.append("There is no plan: whether the margin was fixed before the runs is not known.")
    return " ".join(words) or None


def _across(across: Across | None) -> str | None:
    if across is None:
        return None
    counts = {f"{across.a} better": across.better, "the same": across.same, f"{across.b} better": across.worse}
    counts |= {"undecided": across.undecided}
    words = ", ".join(f"{name} on {n}" for name, n in counts.items())
    return f"Over the data sets: {words}." + (f" {across.note}" if across.note else "")
