"""Write the numbers of a comparison to files: ``summary.json``, ``runs.csv``, ``pairs.csv``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from src.analysis.run import Run
from src.analysis.summary import Summary
from src.files import csv_text, write_atomically

# Columns of runs.csv before and after the tuned settings, and columns of pairs.csv.
WHO: dict[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "study": lambda run: run.study,
    "data": lambda run: run.data_name,
    "arm": lambda run: run.arm,
    "phase": lambda run: run.phase,
    "model": lambda run: run.model,
    "seed": lambda run: run.seed,
    "status": lambda run: run.status,
    "directory": lambda run: run.directory,
    "url": lambda run: run.url,
    "identity": lambda run: run.identity,
    "command": lambda run: run.command_line,
    "hidden_size": lambda run: run.hidden_size,
}
COST: dict[str, Callable[[Run], Any]] = {
    "parameters": lambda run: run.parameters and run.parameters.total,
    "effective": lambda run: run.parameters and run.parameters.effective,
    "seconds": lambda run: run.timed and run.timed.seconds,
    "seconds_to_best": lambda run: run.timing.seconds_to_best,
    "epochs": lambda run: run.timed and run.timed.epochs,
    "updates": lambda run: run.timed and run.timed.updates,
    "shared": lambda run: run.timing.shared,
    "peak_rss_mb": lambda run: run.memory.peak_rss_mb,
    "backend": lambda run: run.backend and run.backend.name,
    "commit": lambda run: run.git.commit,
    "best_epoch": lambda run: run.best and run.best.epoch,
    "best_is_last": lambda run: run.best and run.best.is_last,
    "stop_reason": lambda run: run.stop_reason,
}
OF_PAIR = ("seed", "a", "b", "difference", "run_a", "run_b", "state")


def write_numbers(summary: Summary, directory: Path) -> list[Path]:
    """Write the three files, with floats that read back exactly, and return their paths."""
    head, lines = runs_table(summary.runs)
    texts = {
        "summary.json": summary.to_json() + "\n",
        "runs.csv": csv_text(head, lines),
        "pairs.csv": csv_text(["data", "arm", "metric", "model_a", "model_b", *OF_PAIR], _pairs(summary)),
    }
    for name, text in texts.items():
        write_atomically(directory / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    return [directory / name for name in texts]


def runs_table(runs: Sequence[Run]) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows of a table of all runs: identity, status, tuned settings, size, cost, metrics."""
    values = sorted({key for run in runs for key in run.values})
    metrics = sorted({key for run in runs for key in run.metrics})
    lines = [
        [
            *(of(run) for of in WHO.values()),
            *(run.values.get(key) for key in values),
            *(of(run) for of in COST.values()),
            *(run.metrics.get(key) for key in metrics),
        ]
        for run in runs
    ]
    return [*WHO, *values, *COST, *metrics], lines


def _pairs(summary: Summary) -> Iterable[list[Any]]:
    for task in summary.tasks:
        for c in task.comparisons:
            for pair in c.pairs:
                yield [task.data, task.arm, task.metric, c.a, c.b, *(getattr(pair, name) for name in OF_PAIR)]
