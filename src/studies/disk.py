"""Disk space that a study needs, reported before its first run, and removal of tuning weights after the choice."""

from __future__ import annotations

import logging
import math
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from src.config.errors import UserError, agreeing, counted
from src.config.instantiate import instantiate
from src.data.module import SequenceData
from src.files import write_atomically
from src.runs.load import REMOVED
from src.runs.result import ENDED, Phase
from src.studies.jobs import Jobs
from src.studies.plan import Condition, Plan, combinations, values_of
from src.studies.state import current_jobs, status_of
from src.tasks.build import build_task

log = logging.getLogger(__name__)

# Bytes, measured on runs of this version, rounded up.
RECORD = 40_000  # per run: config, result.json, Hydra's files, the log
EPOCH = 300  # per row of metrics.csv
SEQUENCE = 100  # per sequence in sequences/*.npz
CONTAINER = 25_000  # of both checkpoints, without the tensors
COPIES = 5  # of the weights: best.ckpt, its copy in last.ckpt, last.ckpt itself, and two for the optimizer's moments


@dataclass(frozen=True)
class Run:
    """Disk space in bytes for one run of a model on a data set."""

    weights: float  # checkpoints
    rest: float


@dataclass(frozen=True)
class Need:
    """The disk space needed by the remaining runs of a study."""

    runs: int
    bytes: float  # at the peak
    tuning_weights: float  # the part of it that is removed after the choice

    def sentence(self, directory: Path, free: float) -> str:
        """Compare the need with the free space, in a sentence."""
        words = ""
        if self.tuning_weights:
            words = f", including {size(self.tuning_weights)} of tuning weights, which are removed after the choice"
        runs = f"{counted(self.runs, 'run')} {agreeing('need', self.runs)}"
        return f"{runs} about {size(self.bytes)} in {directory}{words}; {size(free)} are free."


def size(number: float) -> str:
    """Format bytes for display.

    >>> size(1234567), size(52_100_000_000)
    ('1.2 MB', '52.1 GB')
    """
    unit, name = next(((u, n) for u, n in ((1e12, "TB"), (1e9, "GB")) if number >= u), (1e6, "MB"))
    return f"{number / unit:.1f} {name}"


def check_disk(plan: Plan, jobs: Jobs) -> str:
    """Return a sentence about the remaining need and the free space; empty if nothing is needed.

    Raises:
        UserError: there is less free space than needed.
    """
    need = needed(plan, jobs)
    free = shutil.disk_usage(jobs.directory).free
    if need.bytes > free:
        raise UserError(
            f"{need.sentence(jobs.directory, free)[:-1]}: free some space, or use another disk with "
            "paths.runs_dir=FOLDER."
        )
    return need.sentence(jobs.directory, free) if need.runs else ""


def needed(plan: Plan, jobs: Jobs) -> Need:
    """Estimate the disk space of a study's remaining runs, without range extensions and wandb's offline files.

    Every data set is read and every model built on it; those that fail are skipped, since their runs will report why.
    """
    planned = current_jobs(jobs.directory).items()
    begun = [job for name, job in planned if (jobs.directory / name / "result.json").is_file()]
    there = Counter((job.data, job.arm, job.model, job.phase) for job in begun)
    runs, weights, rest = 0, {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}  # by whether they belong to the tuning
    for (data, arm, model), one in _sizes(plan, jobs).items():
        for phase, number in numbers(plan, data).items():
            left = max(0, number - there[data, arm, model, phase])
            runs += left
            weights[phase != "final"] += left * one.weights
            rest[phase != "final"] += left * one.rest
    tuning, final = weights[True] + rest[True], weights[False] + rest[False]
    if plan.keep_weights:
        return Need(runs, tuning + final, 0)
    return Need(runs, max(tuning, rest[True] + final), weights[True])


def numbers(plan: Plan, data: str) -> dict[Phase, int]:
    """Return the number of runs of each phase for one model on a data set in an arm."""
    trials = len(combinations(plan.tuning, values_of(plan.tuning))) if plan.tuning else 0
    repeats = min(plan.tuning.repeat.best, trials) * plan.tuning.repeat.seeds if plan.tuning else 0
    return {"trial": trials, "repeat": repeats, "final": plan.pairs_of(data) * (plan.resplits or 1)}


def _sizes(plan: Plan, jobs: Jobs) -> dict[tuple[str, str, str], Run]:
    sizes: dict[tuple[str, str, str], Run] = {}
    read: tuple[str, SequenceData] | None = None
    for data, arm in plan.conditions():
        for model in plan.models:
            try:
                cfg = jobs.config(model, data, arm)
                if read is None or read[0] != data:
                    read = data, instantiate(cfg.data)
                sizes[data, arm, model] = _size(cfg, read[1])
            except Exception as error:  # a class of the user's own may raise anything
                log.debug("the disk space of %s on %s in %s cannot be estimated: %s", model, data, arm, error)
    return sizes


def _size(cfg: DictConfig, data: SequenceData) -> Run:
    task = build_task(cfg, data.description)
    weights = sum(p.numel() * p.element_size() for p in task.parameters())
    of_split = {name: len(split) for name, split in data.splits.items()}
    steps = math.ceil(of_split["train"] / cfg.data.batch_size)
    caps = [cfg.trainer.get("max_epochs"), (cfg.trainer.get("max_steps") or -1) / steps]
    epochs = min((cap for cap in caps if cap is not None and cap > 0), default=0)
    sequences = of_split.get("val", 0) + of_split.get("test", 0)
    return Run(COPIES * weights + CONTAINER, RECORD + EPOCH * epochs + SEQUENCE * sequences)


def remove_weights(directory: Path, condition: Condition) -> None:
    """Remove the checkpoints of a condition's trials and repeats, and leave a note in their place.

    Their records, curves and losses remain, so that none of them is run again.
    """
    removed = 0
    for name, job in current_jobs(directory).items():
        folder = directory / name / "checkpoints"
        if (job.data, job.arm) != condition or job.phase == "final" or folder.is_symlink():
            continue
        if (weights := sorted(folder.glob("*.ckpt"))) and status_of(directory, name) in ENDED:
            write_atomically(folder / REMOVED, lambda out: out.write(b"The study had chosen among its trials.\n"))
            for path in weights:
                path.unlink(missing_ok=True)
            removed += 1
    if removed:
        words = "The weights of %d trials and repeats on %s in %s were removed after the choice."
        log.info(words, removed, *condition)
