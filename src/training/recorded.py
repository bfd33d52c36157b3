"""Compare the metrics of a run that is measured again with its record."""

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
    """The allowed relative difference between a measured and the recorded loss, and where it applies."""

    share: float
    where: str


# The same program sums the same numbers in the same order. Elsewhere float32 rounding (6e-8) differs, which is
# amplified along a sequence and in small squared errors.
SAME = Tolerance(1e-6, "on the same machine with the same number of threads")
OTHER = Tolerance(1e-3, "on another machine, or with other threads, backend or versions")
ROUGH = Tolerance(1e-2, "on a GPU or in reduced precision")
FLOOR = 1e-3  # differences are relative to at least this value, since a loss near 0 is all rounding


def hold_against_record(run: Run, split: str, metrics: dict[str, float]) -> str:
    """Return a sentence on how close newly measured metrics of a split are to the run's record.

    A loss may differ by :func:`tolerance`. A metric based on counts (accuracy, F1, interval coverage) may also differ
    by the effect of two predictions, which may flip between nearly equal classes.

    Raises:
        UserError: the data differ, or a metric differs by more.
    """
    recorded, data = run.record.metrics, run.record.data
    if data.checksum is not None and data.checksum != run.data.checksum:
        raise UserError(
            f"The data differ from those of the run in {run.directory} (by their checksum), so its "
            "metrics cannot be compared with its record."
        )
    both = [name for name in metrics if name in recorded]
    if not both:
        return f"The record has no {split} metrics to compare with."
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
                f"{name} is {new:.9g}, but {run.directory / 'result.json'} has {old:.9g}: {allowed.where} they may "
                f"differ by {room:.1g}, so the weights, the data or the code are not those of the record."
            )
        worst = max(worst, abs(new - old) / max(abs(old), FLOOR))
    near = f"equal to the record to within {worst:.1g} of their values" if worst else "equal to the record"
    return f"The {split} metrics are {near} (allowed {allowed.where}: {allowed.share:g})."


def tolerance(run: Run) -> Tolerance:
    """Return the tolerance for a run on this machine."""
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
    """Return whether a record has this kind of processor, number of threads, kernel and library versions.

    Then the same numbers are summed in the same order.
    """
    libraries = {name: record.versions.get(name) for name in ("python", "torch", "numpy")}
    return (
        all(record.hardware.get(name) == hardware.get(name) for name in ("cpu", "threads"))
        and (record.backend.name if record.backend else None) == backend
        and libraries.items() <= versions.items()
    )
