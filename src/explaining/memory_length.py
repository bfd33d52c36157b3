"""The memory horizon: how many runs of one task solved it, by sequence length."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from src.config.errors import UserError
from src.explaining.outputs import write_table
from src.figures.canvas import save
from src.figures.memory_horizon import Share, draw_memory
from src.runs.described import read_config
from src.runs.record import check_digests, find_runs


class Attempt(NamedTuple):
    """One run: its task, its sequence length, and whether it solved the task."""

    task: str
    model: str
    length: int
    solved: bool


def memory_horizon(folder: Path, study: Path, below: float) -> list[Path]:
    """Write figure and table of the share of solved runs into ``folder``.

    Args:
        study: directory of a study, or of any runs on data with a length (copy memory, adding).
        below: a run has solved its task if its test loss is below this share of the best trivial baseline's.

    Raises:
        UserError: there are no such runs.
    """
    tasks = shares(attempts(study, below))
    if not tasks:
        raise UserError(f"study={study} has no finished runs on data with a length, such as copy_memory or adding.")
    rows = [
        {"task": task, "model": model, **share._asdict()}
        for task, models in tasks.items()
        for model, by_length in models.items()
        for share in by_length
    ]
    files = save(
        draw_memory(tasks, f"a test loss below {100 * below:.3g} % of the baseline's"), folder / "memory_horizon"
    )
    return [*files, write_table(folder / "memory_horizon.csv", rows)]


def attempts(study: Path, below: float) -> list[Attempt]:
    """Return the finished runs below a directory; for a study only the final ones."""
    if not study.is_dir():
        raise UserError(f"study={study} does not exist: it must be the directory of a study, e.g. runs/memory_length.")
    over = []
    for directory, record in find_runs(study):
        if not record.ended_for_good or (record.study_job and record.study_job.phase != "final"):
            continue
        check_digests(directory, record, "config.yaml")
        config = read_config(directory)
        length = OmegaConf.select(config, "data.length")
        if isinstance(length, int):
            # The name of the data set's class names the task at all lengths.
            task, network = (str(node["_target_"]).rpartition(".")[2] for node in (config.data, config.model))
            over.append(Attempt(task, record.model or network.lower(), length, bool(record.solved(below))))
    return over


def shares(over: Iterable[Attempt]) -> dict[str, dict[str, list[Share]]]:
    """Return the shares by task and model, ordered by length, with Wilson's intervals (1927)."""
    from scipy.stats import binomtest

    tasks: dict[str, dict[str, list[Share]]] = {}
    for (task, model, length), alike in groupby(sorted(over), key=lambda attempt: attempt[:3]):
        outcomes = [attempt.solved for attempt in alike]
        interval = binomtest(sum(outcomes), len(outcomes)).proportion_ci(0.95, method="wilson")
        share = Share(length, sum(outcomes), len(outcomes), float(interval.low), float(interval.high))
        tasks.setdefault(task, {}).setdefault(model, []).append(share)
    return tasks
