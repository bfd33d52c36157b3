"""The cost of gates: GRU, LSTM and tanh network by width and length: ``python -m benchmarks.cost widths=[64,256]``.

The command, and the table: for a page, for a terminal, and as CSV.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

from benchmarks import CONF, results
from benchmarks.contenders import Shape
from benchmarks.gate_cost import KINDS, Counted, Row, measured, rows
from benchmarks.progress import with_progress
from benchmarks.settings import COST
from benchmarks.statistics import Median
from benchmarks.tables import NOISY, facts, number, put_into, read_page, row_of, show
from src.config.shell import command
from src.files import csv_text

MARKS = ("<!-- cost: begin -->", "<!-- cost: end -->")
HEADER = [
    "implementation", "hidden", "time", "parameters", "multiply-adds (M)", "saved for backward (MB)",
    "training step (ms)", "inference (ms)", "GRU speed-up in training", "in inference", "claims that fail",
]  # fmt: skip


def cost(cfg: DictConfig) -> dict[str, Any]:
    """Count and time, or take up an earlier result; print the table, and write it as JSON, Markdown and CSV.

    Args:
        cfg: a config composed from ``benchmarks/conf/cost.yaml``.

    Returns:
        The result: that of a benchmark, with ``counted`` beside its ``cases``.

    Raises:
        UserError: in one sentence, when a setting is impossible.
    """
    if cfg.results is not None:
        result = results.read(Path(cfg.results))
        show([for_screen(result)])
    else:
        if cfg.table is not None:
            read_page(Path(cfg.table), MARKS)  # refused before the measurement, not after it
        result = with_progress("benchmarks.cost", cfg, lambda show: measured(cfg, show))
        show([for_screen(result)])
        folder = Path(cfg.directory)
        results.write(folder / "cost.json", result)
        (folder / "cost.md").write_text(markdown(result))
        (folder / "cost.csv").write_text(as_csv(result))
        print(folder)
    if cfg.table is not None:
        put_into(Path(cfg.table), MARKS, markdown(result))
    return result


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
    """Format the milliseconds of the three cells that were measured."""
    by_cell = row.milliseconds.get(mode)
    return three(lambda kind: number(by_cell[kind].value)) if by_cell else "-"


def three(of: Callable[[str], str]) -> str:
    """Format the numbers of the three cells."""
    return " / ".join(of(kind) for kind in KINDS)


def interval(value: Median, noisy: bool) -> str:
    """Format a ratio with its interval, marked if the machine was noisy."""
    return f"{value.value:.2f} ({value.low:.2f}-{value.high:.2f})" + (f" {NOISY}" if noisy else "")


def markdown(result: dict[str, Any]) -> str:
    """Return the facts of the measurement and the table as Markdown."""
    # Which case was noisy for what reason stands in cost.json; the table marks it.
    lines = [
        f"- {line.removesuffix(':')}." if line.endswith(":") else f"- {line}"
        for line in facts(result)
        if line[0] != "("
    ]
    lines += ["", "Three numbers in one column: GRU / LSTM / tanh network.", ""]
    lines += [row_of(HEADER), row_of(["---", *["---:"] * (len(HEADER) - 2), "---"])]
    return "\n".join([*lines, *(row_of(cells(row)) for row in rows(result))]) + "\n"


def for_screen(result: dict[str, Any]) -> Table:
    """Return the times and the claims that fail, for a terminal; everything else is in the files."""
    table = Table(title="Milliseconds of GRU / LSTM / tanh network", title_justify="left")
    shown = {"implementation": "", "hidden": "hidden", "time": "time", "training step (ms)": "training",
             "inference (ms)": "inference", "claims that fail": "claims that fail"}  # fmt: skip
    for name, heading in shown.items():
        table.add_column(heading, justify="left" if name in ("implementation", "claims that fail") else "right")
    for row in rows(result):
        values = dict(zip(HEADER, cells(row), strict=True))
        table.add_row(*(values[name] for name in shown))
    return table


def as_csv(result: dict[str, Any]) -> str:
    """Return one line for each implementation, shape, mode and cell."""
    lines = (
        [row.implementation, *row.shape, kind, *row.counted[kind], mode, *time[:3]]
        for row in rows(result)
        for mode, by_cell in row.milliseconds.items()
        for kind, time in by_cell.items()
    )
    head = ["implementation", *Shape._fields, "cell", *Counted._fields, "mode", "milliseconds", "low", "high"]
    return csv_text(head, lines)


def main() -> None:
    """Run the command line."""
    command("cost", cost, CONF, COST)


if __name__ == "__main__":
    main()
