"""The file metrics.csv: one line for each global step, floats written so that they read back as the same floats.

Whoever reads a run pays for no import of torch or Lightning here.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.config.errors import UserError
from src.files import csv_text, read_limited

Row = dict[str, int | float]
LEADING = ("step", "epoch", "seconds")
LARGEST = 1 << 30  # bytes, ten million rows of ten metrics or so
TAIL = 1 << 16  # bytes, more than any row has


def read_metrics(path: str | os.PathLike[str]) -> list[Row]:
    """Rows of a metrics.csv in the order of the file; a value that a step does not have is absent from its row.

    The step and the epoch are integers, `seconds` is the wall-clock time in seconds since the training began (the
    clock stands still between a kill and the resume), every other value is what was logged: an integer stays an
    integer, a float comes back exactly. The file may belong to a run that was killed: a last line without its newline
    is left out. No file, no rows.

    Raises:
        UserError: the file cannot be read, or is no such table: it does not begin with :data:`LEADING`, or a line that
            is not the torn last one has not as many fields as the header, or one is not a number.
    """
    path = Path(path)
    if not path.exists() and not path.is_symlink():
        return []
    line = 1
    try:
        whole, _, _ = read_limited(path, LARGEST).rpartition(b"\n")
        lines = csv.reader(io.StringIO(whole.decode("utf-8")), strict=True)
        columns = next(lines, [])
        if columns and columns[: len(LEADING)] != list(LEADING):
            raise ValueError(f"expected the columns {','.join(LEADING)}, got {','.join(columns)[:80]}")
        rows: list[Row] = []
        for fields in lines:
            line = lines.line_num
            try:
                rows.append(_row(columns, fields))
            except ValueError:
                raise ValueError(f"expected {len(columns)} numbers or empty fields, got {str(fields)[:200]}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): it must be the metrics.csv of a run.") from error
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}, line {line}: {error}") from error
    return rows


def last_row(path: str | os.PathLike[str]) -> Row:
    """The last row of a metrics.csv, found without reading the rows before it; empty where there is none."""
    with open(path, "rb") as file:
        header = file.readline()
        start = max(len(header), file.seek(0, os.SEEK_END) - TAIL)
        file.seek(start)
        lines = file.read().rpartition(b"\n")[0].splitlines()
    columns = next(csv.reader([header.decode("utf-8")]), [])
    return _row(columns, lines[-1].decode("utf-8").split(",")) if lines else {}


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Columns of the file that holds these rows: step, epoch, seconds, then the metrics by first appearance."""
    return list(dict.fromkeys([*LEADING, *(name for row in rows for name in row)]))


def format_row(row: Row, columns: Sequence[str]) -> bytes:
    """One line of the file, newline included; a column that the row does not have stays empty."""
    return (",".join(repr(row[name]) if name in row else "" for name in columns) + "\n").encode("utf-8")


def format_file(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """The whole file: header and rows."""
    return csv_text(columns, []).encode() + b"".join(format_row(row, columns) for row in rows)


def _row(columns: list[str], fields: list[str]) -> Row:
    return {name: _number(field) for name, field in zip(columns, fields, strict=True) if field}


def _number(field: str) -> int | float:
    return int(field) if field.lstrip("-").isdigit() else float(field)
