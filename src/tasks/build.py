"""Build data and task from a composed config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.instantiate import find_class, instantiate, named_by, plain
from src.config.shell import typed_keys
from src.config.unread import Facts, refuse_unread, unread
from src.data.describe import Description, Horizon, Tokens
from src.data.module import SequenceData
from src.rng import drawing
from src.tasks.auto import called_for, for_data
from src.tasks.base import Task
from src.tasks.budget import solve
from src.tasks.calibrate import calibrated, with_width
from src.tasks.metrics import LOSS, Metric

log = logging.getLogger(__name__)

CONTRACT = "docs/contract.md has both"


def build(
    cfg: DictConfig, kept: Mapping[str, Any] | None = None, *, widths: Path | None = None
) -> tuple[SequenceData, Task]:
    """Read the data and build the task with its newly initialised network, from a composed config.

    With a checkpoint, the data module's fitted state comes from there and training data are not read.

    Args:
        cfg: config of the run.
        kept: content of the checkpoint.
        widths: folder for widths measured for budgets of seconds, for a run to be trained; without it the width is that
            of the config, as recorded.

    Raises:
        UserError: the data are missing or invalid, or model, task and data do not go together.
    """
    refuse_whole_module(cfg)
    data: SequenceData = instantiate(cfg.data)
    if not isinstance(data, SequenceData):
        raise UserError(
            f"data._target_ must be a SequenceData, which describes itself and names its sequences ({CONTRACT}), got "
            f"{cfg.data._target_}, a {type(data).__mro__[1].__name__}."
        )
    if kept is not None and (fitted := kept.get(type(data).__qualname__)):
        data.load_state_dict(fitted)
    description = data.description
    if widths is None:
        return data, build_task(cfg, description)
    say_unread(cfg, description)
    if cfg.model.get("budget") is not None and cfg.model.get("budget_of") == "seconds":
        budget = calibrated(cfg, data, lambda tried: build_task(tried, description), widths)
        task = build_task(with_width(cfg, budget.hidden_size), description)
        task.budget = budget
    else:
        task = build_task(cfg, description)
    check_monitors(cfg, task)
    return data, task


def refuse_whole_module(cfg: DictConfig) -> None:
    """Refuse a LightningModule as the network, since head, loss, metrics and optimizer come from the config.

    Raises:
        UserError: the network is a LightningModule.
    """
    try:
        whole = issubclass(find_class(cfg.model._target_), pl.LightningModule)
    except Exception:  # not a class, or not found: reported when it is built
        return
    if whole:
        raise UserError(
            f"model._target_={cfg.model._target_} is a LightningModule, but must be the recurrent network in it, an "
            "nn.Module whose forward(input, state, lengths) returns (output, state); task and optimizer add the "
            f"rest: {CONTRACT}."
        )


def facts_of(description: Description) -> Facts:
    """Return facts about known data that decide which settings have an effect."""
    return Facts(isinstance(description.input, Tokens), isinstance(description.output, Horizon))


def say_unread(cfg: DictConfig, description: Description) -> None:
    """Log which settings have no effect with these data; those without effect on any data are found earlier.

    Raises:
        UserError: such a setting was given on the command line.
    """
    config = plain(cfg)
    before = unread(config)
    found = [each for each in unread(config, facts_of(description)) if each not in before]
    for sentence in refuse_unread(found, typed_keys()):
        log.info(sentence)


def build_task(cfg: DictConfig, description: Description) -> Task:
    """Build the task for data of this description, with weights drawn deterministically from the seed.

    Raises:
        UserError: model and task do not suit the data.
    """

    def around(model: DictConfig) -> Task:
        made = {"network": model, "optimizer": cfg.optimizer, "scheduler": cfg.scheduler}
        task: Task = instantiate(cfg.task, description=description, **{k: factory(node) for k, node in made.items()})
        return task

    model, budget = solve(cfg.model, around)
    # Weights have their own stream, so that a network of another size changes nothing else.
    with drawing(cfg.seed, "initialisation"):
        task = around(model)
    task.budget = budget
    return task


def check_monitors(cfg: DictConfig, task: Task) -> None:
    """Check that the metrics of callbacks and sweeper exist in the task.

    Raises:
        UserError: a metric does not exist, or has the other direction.
    """
    for name, node in (cfg.get("callbacks") or {}).items():
        if node is not None and str(node.get("monitor")).startswith(("train/", "val/")):
            task.check_monitor(f"callbacks.{name}", node.monitor, node.get("mode", "min"))
    if (name := str(cfg.get("optimized_metric") or "").removeprefix("val/")) and name not in task.declared:
        some = ", ".join(f"val/{other}" for other in task.declared)
        raise UserError(f"optimized_metric must be one of {some}, got {cfg.optimized_metric}.")


def declarable(cfg: DictConfig) -> dict[str, Metric] | None:
    """Return the metrics that the task of a config may have, by name, before it is built.

    A task may narrow them by its data. ``task=auto`` reads the data, which determine the task.

    Returns:
        None if the task is the user's own and does not declare its metrics.

    Raises:
        UserError: the task cannot be imported, or the data cannot be read.
    """
    kind = named_by(cfg.task)
    if kind is for_data:
        kind = find_class(f"src.tasks.{called_for(instantiate(cfg.data).description)}")
    if not (isinstance(kind, type) and issubclass(kind, Task) and kind.declares_all()):
        return None
    return {metric.name: metric for metric in (LOSS, *kind.metrics_declared)}


def factory(node: DictConfig) -> Any:
    """Return a function that builds the object of ``node`` from the remaining arguments; None if it names none."""
    if node is None or node.get("_target_") is None:
        return None
    return partial(instantiate, node)
