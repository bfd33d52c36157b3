"""Predictions of a trained task for new sequences, as columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Values
from src.tasks.base import Task
from src.tasks.classification import SequenceClassification
from src.tasks.conformal import Calibration, bands
from src.tasks.forecasting import Forecasting
from src.tasks.intervals import percent
from src.tasks.losses import SequenceTable
from src.tasks.per_step import PerStepClassification
from src.tasks.regression import SequenceRegression

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """Options for predictions."""

    steps: int | None = None  # rows to forecast; None: the data's horizon
    labelled: bool = True  # whether ``batch.y`` has real targets
    calibration: Calibration | None = None  # for forecast intervals; None: those of its head, if any


def predictions(task: Task, batches: Iterable[Batch], asked: Asked | None = None) -> Columns:
    """Return columns of equal length, sorted by ``row`` (the sequence's position in its split) and ``step``.

    ====================  ==================================================================================
    task                  columns in addition to ``row``
    ====================  ==================================================================================
    classification        ``class``, ``p(NAME)`` for each class; ``true`` and ``nll`` if there are labels
    per-step              ``step``, ``class``, ``p(NAME)``; ``true``
    regression            each value in its own unit; ``true(NAME)``; with ``step`` for values at every step
    forecasting           ``step`` (1 is the row after the last one read), each value in its own unit, followed by the
                          bounds of its intervals if there are any: ``NAME-lo-80``, ``NAME-hi-80``
    all others            ``nll`` (summed over the sequence, nats), ``predictions`` (number), ``nll_per_prediction``
    ====================  ==================================================================================

    Where a sequence has no label, ``true`` is "", and ``nll`` or ``true(NAME)`` is NaN.

    Args:
        task: the task with its weights, which is put into evaluation mode.
        batches: every sequence once, in consecutive chunks if the task carries its state.
        asked: options; steps and intervals apply to forecasts only.

    Raises:
        UserError: steps are given to a task that does not forecast, or intervals are requested beyond its horizon.
    """
    asked = asked or Asked()
    if not isinstance(task, Forecasting) and asked.steps is not None:
        raise UserError(f"steps_ahead={asked.steps} needs a forecasting run: drop it.")
    task.eval()
    device = next(task.parameters()).device
    with torch.inference_mode():
        if not isinstance(task, tuple(_BY_BATCH)):
            return _by_loss(task, (batch.to(device) for batch in batches))
        by_batch = [_of_batch(task, batch.to(device), asked) for batch in batches]
    columns = {name: np.concatenate([batch[name] for batch in by_batch]) for name in by_batch[0]}
    order = np.argsort(columns["row"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def as_table(
    columns: Columns, names: Sequence[str], following: Callable[[int, int], list[str]] | None = None
) -> dict[str, Any]:
    """Replace ``row`` by ``sequence`` (its name), and add ``time`` after ``step`` if known.

    ``following`` is as in :class:`~src.data.module.NewData`.
    """
    rows = columns["row"].tolist()
    table: dict[str, Any] = {"sequence": [names[row] for row in rows]}
    if "step" in columns:
        table["step"] = columns["step"]
    if following is not None:
        times = {row: following(row, rows.count(row)) for row in set(rows)}
        stamps = [times[row][step - 1] for row, step in zip(rows, columns["step"].tolist(), strict=True)]
        table |= {"time": stamps} if any(stamps) else {}
    return table | {name: column for name, column in columns.items() if name not in ("row", "step")}


def _by_loss(task: Task, batches: Iterable[Batch]) -> Columns:
    table = SequenceTable()
    for batch in batches:
        table.add(batch.rows, task.losses(batch))
    row, nll, count = (table.columns()[name] for name in ("row", "loss", "count"))
    return {"row": row, "nll": nll, "predictions": count.astype(np.int64), "nll_per_prediction": nll / count}


@singledispatch
def _of_batch(task: Task, batch: Batch, asked: Asked) -> Columns:
    raise NotImplementedError


@_of_batch.register
def _(task: SequenceClassification, batch: Batch, asked: Asked) -> Columns:
    log_p = task(batch).double().log_softmax(-1)
    columns = {"row": batch.rows.numpy()} | _classes(task, log_p)
    if asked.labelled:
        columns["true"] = _true(task, batch.y)
        nll = -log_p.gather(1, batch.y.clamp_min(0)[:, None])[:, 0]
        columns["nll"] = nll.where(batch.y >= 0, torch.nan).cpu().numpy()
    return columns


@_of_batch.register
def _(task: PerStepClassification, batch: Batch, asked: Asked) -> Columns:
    mask = batch.mask.cpu()
    columns = _places(batch, mask) | _classes(task, task(batch).double().log_softmax(-1)[mask])
    if asked.labelled:
        columns["true"] = _true(task, batch.y.cpu()[mask])
    return columns


@_of_batch.register
def _(task: SequenceRegression, batch: Batch, asked: Asked) -> Columns:
    output = task.description.output
    said, y = task(batch), batch.y
    places: Columns = {"row": batch.rows.numpy()}
    if task.description.per_step:
        mask = batch.mask.cpu()
        places, said, y = _places(batch, mask), said[mask], y[mask]
    columns = places | _values(output, said, "{}")
    return columns | (_values(output, y.reshape(said.shape), "true({})") if asked.labelled else {})


@_of_batch.register
def _(task: Forecasting, batch: Batch, asked: Asked) -> Columns:
    steps = asked.steps or task.horizon
    if steps > task.horizon and (asked.calibration is not None or task.density.coverage):
        raise UserError(
            f"steps_ahead={steps} exceeds data.horizon={task.horizon}, beyond which there are no intervals: use fewer "
            "rows, or train with a longer data.horizon."
        )
    found = {"": task.predict_future(batch.x, steps, batch.known)}
    for coverage, (lower, upper) in bands(task, batch, asked.calibration).items():
        found |= {f"-lo-{percent(coverage)}": lower[:, :steps], f"-hi-{percent(coverage)}": upper[:, :steps]}
    columns = _places(batch, torch.ones(found[""].shape[:2], dtype=torch.bool))
    names = value_names(task.description.output)
    own = {ending: in_own_unit(task, batch, values).cpu().numpy() for ending, values in found.items()}
    return columns | {
        f"{name}{ending}": rows[..., k].ravel() for k, name in enumerate(names) for ending, rows in own.items()
    }


def in_own_unit(task: Forecasting, batch: Batch, values: Tensor) -> Tensor:
    """Convert a forecasting task's standardised values (batch, rows, targets) to the unit of the data, float64."""
    output: Any = task.description.output
    units = batch.units
    if units is not None:
        return values.double() * units.scale[:, None] + units.mean[:, None]
    if not output.scale:
        return values.double()
    return values.double() * values.new_tensor(output.scale, dtype=torch.float64) + values.new_tensor(
        output.mean, dtype=torch.float64
    )


def _places(batch: Batch, mask: Tensor) -> Columns:
    row, step = mask.nonzero(as_tuple=True)
    return {"row": batch.rows[row].numpy(), "step": step.numpy() + 1}


def _classes(task: Task, log_p: Tensor) -> Columns:
    names = np.array(task.description.output.names)  # type: ignore[union-attr]
    columns = {"class": names[log_p.argmax(-1).cpu().numpy()]}
    p = log_p.exp().cpu().numpy()
    return columns | {f"p({name})": p[:, k] for k, name in enumerate(names)}


def _true(task: Task, y: Tensor) -> np.ndarray:
    """Return the names of classes, "" for an unlabelled step or sequence (y < 0)."""
    names = np.array([*task.description.output.names, ""])  # type: ignore[union-attr]
    return names[y.cpu().clamp_min(-1).numpy()]


def _values(output: object, values: Tensor, word: str) -> Columns:
    assert isinstance(output, Values)
    own = values.double().cpu().reshape(-1, output.size).numpy()
    if output.scale:
        own = own * np.array(output.scale) + np.array(output.mean)
    return {word.format(name): own[:, k] for k, name in enumerate(value_names(output))}


def value_names(output: Any) -> tuple[str, ...]:
    """Return the names of a data set's values, or numbers if they have none."""
    return output.names or tuple(f"value_{k}" for k in range(output.size))


_BY_BATCH = [kind for kind in _of_batch.registry if kind is not object]
