r"""A comparison for a paper: ``table.tex``, which needs only ``\usepackage{booktabs}``, and ``sentence.txt``."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.files import write_atomically
from src.statistics.intervals import Interval
from src.statistics.rounding import of_interval

HEAD = ("Data", "Metric", "Model", "Mean", r"95\,\% interval", "Runs", "Verdict")
COLUMNS = "lllrrrl"
SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}", "±": r"\ensuremath{\pm}"},
    **{"ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ł": r"\l{}", "Ł": r"\L{}"},
    **{"–": "--", "−": r"\ensuremath{-}", "“": "``", "”": "''", "[": "{[}", "]": "{]}", "*": "{*}"},
}
# LaTeX accent command by combining character.
MARKS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
ACCENTS = dict(zip(MARKS, "`'^~=u.\"rHvc", strict=True))


def write_paper(summary: Summary, directory: Path) -> list[Path]:
    """Write ``table.tex`` and ``sentence.txt`` into a directory, and return their paths."""
    sentences = [*summary.answers(), *summary.beside_the_verdicts()]
    texts = {"table.tex": latex_table(summary), "sentence.txt": "".join(f"{line}\n" for line in sentences)}
    for name, text in texts.items():
        write_atomically(directory / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    return [directory / name for name in texts]


def latex_table(summary: Summary) -> str:
    """Return a row for each model on each data set, followed by one for each comparison of the headline."""
    # A line break in a name would end the comment.
    remarks = [f"% {' '.join(sentence.split())}" for sentence in summary.answers()]
    below = [_comparison(task, c) for task, c in summary.headline()]
    lines = [
        *("% Needs \\usepackage{booktabs}. Differences are positive if the model named first is better.", *remarks),
        *(f"\\begin{{tabular}}{{{COLUMNS}}}", r"\toprule", _row(HEAD), r"\midrule"),
        *(_row(cells) for task in summary.tasks for cells in _models(task)),
        *([r"\midrule", *map(_row, below)] if below else []),
        *(r"\bottomrule", r"\end{tabular}"),
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Escape a name for any LaTeX engine; letters of other scripts become code points.

    >>> escaped("seq_mnist"), escaped("50 % für A&B"), escaped("α")
    ('seq\\_mnist', '50 \\% f\\"{u}r A\\&B', 'U+03B1')
    """
    return "".join(map(_letter, " ".join(text.split())))


def _letter(letter: str) -> str:
    if letter in SIGNS:
        return SIGNS[letter]
    if " " <= letter <= "~":
        return letter
    plain = unicodedata.normalize("NFD", letter)
    if len(plain) == 2 and plain[0].isascii() and plain[1] in ACCENTS:
        return f"\\{ACCENTS[plain[1]]}{{{plain[0]}}}"
    return f"U+{ord(letter):04X}"


def _models(task: Task) -> Iterator[tuple[str, ...]]:
    metric = task.metric if not task.unit else f"{task.metric} ({task.unit})"
    for place, model in enumerate(task.models):
        of_task = ("", "") if place else (escaped(task.label), escaped(metric))
        yield (*of_task, escaped(model.model), _number(model.mean, model.interval), _interval(model.interval),
               str(model.n), "")  # fmt: skip


def _comparison(task: Task, c: Comparison) -> tuple[str, ...]:
    """Return a row like a model's: the mean difference with the verdict's interval, and pairs instead of runs."""
    shown = None if c.provisional else (c.verdict and c.verdict.interval_better) or c.t
    verdict = c.verdict.words if c.verdict else "no verdict"
    return (
        escaped(task.label),
        "difference",
        f"{escaped(c.a)} against {escaped(c.b)}",
        _number(c.mean, shown or c.t, "+"),
        _interval(shown),
        f"{c.n} pairs",
        escaped(verdict),
    )


def _number(value: float | None, interval: Interval | None, sign: str = "") -> str:
    return "" if value is None else f"${value:{sign}.{of_interval(interval)}f}$"


def _interval(interval: Interval | None) -> str:
    """Format an interval, with its level unless that is 95 %."""
    if interval is None:
        return ""
    digits = of_interval(interval)
    level = "" if round(interval.level, 6) == 0.95 else f" ({100 * interval.level:.4g}\\,\\%)"
    return f"${interval.low:.{digits}f}$ to ${interval.high:.{digits}f}${level}"


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(cells) + r" \\"
