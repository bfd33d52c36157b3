"""Results of other tools: a CSV file with the columns model, data, seed and one or more metrics."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from src.analysis.collect import Collection
from src.analysis.read import STATUSES
from src.analysis.summary import Problem, Run
from src.config.errors import UserError

NAMES = ("model", "data", "seed", "arm", "status")


def read_table(path: Path) -> Collection:
    """Runs from a CSV file.

    The columns ``model``, ``data`` and ``seed`` say which run a line is; ``arm`` and ``status`` may. Every other column
    of numbers is a metric by its name, ``metric`` one whose name nobody gave; or the columns ``metric`` and ``value``
    hold name and value. Commas, semicolons or tabs stand between them. A value that is empty is missing; one that is
    not finite counts as a run that diverged; one that is no number is listed as a problem.

    Raises:
        UserError: when the file cannot be read, lacks a column, or has no column of numbers.
    """
    import pandas as pd

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
    if {"metric", "value"} <= set(frame.columns):
        named = [(str(name), "value") for name in dict.fromkeys(frame["metric"])]
    else:
        named = [(str(name), str(name)) for name in frame.columns if name not in NAMES and _numbers(frame[name])]
    if not named:
        columns = [name for name in frame.columns if name not in NAMES and len(frame)]
        seen = f" ({columns[0]} begins with {frame[columns[0]].iloc[0]!r})" if columns else ""
        raise UserError(
            f"{path} has no column of numbers beside {', '.join(NAMES[:3])}{seen}: one for each metric is needed."
        )
    found = Collection(path.stem, "table", [str(path)])
    metrics: dict[tuple[str, ...], dict[str, float]] = {}
    for line, row in enumerate(frame.to_dict("records"), start=2):
        key = tuple(str(row.get(name) or "").strip() for name in NAMES)
        if not key[0] or not key[1] or (whole := _seed(key[2])) is None:
            sentence = f"Line {line} does not say model, data and a whole number as seed."
            found.problems.append(Problem("nameless", f"{path}:{line}", sentence))
            continue
        if key[4] and key[4] not in STATUSES:
            sentence = f"Line {line} has the status {key[4]}, and so does not count: it must be {', '.join(STATUSES)}."
            found.problems.append(Problem("foreign", f"{path}:{line}", sentence))
            continue
        key = (*key[:2], str(whole), *key[3:])
        of = metrics.setdefault(key, {})
        for name, column in named:
            if column == "value" and row["metric"] != name:
                continue
            try:
                value = _number(str(row[column]))
            except ValueError:
                sentence = f"Line {line} has {row[column]!r} as {name}, which is no number: it counts as missing."
                found.problems.append(Problem("unreadable", f"{path}:{line}", sentence))
                continue
            if value is None:
                continue
            if name in of:
                twice = f"Line {line} gives {name} a second time; the first counts."
                found.problems.append(Problem("duplicate", f"{path}:{line}", twice))
            else:
                of[name] = value
    for (model, data, seed, arm, status), of in metrics.items():
        run = Run(
            id="-".join(filter(None, [model, data, arm, f"seed{seed}"])),
            model=model,
            data=data,
            seed=int(seed),
            arm=arm or "main",
            status=status or "finished",
            metrics=of,
        )
        found.runs.append(run)
    return found


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
    return name.lower() if name.lower() in (*NAMES, "metric", "value") else name


def _seed(text: str) -> int | None:
    """A whole number, also as a spreadsheet writes it: 3.0."""
    return int(float(text)) if _is_number(text) and float(text).is_integer() else None


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None
