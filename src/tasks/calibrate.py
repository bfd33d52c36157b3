"""Find the width at which a training step takes a given time on this machine: ``model.budget_of=seconds``."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.module import SequenceData
from src.files import write_atomically
from src.measuring.clock import repeats_for, time_steps, warm_up
from src.rng import drawing
from src.tasks.base import Task
from src.tasks.budget import Budget, refuse_without_width

NARROWEST, WIDEST = 4, 4096  # units
BATCHES = 4  # of the first epoch, with a step of each in turn
ROUNDS = 5  # the fastest counts, because other load only makes a step slower
TOLERANCE = 0.1  # for times; a smaller model.budget_tolerance would reject measurement noise


def calibrated(cfg: DictConfig, data: SequenceData, build: Callable[[DictConfig], Task], folder: Path) -> Budget:
    """Return the width whose training step takes ``model.budget`` microseconds, measured once and cached in a folder.

    A step is forward, loss, metrics, backward and optimizer, in float32; loading, clipping and Lightning's overhead are
    excluded. Further runs with the same model, data, task, optimizer, threads and accelerator use the cached width, on
    any machine, so that a study trains a single width.

    Args:
        cfg: config of the run.
        data: supplies the first batches.
        build: builds a task from a whole config.
        folder: cache for widths.

    Raises:
        UserError: there is no single width to solve, no width takes that long, or the cached file is damaged.
    """
    refuse_without_width(cfg.model)
    path = folder / f"{_key(cfg)}.json"
    if not path.exists():
        text = json.dumps(asdict(_measured(cfg, data, build)), indent=1)
        write_atomically(path, lambda out: out.write(text.encode()), over=False)  # another process may be first
    try:
        return Budget(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it to measure the width again.") from error


def _measured(cfg: DictConfig, data: SequenceData, build: Callable[[DictConfig], Task]) -> Budget:
    device = device_of(cfg)
    batches = [batch.to(device) for batch in itertools.islice(data.train_dataloader(), BATCHES)]

    def microseconds(width: int) -> float:
        with drawing(cfg.seed, "noise"):
            return 1e6 * step_seconds(build(with_width(cfg, width)), batches, device)

    wanted, tolerance = int(cfg.model.budget), max(float(cfg.model.get("budget_tolerance", 0.0)), TOLERANCE)
    times = search(microseconds, wanted)
    width = min(times, key=lambda w: abs(times[w] - wanted))
    error = times[width] / wanted - 1
    if abs(error) > tolerance:
        near = ", ".join(f"hidden_size={w} takes {times[w]:,.0f}" for w in sorted(times))
        raise UserError(
            f"No width meets model.budget={wanted} (microseconds per training step) within {100 * tolerance:g} %: "
            f"{near}; use one of these as the budget, or a larger model.budget_tolerance."
        )
    measured = {str(w): round(times[w], 1) for w in sorted(times)}
    return Budget("seconds", wanted, round(times[width]), error, width, measured)


def device_of(cfg: DictConfig) -> torch.device:
    """Return the device on which to time steps of a run: that of its accelerator if this machine has it."""
    on_gpu = cfg.trainer.get("accelerator") in ("gpu", "cuda", "auto") and torch.cuda.is_available()
    return torch.device("cuda" if on_gpu else "cpu")


def search(time_of: Callable[[int], float], wanted: float) -> dict[int, float]:
    """Return times by width, including widths near the wanted time.

    Widths are doubled until one takes longer; two more follow from a power law between the neighbouring widths.

    >>> times = search(lambda width: 100 + width**2, 1000)
    >>> min(times, key=lambda width: abs(times[width] - 1000))
    30
    """
    times = {NARROWEST: time_of(NARROWEST)}
    while (widest := max(times)) < WIDEST and times[widest] < wanted:
        times[2 * widest] = time_of(2 * widest)
    for _ in range(2):
        below = max((w for w in times if times[w] < wanted), default=None)
        above = min((w for w in times if times[w] >= wanted and w > (below or 0)), default=None)
        if below is None or above is None:
            break
        share = math.log(wanted / times[below]) / math.log(times[above] / times[below])
        width = round(below * (above / below) ** share)
        if width not in times:
            times[width] = time_of(width)
    return times


def step_seconds(task: Task, batches: Sequence[Batch], device: torch.device) -> float:
    """Return the seconds of one training step: the fastest of a few rounds over the batches."""
    task = task.to(device).train()
    optimizer = task.make_optimizer(task.parameters())

    def epoch() -> None:
        for batch in batches:
            optimizer.zero_grad()
            task.training_step(batch, 0).backward()
            optimizer.step()

    repeats = repeats_for(warm_up(epoch, device))
    return min(time_steps(epoch, repeats, device).seconds for _ in range(ROUNDS)) / len(batches)


def with_width(cfg: DictConfig, width: int) -> DictConfig:
    """Copy a run's config with this width instead of a budget."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    plain["model"] |= {"hidden_size": width, "budget": None}
    return OmegaConf.create(plain)


def _key(cfg: DictConfig) -> str:
    """Return a key over everything that affects the time of a step, except the machine."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    parts = {name: plain.get(name) for name in ("model", "data", "task", "threads")}
    parts["model"] = {name: value for name, value in parts["model"].items() if name != "hidden_size"}
    parts["data"] = {name: v for name, v in parts["data"].items() if name != "seed" and not name.endswith("_dir")}
    parts |= {"optimizer": plain["optimizer"].get("_target_"), "accelerator": plain["trainer"].get("accelerator")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
