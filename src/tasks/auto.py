"""The default task for a data set, with which e.g. ``data=csv data.task=classification`` finds its Lightning module."""

from __future__ import annotations

from typing import Any

from src.config.errors import UserError
from src.config.instantiate import find_class
from src.data.describe import Bits, Classes, Description, Horizon, Tokens, Values
from src.tasks.base import Task


def for_data(*, description: Description, **keywords: Any) -> Task:
    """Build the task that suits the description, with default settings except for the keywords.

    Data sets that support several tasks (``data=csv``, ``data=npz``, ...) use ``task=auto``; to change settings of a
    task, name it, as in ``data=csv task=classification task.pooling=mean``.
    """
    return find_class(f"src.tasks.{called_for(description)}")(description=description, **keywords)


def called_for(description: Description) -> str:
    """Return the name of the task for a description.

    >>> called_for(Description(Tokens(65), Classes(("a", "b")), per_step=True, varying_length=True, causal=True))
    'LanguageModel'

    Raises:
        UserError: no built-in task suits the description.
    """
    output, per_step = description.output, description.per_step
    if isinstance(output, Horizon):
        return "Forecasting"
    if isinstance(output, Classes):
        speaks = isinstance(description.input, Tokens) and description.causal
        of_steps = "LanguageModel" if speaks else "PerStepClassification"
        return of_steps if per_step else "SequenceClassification"
    if isinstance(output, Bits):
        return "PolyphonicMusic"
    if isinstance(output, Values):
        return "Waveform" if per_step and description.causal else "SequenceRegression"
    raise UserError(f"task=auto cannot infer a task from {type(output).__name__}: set one, as in task=classification.")


def metric_of(description: Description) -> str:
    """Return the test metric for comparing models on such data: accuracy where available, else the loss.

    Raises:
        UserError: no built-in task suits the description.
    """
    names = [metric.name for metric in find_class(f"src.tasks.{called_for(description)}").metrics_declared]
    return f"test/{'acc' if 'acc' in names else names[0]}"
