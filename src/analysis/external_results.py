"""Read results of other tools: a CSV file with the columns model, data, seed and one or more metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from src.analysis.collect import ORDER, Collection, ProblemKind
from src.analysis.run import Run
from src.config.errors import UserError
from src.config.own_files import refuse_long_lines
from src.tasks.metrics import Metric

Note = Callable[[ProblemKind, str], None]

IDENTIFYING = ("model", "data", "seed", "arm", "status")
# Names of metrics in other tools that no task here has.
THEIRS = {name: Metric(name, "min") for name in ("error", "cross_entropy", "rmse")}
THEIRS |= {name: Metric(name, "max") for name in ("accuracy", "auc", "r2")}


def read_table(path: Path) -> Collection:
    """Read runs from a CSV file.

    The columns ``model``, ``data`` and ``seed`` identify the run of a line, optionally with ``arm`` and ``status``.
    Every other numeric column is a metric under its own name (``metric`` is an unnamed one), or else the columns
    ``metric`` and ``value`` hold name and value. Separators are commas, semicolons or tabs. Empty values are missing,
    values that are not finite mark a diverged run, and values that are not numbers are listed as problems.

    Raises:
        UserError: the file cannot be read, lacks a column or has one more than once, or has no numeric column.
    """
    frame = _frame(path)
    metrics = _metric_columns(frame, path)
    collection = Collection(path.stem, "table", [str(path)])
    values: dict[tuple[str, ...], dict[str, float]] = {}
    for line, row in enumerate(frame.to_dict("records"), start=2):
        note = partial(_note, collection, path, line)
        if (key := _key(row, note)) is not None:
            of = values.setdefault(key, {})
            for name, column in metrics:
                if column != "value" or row["metric"] == name:
                    _take_value(of, name, str(row[column]), note)
    for (model, data, seed, arm, status), of in values.items():
        run = Run(
            id="-".join(filter(None, [model, data, arm, f"seed{seed}"])),
            seed=int(seed),
            model=model,
            data_name=data,
            arm=arm or "main",
            status=status or "finished",  # type: ignore[arg-type]
            metrics=of,
            declared=THEIRS,
        )
        collection.runs.append(run)
    return collection


def _note(collection: Collection, path: Path, line: int, kind: ProblemKind, words: str) -> None:
    collection.note(kind, f"{path}:{line}", f"Line {line} {words}")


def _frame(path: Path) -> Any:
    """Read the table as text, by column."""
    import pandas as pd

    if path.is_file():
        refuse_long_lines(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        between = max(",;\t", key=header.count)
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True, sep=between, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{path} must be a CSV file with a header, but could not be read ({error}).") from error
    frame.columns = [_name(str(column)) for column in frame.columns]
    if len(twice := frame.columns[frame.columns.duplicated()]):
        raise UserError(f"{path} has the column {twice[0]} more than once: remove or rename one.")
    if lacking := [name for name in ("model", "data", "seed") if name not in frame.columns]:
        raise UserError(
            f"{path} lacks the column {lacking[0]}: it must have the columns model, data, seed and one per metric."
        )
    return frame


def _metric_columns(frame: Any, path: Path) -> list[tuple[str, str]]:
    """Return the name and the value column of every metric."""
    if {"metric", "value"} <= set(frame.columns):
        return [(str(name), "value") for name in dict.fromkeys(frame["metric"])]
    others = [str(name) for name in frame.columns if name not in IDENTIFYING]
    if named := [(name, name) for name in others if _numbers(frame[name])]:
        return named
    seen = f" ({others[0]} begins with {frame[others[0]].iloc[0]!r})" if others and len(frame) else ""
    raise UserError(f"{path} has no numeric column besides model, data, seed{seen}: add one for each metric.")


def _key(row: dict[str, Any], note: Note) -> tuple[str, ...] | None:
    """Return model, data, seed, arm and status of a line, or None if model, data or seed is missing."""
    model, data, seed, arm, status = (str(row.get(name) or "").strip() for name in IDENTIFYING)
    if not model or not data or (whole := _seed(seed)) is None:
        note("nameless", "lacks a model, a data set or a whole number as seed.")
        return None
    if status and status not in ORDER:
        note("foreign", f"is ignored because of its status {status}, which must be one of {', '.join(ORDER)}.")
        return None
    return model, data, str(whole), arm, status


def _take_value(values: dict[str, float], name: str, text: str, note: Note) -> None:
    try:
        value = _number(text)
    except ValueError:
        note("unreadable", f"has {text!r} as {name}, which is not a number and is treated as missing.")
        return
    if value is not None and name in values:
        note("duplicate", f"gives {name} a second time; the first value is used.")
    elif value is not None:
        values[name] = value


def _numbers(column: Iterable[object]) -> bool:
    """Return whether at least half of a column's values are numbers, so that a stray word does not disqualify it."""
    values = [str(value) for value in column if str(value).strip()]
    return 2 * sum(_is_number(value) for value in values) >= max(1, len(values))


def _is_number(text: str) -> bool:
    try:
        return _number(text) is not None
    except ValueError:
        return False


def _name(column: str) -> str:
    """Normalise a column's name: ``Model`` becomes ``model``, while metrics keep their capitals."""
    name = column.strip()
    return name.lower() if name.lower() in (*IDENTIFYING, "metric", "value") else name


def _seed(text: str) -> int | None:
    """Parse a whole number, including the form 3.0 that spreadsheets write."""
    return int(float(text)) if _is_number(text) and float(text).is_integer() else None


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None
