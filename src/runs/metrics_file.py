"""Read and write metrics.csv: one line per global step, with floats that read back exactly.

This module does not import torch or Lightning, so that reading a run is quick.
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
LARGEST = 1 << 30  # bytes, about ten million rows of ten metrics
TAIL = 1 << 16  # bytes, longer than any row


def read_metrics(path: str | os.PathLike[str]) -> list[Row]:
    """Return the rows of a metrics.csv in file order; values missing at a step are absent from its row.

    Step and epoch are integers, `seconds` is the wall-clock time since training began (the clock stops between a kill
    and the resume), and every other value is as logged: integers stay integers, floats are exact. The file may belong
    to a killed run: a last line without its newline is ignored. A missing file has no rows.

    Raises:
        UserError: the file cannot be read, does not begin with :data:`LEADING`, or a complete line has another number
            of fields than the header, a field that is not a number, or no step.
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
            if not isinstance(rows[-1].get("step"), int):
                raise ValueError(f"expected a whole number as step, got {str(fields)[:200]}")
    except OSError as error:
        raise UserError(f"{path} must be the metrics.csv of a run, but cannot be read ({error.strerror}).") from error
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}, line {line}: {error}") from error
    return rows


def last_row(path: str | os.PathLike[str]) -> Row:
    """Return the last row of a metrics.csv without reading earlier ones; empty if there is none."""
    with open(path, "rb") as file:
        header = file.readline()
        start = max(len(header), file.seek(0, os.SEEK_END) - TAIL)
        file.seek(start)
        lines = file.read().rpartition(b"\n")[0].splitlines()
    columns = next(csv.reader([header.decode("utf-8")]), [])
    return _row(columns, lines[-1].decode("utf-8").split(",")) if lines else {}


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Return the columns for these rows: step, epoch, seconds, then the metrics by first appearance."""
    return list(dict.fromkeys([*LEADING, *(name for row in rows for name in row)]))


def format_row(row: Row, columns: Sequence[str]) -> bytes:
    """Format one line including its newline; missing columns stay empty."""
    return (",".join(repr(row[name]) if name in row else "" for name in columns) + "\n").encode("utf-8")


def format_file(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Format the whole file: header and rows."""
    return csv_text(columns, []).encode() + b"".join(format_row(row, columns) for row in rows)


def _row(columns: list[str], fields: list[str]) -> Row:
    return {name: _number(field) for name, field in zip(columns, fields, strict=True) if field}


def _number(field: str) -> int | float:
    return int(field) if field.lstrip("-").isdigit() else float(field)
