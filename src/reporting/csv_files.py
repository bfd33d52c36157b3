"""The numbers of a comparison as files: ``summary.json``, ``runs.csv``, ``pairs.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from src.analysis.summary import Run, Summary
from src.files import write_atomically

WHO = ("id", "study", "data", "arm", "phase", "model", "seed", "status")
OF_RUN = (*WHO, "directory", "url", "identity", "command", "hidden_size")
OF_PAIR = ("seed", "a", "b", "difference", "run_a", "run_b", "state")


def write_numbers(summary: Summary, directory: Path) -> list[Path]:
    """Write the three files; floats read back as the same floats.

    Args:
        summary: what to write.
        directory: made if it is not there.

    Returns:
        Their paths.
    """
    directory.mkdir(parents=True, exist_ok=True)
    head, lines = runs_table(summary.runs)
    texts = {
        "summary.json": summary.to_json() + "\n",
        "runs.csv": _csv(head, lines),
        "pairs.csv": _csv(["data", "arm", "metric", "model_a", "model_b", *OF_PAIR], _pairs(summary)),
    }
    for name, text in texts.items():
        write_atomically(directory / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    return [directory / name for name in texts]


def runs_table(runs: Sequence[Run]) -> tuple[list[str], list[list[Any]]]:
    """Header and lines of a table of all runs: who, where, how it ended, tuned settings, size, cost, metrics."""
    values = sorted({key for run in runs for key in run.values})
    metrics = sorted({key for run in runs for key in run.metrics})
    head = [*OF_RUN, *values, "parameters", "effective", "seconds", "seconds_to_best", "epochs", "updates", "shared"]
    head += ["peak_rss_mb", "backend", "commit", "best_epoch", "best_is_last", *metrics]
    lines = [
        [
            *(getattr(run, name) for name in OF_RUN),
            *(run.values.get(key) for key in values),
            run.parameters.get("total"),
            run.parameters.get("effective"),
            *(run.timing.get(key) for key in ("seconds", "seconds_to_best", "epochs", "updates", "shared")),
            run.memory.get("peak_rss_mb"),
            run.backend.get("name"),
            run.git.get("commit"),
            run.best.get("epoch"),
            run.best.get("is_last"),
            *(run.metrics.get(key) for key in metrics),
        ]
        for run in runs
    ]
    return head, lines


def _pairs(summary: Summary) -> Iterable[list[Any]]:
    for task in summary.tasks:
        for c in task.comparisons:
            for pair in c.pairs:
                yield [task.data, task.arm, task.metric, c.a, c.b, *(getattr(pair, name) for name in OF_PAIR)]


def _csv(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(["" if cell is None else cell for cell in line] for line in lines)
    return text.getvalue()
