"""Results of other tools: a CSV file with the columns model, data, seed and one or more metrics."""

from __future__ import annotations

from pathlib import Path

from src.analysis.collect import Collection
from src.analysis.summary import Problem, Run
from src.config import Mistake

NAMES = ("model", "data", "seed", "arm", "status")


def read_table(path: Path) -> Collection:
    """Runs from a CSV file.

    The columns ``model``, ``data`` and ``seed`` say which run a line is; ``arm`` and ``status`` may. Every other column
    of numbers is a metric by its name, ``metric`` one whose name nobody gave; or the columns ``metric`` and ``value``
    hold name and value. A value that is empty is missing; one that is not finite counts as a run that diverged.

    Raises:
        Mistake: when the file cannot be read, lacks a column, or has no column of numbers.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise Mistake(f"{path} cannot be read as a table ({error}): it must be a CSV file with a header.") from error
    frame.columns = frame.columns.str.strip()
    if lacking := [name for name in ("model", "data", "seed") if name not in frame.columns]:
        raise Mistake(
            f"{path} lacks the column {lacking[0]}: a table has the columns model, data, seed and one for each metric."
        )
    if {"metric", "value"} <= set(frame.columns):
        named = [(str(name), "value") for name in dict.fromkeys(frame["metric"])]
    else:
        named = [(str(name), str(name)) for name in frame.columns if name not in NAMES and _numbers(frame[name])]
    if not named:
        raise Mistake(f"{path} has no column of numbers beside {', '.join(NAMES[:3])}: one for each metric is needed.")
    found = Collection(path.stem, "table", [str(path)])
    metrics: dict[tuple[str, ...], dict[str, float]] = {}
    for line, row in enumerate(frame.to_dict("records"), start=2):
        key = tuple(str(row.get(name) or "").strip() for name in NAMES)
        if not key[0] or not key[1] or not key[2].lstrip("-").isdigit():
            sentence = f"Line {line} does not say model, data and a whole number as seed."
            found.problems.append(Problem("nameless", f"{path}:{line}", sentence))
            continue
        of = metrics.setdefault(key, {})
        for name, column in named:
            if column == "value" and row["metric"] != name:
                continue
            if (value := _number(str(row[column]))) is None:
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


def _numbers(column: object) -> bool:
    values = [str(value).strip() for value in column if str(value).strip()]  # type: ignore[attr-defined]
    try:
        return bool([float(value) for value in values])
    except ValueError:
        return False


def _number(text: str) -> float | None:
    return float(text) if text.strip() else None
