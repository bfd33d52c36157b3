"""Results of other tools: a CSV file with the columns model, data, seed and one or more metrics."""

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
# What other tools call figures that no task here has.
THEIRS = {name: Metric(name, "min") for name in ("error", "cross_entropy", "rmse")}
THEIRS |= {name: Metric(name, "max") for name in ("accuracy", "auc", "r2")}


def read_table(path: Path) -> Collection:
    """Runs from a CSV file.

    The columns ``model``, ``data`` and ``seed`` say which run a line is; ``arm`` and ``status`` may. Every other column
    of numbers is a metric by its name, ``metric`` one whose name nobody gave; or the columns ``metric`` and ``value``
    hold name and value. Commas, semicolons or tabs stand between them. A value that is empty is missing; one that is
    not finite counts as a run that diverged; one that is no number is listed as a problem.

    Raises:
        UserError: when the file cannot be read, lacks a column, or has no column of numbers.
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
    """The table as words, by column."""
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
        raise UserError(f"{path} cannot be read as a table ({error}): it must be a CSV file with a header.") from error
    frame.columns = [_name(str(column)) for column in frame.columns]
    if lacking := [name for name in ("model", "data", "seed") if name not in frame.columns]:
        raise UserError(
            f"{path} lacks the column {lacking[0]}: a table has the columns model, data, seed and one for each metric."
        )
    return frame


def _metric_columns(frame: Any, path: Path) -> list[tuple[str, str]]:
    """The name of every metric, and the column that holds it."""
    if {"metric", "value"} <= set(frame.columns):
        return [(str(name), "value") for name in dict.fromkeys(frame["metric"])]
    others = [str(name) for name in frame.columns if name not in IDENTIFYING]
    if named := [(name, name) for name in others if _numbers(frame[name])]:
        return named
    seen = f" ({others[0]} begins with {frame[others[0]].iloc[0]!r})" if others and len(frame) else ""
    raise UserError(f"{path} has no column of numbers beside model, data, seed{seen}: one for each metric is needed.")


def _key(row: dict[str, Any], note: Note) -> tuple[str, ...] | None:
    """What a line says of its run: model, data, seed, arm, status; None where it says too little."""
    model, data, seed, arm, status = (str(row.get(name) or "").strip() for name in IDENTIFYING)
    if not model or not data or (whole := _seed(seed)) is None:
        note("nameless", "does not say model, data and a whole number as seed.")
        return None
    if status and status not in ORDER:
        note("foreign", f"has the status {status}, and so does not count: it must be {', '.join(ORDER)}.")
        return None
    return model, data, str(whole), arm, status


def _take_value(values: dict[str, float], name: str, text: str, note: Note) -> None:
    try:
        value = _number(text)
    except ValueError:
        note("unreadable", f"has {text!r} as {name}, which is no number: it counts as missing.")
        return
    if value is not None and name in values:
        note("duplicate", f"gives {name} a second time; the first counts.")
    elif value is not None:
        values[name] = value


def _numbers(column: Iterable[object]) -> bool:
    """Whether at least half of what stands in a column is numbers: one word among them does not make it a remark."""
    values = [str(value) for value in column if str(value).strip()]
    return 2 * sum(_is_number(value) for value in values) >= max(1, len(values))


def _is_number(text: str) -> bool:
    try:
        return _number(text) is not None
    except ValueError:
        return False


def _name(column: str) -> str:
    """A column's name: ``Model`` is ``model``, and a metric keeps its capitals."""
    name = column.strip()
    return name.lower() if name.lower() in (*IDENTIFYING, "metric", "value") else name


def _seed(text: str) -> int | None:
    """A whole number, also as a spreadsheet writes it: 3.0."""
    return int(float(text)) if _is_number(text) and float(text).is_integer() else None


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None
