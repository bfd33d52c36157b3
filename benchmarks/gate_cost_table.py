"""The cost of a gate as a table: for a page, for a terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.contenders import Shape
from benchmarks.gate_cost import KINDS, Counted, Row, rows
from benchmarks.statistics import Median
from benchmarks.tables import NOISY, facts, number, row_of
from src.config.errors import UserError

BEGIN, END = "<!-- cost: begin -->", "<!-- cost: end -->"
HEADER = [
    "implementation", "hidden", "time", "parameters", "multiply-adds (M)", "saved for backward (MB)",
    "training step (ms)", "inference (ms)", "GRU times as fast in training", "in inference", "not so here",
]  # fmt: skip


def cells(row: Row) -> list[str]:
    """A row in the order of :data:`HEADER`; three numbers are those of GRU / LSTM / tanh."""
    counted, modes = row.counted, ("training", "inference")
    return [
        row.implementation,
        str(row.shape.hidden_size),
        str(row.shape.time),
        three(lambda kind: f"{counted[kind].parameters:,}"),
        three(lambda kind: number(counted[kind].multiply_adds / 1e6)),
        three(lambda kind: number(counted[kind].saved_mb)),
        *(times(row, mode) for mode in modes),
        *(interval(row.faster[mode], row.noisy[mode]) if mode in row.faster else "-" for mode in modes),
        ", ".join(row.exceptions),
    ]


def times(row: Row, mode: str) -> str:
    """Milliseconds of the three cells, where they were measured."""
    found = row.milliseconds.get(mode)
    return three(lambda kind: number(found[kind].value)) if found else "-"


def three(of: Callable[[str], str]) -> str:
    """The three cells' numbers."""
    return " / ".join(of(kind) for kind in KINDS)


def interval(value: Median, noisy: bool) -> str:
    """A ratio with its interval, marked where the machine was noisy."""
    return f"{value.value:.2f} ({value.low:.2f}-{value.high:.2f})" + (f" {NOISY}" if noisy else "")


def markdown(result: dict[str, Any]) -> str:
    """What was measured where, and the table; cells in the order GRU / LSTM / tanh."""
    # Which case was noisy for what reason stands in cost.json; the table marks it.
    lines = [
        f"- {line.removesuffix(':')}." if line.endswith(":") else f"- {line}"
        for line in facts(result)
        if line[0] != "("
    ]
    lines += ["", "Three numbers are GRU / LSTM / tanh network.", ""]
    lines += [row_of(HEADER), row_of(["---", *["---:"] * (len(HEADER) - 2), "---"])]
    return "\n".join([*lines, *(row_of(cells(row)) for row in rows(result))]) + "\n"


def for_screen(result: dict[str, Any]) -> Table:
    """The times and what is not so, for a terminal; all else is in the files."""
    table = Table(title="Milliseconds of GRU / LSTM / tanh network", title_justify="left")
    shown = {"implementation": "", "hidden": "hidden", "time": "time", "training step (ms)": "training",
             "inference (ms)": "inference", "not so here": "not so here"}  # fmt: skip
    for name, heading in shown.items():
        table.add_column(heading, justify="left" if name in ("implementation", "not so here") else "right")
    for row in rows(result):
        found = dict(zip(HEADER, cells(row), strict=True))
        table.add_row(*(found[name] for name in shown))
    return table


def as_csv(result: dict[str, Any]) -> str:
    """One line for each implementation, shape, mode and cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["implementation", *Shape._fields, "cell", *Counted._fields, "mode", "milliseconds", "low", "high"])
    for row in rows(result):
        for mode, by_cell in row.milliseconds.items():
            for kind, time in by_cell.items():
                writer.writerow([row.implementation, *row.shape, kind, *row.counted[kind], mode, *time[:3]])
    return out.getvalue()


def put_into(page: Path, result: dict[str, Any]) -> None:
    """Replace what stands between the page's marks.

    Raises:
        UserError: the page is missing or has no marks.
    """
    before, _, rest = read_page(page).partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{markdown(result)}{END}{rest.partition(END)[2]}")


def read_page(page: Path) -> str:
    """The text of a page that has a place for the table.

    Raises:
        UserError: the page is missing or has no marks.
    """
    text = page.read_text() if page.is_file() else ""
    if END not in text.partition(BEGIN)[2]:
        raise UserError(f"table={page} has no place for the table: it must be a page with {BEGIN} and {END} in it.")
    return text
