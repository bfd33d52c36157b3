"""What a run gives when it is measured again, held against what is on record of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.config.errors import UserError
from src.runs import machine
from src.runs.load import Run
from src.runs.result import RunResult
from src.training.job import backend_of


@dataclass(frozen=True)
class Tolerance:
    """By how much a measured loss may differ from the recorded one, as a share of it, and where that holds."""

    share: float
    where: str


# The same program adds up the same numbers in the same order. Elsewhere the rounding of float32 (6e-8) is another one,
# which grows along a sequence and in a small squared error.
SAME = Tolerance(1e-6, "on the same machine with as many threads")
OTHER = Tolerance(1e-3, "on another machine, or with other threads, backend or versions")
ROUGH = Tolerance(1e-2, "on a GPU or in reduced precision")
FLOOR = 1e-3  # the share is of this much at least: a loss near 0 is rounding


def hold_against_record(run: Run, split: str, metrics: dict[str, float]) -> str:
    """A sentence that says how near the metrics of a split, just measured, are to the run's record.

    A loss may differ by :func:`tolerance`. A metric that counts (accuracy, F1, the coverage of intervals) may also
    differ by what two of the split's predictions make, which fall the other way where two classes are all but equal.

    Raises:
        UserError: the data are other ones, or a metric differs by more.
    """
    recorded, data = run.record.metrics, run.record.data
    if data.checksum is not None and data.checksum != run.data.checksum:
        raise UserError(
            f"The data are not those that the run in {run.directory} was trained and tested on (their checksum differs "
            "from the one on record), so its metrics cannot be compared with its record."
        )
    both = [name for name in metrics if name in recorded]
    if not both:
        return f"There are no {split} metrics on record to compare with."
    allowed, worst = tolerance(run), 0.0
    for name in both:
        new, old = metrics[name], recorded[name]
        if new == old or (math.isnan(new) and math.isnan(old)):
            continue
        declared = run.record.declared.get(name.partition("/")[2])
        room = allowed.share * max(abs(old), FLOOR)
        counted = declared.direction == "max" if declared is not None else "/coverage_" in name
        if counted and split in run.task.tables:
            room = max(room, 2 / run.task.tables[split].columns()["count"].sum())
        if not abs(new - old) <= room:
            raise UserError(
                f"{name} is {new:.9g} and {old:.9g} is on record in {run.directory / 'result.json'}: {allowed.where} "
                f"they may differ by {room:.1g}, so the weights, the data or the code are not those of the record."
            )
        worst = max(worst, abs(new - old) / max(abs(old), FLOOR))
    near = f"as on record to within {worst:.1g} of their values" if worst else "equal to the record"
    return f"The {split} metrics are {near} (allowed {allowed.where}: {allowed.share:g})."


def tolerance(run: Run) -> Tolerance:
    """What holds for a run on this machine."""
    record, trainer = run.record, run.config.trainer
    accelerator, precision = trainer.get("accelerator", "cpu"), str(trainer.get("precision", "32-true"))
    here = machine.hardware()
    on_gpu = accelerator != "cpu" and ("gpu" in here or "gpu" in record.hardware)
    if on_gpu or precision not in ("32", "64", "32-true", "64-true"):
        return ROUGH
    same = same_program(record, here, machine.versions(), backend_of(run.task, trainer)[0])
    return SAME if same else OTHER


def same_program(
    record: RunResult, hardware: Mapping[str, Any], versions: Mapping[str, str], backend: str | None
) -> bool:
    """Whether a record is of this kind of processor, as many threads, this kernel and these versions of libraries.

    Then the same numbers are added up in the same order.
    """
    libraries = {name: record.versions.get(name) for name in ("python", "torch", "numpy")}
    return (
        all(record.hardware.get(name) == hardware.get(name) for name in ("cpu", "threads"))
        and (record.backend.name if record.backend else None) == backend
        and libraries.items() <= versions.items()
    )
