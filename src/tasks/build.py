"""From a composed config to data and task: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.config.instantiate import instantiate
from src.data.describe import Description
from src.data.module import SequenceData
from src.rng import drawing
from src.tasks.base import Task
from src.tasks.budget import solve
from src.tasks.calibrate import calibrated, with_width


def build(
    cfg: DictConfig, kept: Mapping[str, Any] | None = None, *, widths: Path | None = None
) -> tuple[SequenceData, Task]:
    """Read the data and build the task with its freshly initialised network, from a composed config.

    Where there is a checkpoint, what it keeps of the data module is taken from there and training data are not read.

    Args:
        cfg: of the run.
        kept: what the checkpoint holds.
        widths: the folder in which widths from a budget of seconds are kept, for a run that is to be trained; without
            it the width is that of the config, as it stands on record.

    Raises:
        UserError: when the data are missing or broken, or model, task and data do not go together.
    """
    data: SequenceData = instantiate(cfg.data)
    if kept is not None and (fitted := kept.get(type(data).__qualname__)):
        data.load_state_dict(fitted)
    description = data.description
    if widths is None or cfg.model.get("budget") is None or cfg.model.get("budget_of") != "seconds":
        return data, build_task(cfg, description)
    budget = calibrated(cfg, data, lambda tried: build_task(tried, description), widths)
    task = build_task(with_width(cfg, budget.hidden_size), description)
    task.budget = budget
    return data, task


def build_task(cfg: DictConfig, description: Description) -> Task:
    """The task for data of this description, its weights drawn from the seed: always the same ones.

    Raises:
        UserError: when model and task do not go with the data.
    """

    def around(model: DictConfig) -> Task:
        made = {"network": model, "optimizer": cfg.optimizer, "scheduler": cfg.scheduler}
        task: Task = instantiate(cfg.task, description=description, **{k: factory(node) for k, node in made.items()})
        return task

    model, budget = solve(cfg.model, around)
    # Weights come from a stream of their own, so a network of another size changes nothing else.
    with drawing(cfg.seed, "initialisation"):
        task = around(model)
    task.budget = budget
    return task


def factory(node: DictConfig) -> Any:
    """A function that builds what ``node`` names from the arguments still missing; None where it names nothing."""
    if node is None or node.get("_target_") is None:
        return None
    return partial(instantiate, node)
