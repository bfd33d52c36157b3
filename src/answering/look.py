"""Inspect the data before training: how they were interpreted, and settings that suit them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from src.answering.plan import LIMITED
from src.answering.workplace import silent
from src.config.digits import three
from src.config.errors import UserError, counted
from src.config.instantiate import instantiate
from src.config.names import OWN_FORMS
from src.config.overrides import override
from src.data.describe import Bits, Classes, Description, Horizon, Tokens
from src.data.module import SequenceData
from src.data.windows import WindowSplit
from src.runs.study_record import Settings
from src.studies.jobs import Compose
from src.tasks.auto import metric_of
from src.tasks.budget import ENOUGH, middle_budget, refuse_without_width, size_of, sizes_near, without_budget
from src.tasks.build import build_task
from src.tasks.metrics import optimum

PARTS_OF_SPLIT = 3  # horizons that validation and test should each contain
UPDATES = 20, 1000  # per epoch: with fewer the batch size is reduced, with more increased
BATCHES = 4, 128  # sequences in a batch, the least and the most
BUDGET = 2_000, 20_000  # smallest and largest number of recurrent parameters: one per step of the training data
FEW = 20  # test sequences; with fewer, an answer says little about other sequences
TABLE_WORDS = {"val": "validation"}


@dataclass
class Seen:
    """What the data are, which settings were chosen for them, and what is unusual."""

    data: SequenceData
    description: Description
    metric: str  # test metric by which models are compared
    baselines: dict[str, float]  # that metric of trivial predictors on validation, by name
    settings: Settings = field(default_factory=dict)  # chosen here, by dotted key
    rows: list[tuple[str, str, str]] = field(default_factory=list)  # rows of the table: what, its value, its key
    odd: list[str] = field(default_factory=list)


def look(compose: Compose, choice: str, models: Sequence[str], given: Settings, metric: str | None = None) -> Seen:
    """Read the data, and choose settings that were not given.

    Args:
        compose: composes the config of a run from overrides.
        choice: the choice of ``data``.
        models: the models to compare.
        given: dotted keys given for all runs.
        metric: test metric; None: accuracy where available, else the loss.

    Raises:
        UserError: the data cannot be read, are too short for a forecast of a single row, or a trivial predictor makes
            no error on them; the task lacks the metric; or a model has no width that meets the budget.
    """
    line = [override("data", choice), *(override(key, value) for key, value in given.items())]
    cfg = compose(line)
    data, settings = _with_room(cfg, {key.lstrip("+") for key in given})
    description = data.description
    if choice in OWN_FORMS and "data.batch_size" not in given and data.chunk is None:
        settings["data.batch_size"] = data.batch_size = _batch_size(len(data.splits["train"]))
        data.eval_batch_size = cfg.data.eval_batch_size or 4 * data.batch_size
    if not {"model.budget", "model.hidden_size"} & given.keys():
        steps = int(data.splits["train"].lengths.sum())
        wanted = min(max(BUDGET[0], steps), BUDGET[1])
        configs = [compose([*line, override("model", model)]) for model in models]
        settings["model.budget"], off = budget_for(configs, description, wanted)
        if off > ENOUGH:
            settings["model.budget_tolerance"] = math.ceil(200 * off + 1) / 100
    if metric is not None and metric not in (known := [f"test/{key}" for key in build_task(cfg, description).declared]):
        raise UserError(f"metric must be one of {', '.join(known)}, got {metric}.")
    metric = metric or metric_of(description)
    name = metric.rpartition("/")[2]
    trivial = {k.rpartition("/")[0]: v for k, v in data.val_baselines.items() if k.rpartition("/")[2] == name}
    if perfect := [which for which, value in trivial.items() if value == optimum(name)]:
        raise UserError(
            f"No network can be better than the trivial predictor {perfect[0]}, which makes no error on validation "
            f"({name} {trivial[perfect[0]]:g}): there is nothing to compare, unless data.target names something else."
        )
    seen = Seen(data, description, metric, trivial, settings)
    seen.rows, seen.odd = list(_rows(seen, cfg)), list(_odd(seen))
    return seen


def _with_room(cfg: DictConfig, given: set[str]) -> tuple[SequenceData, Settings]:
    """Read the data, with a shorter lookback and horizon if the config's do not fit into a split."""
    free = "lookback" in cfg.data and not {"data.lookback", "data.horizon"} & given
    with silent():
        try:
            data: SequenceData = instantiate(cfg.data)
            _ = data.description
        except UserError as error:
            if not free:
                raise
            try:
                data = instantiate(cfg.data, lookback=1, horizon=1)
                _ = data.description
            except UserError:
                raise error from None
        if not free or not isinstance(data.description.output, Horizon):
            return data, {}
        rows = _rows_of_parts(data)
        if min(rows["val"], rows["test"]) >= PARTS_OF_SPLIT * cfg.data.horizon and data.lookback == cfg.data.lookback:  # type: ignore[attr-defined]
            return data, {}
        size = room_for(rows, int(np.max(data.seasons)), cfg.data.lookback, cfg.data.horizon)  # type: ignore[attr-defined]
        data = instantiate(cfg.data, **size)
        _ = data.description
    return data, {f"data.{key}": value for key, value in size.items()}


def _rows_of_parts(data: Any) -> dict[str, int]:
    """Return the rows of each split, those of the median series if there are several."""
    rows = {}
    for name, split in data.splits.items():
        assert isinstance(split, WindowSplit)
        windows = np.bincount(split.series.numpy())
        more = data.horizon - 1 + (data.lookback if name == "train" else 0)
        rows[name] = int(np.median(windows[windows > 0])) + more
    return rows


def room_for(rows: dict[str, int], season: int, lookback: int, horizon: int) -> dict[str, int]:
    """Return a horizon that fits three times into the shorter of validation and test, and a lookback of two seasons.

    Args:
        rows: of train, val and test.
        season: in rows; 0 if there is none.
        lookback: upper bound.
        horizon: upper bound.

    >>> room_for({"train": 100, "val": 22, "test": 22}, season=12, lookback=48, horizon=24)
    {'lookback': 24, 'horizon': 7}
    """
    ahead = max(1, min(horizon, min(rows["val"], rows["test"]) // PARTS_OF_SPLIT))
    back = max(2 * season, 2 * ahead) if season else lookback
    return {"lookback": max(1, min(lookback, back, rows["train"] // PARTS_OF_SPLIT)), "horizon": ahead}


def _batch_size(sequences: int) -> int:
    """Return a power of two that gives a suitable number of updates per epoch.

    >>> [_batch_size(number) for number in (60, 300, 5_000, 100_000)]
    [4, 8, 32, 128]
    """
    size = 32
    while size > BATCHES[0] and sequences / size < UPDATES[0]:
        size //= 2
    while size < BATCHES[1] and sequences / size > UPDATES[1]:
        size *= 2
    return size


def _rows(seen: Seen, cfg: DictConfig) -> Iterator[tuple[str, str, str]]:
    """Iterate over how the data were interpreted: what, its value, and the key that changes it."""
    data, output = seen.data, seen.description.output
    roles = getattr(data, "roles", None)
    yield "task", _task(seen), "data.task" if "task" in cfg.data else "task"
    if roles is not None and roles.targets:
        more = f" and {len(roles.targets) - 4} more" if len(roles.targets) > 4 else ""
        yield "target", ", ".join(roles.targets[:4]) + more, "data.target"
    if isinstance(output, Classes) and not seen.description.causal:
        names = ", ".join(map(str, output.names[:6])) + (", ..." if output.size > 6 else "")
        yield "classes", f"{output.size}: {names}", "data.target"
    numbers = ", ".join(f"{len(split):,} {TABLE_WORDS.get(name, name)}" for name, split in data.splits.items())
    yield "windows" if isinstance(output, Horizon) else "sequences", numbers, "data.splits"
    if isinstance(output, Horizon):
        rows = len(data.splits["train"].values)  # type: ignore[attr-defined]
        yield "series", f"{output.series} of {rows:,} rows together" if output.series > 1 else f"{rows:,} rows", ""
        season = int(np.max(data.seasons))  # type: ignore[attr-defined]
        yield "season", f"{season} rows" if season else "none", "data.season"
        yield "each forecast", f"reads {data.lookback} rows, predicts {data.horizon}", "data.lookback, data.horizon"  # type: ignore[attr-defined]
    else:
        lengths = np.concatenate([np.asarray(split.lengths) for split in data.splits.values()])
        said = f"{lengths.min()}" if lengths.min() == lengths.max() else f"{lengths.min()} to {lengths.max()}"
        yield "steps", said, ""
    form = seen.description.input
    kind = (
        f"one of {counted(form.vocabulary, form.unit)}" if isinstance(form, Tokens) else counted(form.size, "feature")
    )
    yield "each step", kind, "data.features" if "features" in cfg.data else ""
    yield "batch size", str(data.batch_size), "data.batch_size"
    if (budget := seen.settings.get("model.budget", cfg.model.get("budget"))) is not None:
        limited = LIMITED[cfg.model.get("budget_of", "recurrent")]
        yield "network size", f"about {budget:,} {limited}", "model.budget"
    best = ", ".join(f"{name} {three(value)}" for name, value in seen.baselines.items())
    yield "metric", seen.metric.removeprefix("test/"), "metric"
    yield "trivial baseline", f"{best} (validation)" if best else "none known", ""


def _task(seen: Seen) -> str:
    output = seen.description.output
    if isinstance(output, Horizon):
        return "forecasting"
    step = " at each step" if seen.description.per_step else " of each sequence"
    if seen.description.causal:
        return "the next step"
    kind = "class" if isinstance(output, Classes) else "bits" if isinstance(output, Bits) else "value"
    return f"the {kind}{step}"


def _odd(seen: Seen) -> Iterator[str]:
    """Iterate over inferences, and what a reader of the answer must know."""
    yield from (str(note) for key, note in seen.data.notes.items() if key.startswith("note_"))
    test = len(seen.data.splits["test"])
    if isinstance(seen.description.output, Horizon):
        return
    if test < FEW:
        yield f"The test set has only {counted(test, 'sequence')}, so the answer says little about other sequences."
    for name, rows in seen.data.leaked.items():
        alike = f"{'is' if len(rows) == 1 else 'are'} identical to a training sequence"
        yield f"{counted(len(rows), 'sequence')} of {TABLE_WORDS.get(name, name)} {alike}."


def budget_for(configs: Sequence[DictConfig], description: Description, about: int) -> tuple[int, float]:
    """Return the parameter count near ``about`` that all models approximate best, and the largest relative error.

    Raises:
        UserError: a model has no single width to choose.
    """
    return middle_budget([_sizes(cfg, description, about) for cfg in configs], about, (0.7, 1.4))


def _sizes(cfg: DictConfig, description: Description, about: int) -> list[int]:
    """Return the sizes of networks with widths near the one that has ``about`` parameters."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    cfg.model.budget = about
    refuse_without_width(cfg.model)

    def size(width: int) -> int:
        cfg.model = without_budget(cfg.model, hidden_size=width)
        with torch.device("meta"):
            return size_of(build_task(cfg, description), str(cfg.model.get("budget_of", "recurrent")))

    return sizes_near(size, about, 0.1)
