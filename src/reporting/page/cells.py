"""What a table of the page is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.reporting.page.words import number


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    >>> Cell("8.5").link is None
    True

    Args:
        text: what stands there.
        link: where it leads.
        anchor: name by which others lead here.
        code: a command, path or id.
        sort: what its column is sorted by; None: the text.
    """

    text: str
    link: str | None = None
    anchor: str | None = None
    code: bool = False
    sort: float | None = None


@dataclass(frozen=True)
class Table:
    """A table with its caption; the first field of every row is its heading.

    >>> Table("Cost", ["model"], [[Cell("gru")]]).rows[0][0].text
    'gru'

    Args:
        caption: what it shows, and how to read it.
        columns: headings.
        rows: fields by row.
        long: so many rows that the page offers to filter and sort it.
    """

    caption: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    long: bool = False


def row(head: str, *values: object) -> list[Cell]:
    """A heading and fields: words as they are, numbers with four digits, a dash for None."""
    return [Cell(head), *(Cell(v) if isinstance(v, str) else number_cell(v) for v in values)]


def number_cell(value: object) -> Cell:
    """A number with four digits, sorted by its value."""
    return Cell(number(value), sort=float(value) if isinstance(value, int | float) else None)
