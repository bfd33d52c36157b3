"""What a table of the page is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.reporting.page.words import number


@dataclass(frozen=True)
class Cell:
    """One field of a table."""

    text: str  # what stands there
    link: str | None = None  # where it leads
    anchor: str | None = None  # name by which others lead here
    code: bool = False  # a command, path or id
    sort: float | None = None  # what its column is sorted by; None: the text


@dataclass(frozen=True)
class Table:
    """A table with its caption; the first field of every row is its heading."""

    caption: str  # what it shows, and how to read it
    columns: list[str]  # headings
    rows: list[list[Cell]] = field(default_factory=list)  # fields by row
    long: bool = False  # so many rows that the page offers to filter and sort it


def row(head: str, *values: object) -> list[Cell]:
    """A heading and fields: words as they are, numbers with four digits, a dash for None."""
    return [Cell(head), *(Cell(v) if isinstance(v, str) else number_cell(v) for v in values)]


def number_cell(value: object) -> Cell:
    """A number with four digits, sorted by its value."""
    return Cell(number(value), sort=float(value) if isinstance(value, int | float) else None)
