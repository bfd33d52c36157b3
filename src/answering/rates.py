"""The range of learning rates at which networks learn, from a few updates at each of several rates.

The loss after so few updates shows which rates are far too small and which diverge, but not which is best: that is
left to the trials, which are trained to the end.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from omegaconf import DictConfig, OmegaConf

from src.data.batches import Batch
from src.data.module import SequenceData
from src.rng import drawing
from src.tasks.base import Task
from src.tasks.build import build_task
from src.tasks.calibrate import device_of, with_width

RATES = (1e-4, 4e-4, 2e-3, 1e-2, 5e-2)
FEWEST, MOST = 8, 60  # updates at each rate
TIMED = 4  # updates that are timed first
MEASURED = 8  # batches, the same ones before and after the updates, because batches differ by more than the loss falls
FALLING = 0.2  # fraction of the largest decrease of the loss, below which a rate is too small
WORSE = 1.2  # ratio to the first loss above which a network diverges
LEAST_RANGE = 10.0  # smallest ratio of the largest to the smallest rate tried


@dataclass
class Short:
    """Results of a few updates at each rate, for one model."""

    falls: dict[str, float | None] = field(default_factory=dict)  # decrease of the loss by rate; None if it diverged
    update_seconds: float = 0.0
    validation_seconds: float = 0.0  # for the whole split


def try_rates(cfg: DictConfig, data: SequenceData, seconds: float) -> Short:
    """Train a network for a few updates at each of :data:`RATES`, with the same initial weights and batches.

    Args:
        cfg: config of a run.
        data: the data, already read.
        seconds: time limit.
    """
    device = device_of(cfg)
    batches = [batch.to(device) for batch in itertools.islice(data.train_dataloader(), MOST)]
    began = time.monotonic()
    if (budget := build_task(cfg, data.description).budget) is not None:
        cfg = with_width(cfg, budget.hidden_size)  # solved once
    _updated(cfg, data, RATES[0], batches[:1], 2, device)  # builds and caches everything that is built once
    _, _, of_one = _updated(cfg, data, RATES[0], batches, TIMED, device)
    left = seconds - (time.monotonic() - began)
    updates = max(FEWEST, min(MOST, int(left / len(RATES) / of_one)))
    short = Short(update_seconds=of_one, validation_seconds=_validation_seconds(cfg, data, device))
    times = []
    for rate in RATES:
        first, last, of_one = _updated(cfg, data, rate, batches, updates, device)
        times.append(of_one)
        diverged = not math.isfinite(last) or last > WORSE * first
        short.falls[f"{rate:g}"] = None if diverged else first - last
    short.update_seconds = fmean(times)
    return short


def _updated(
    cfg: DictConfig, data: SequenceData, rate: float, batches: Sequence[Batch], updates: int, device: torch.device
) -> tuple[float, float, float]:
    """Return the loss of the first batches before and after some updates, and the seconds of one update."""
    cfg = cfg.copy()
    OmegaConf.update(cfg, "optimizer.lr", rate)
    task = build_task(cfg, data.description).to(device).train()
    optimizer = task.make_optimizer(task.parameters())
    clip, done = cfg.trainer.get("gradient_clip_val"), 0
    first = _loss(task, batches[:MEASURED])
    began = time.perf_counter()
    with drawing(cfg.seed, "noise"):
        for batch in itertools.islice(itertools.cycle(batches), updates):
            optimizer.zero_grad()
            loss = task.training_step(batch, 0)
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(task.parameters(), clip)
            optimizer.step()
            done += 1
            if not math.isfinite(float(loss.detach())):
                break
    of_one = (time.perf_counter() - began) / done
    return first, _loss(task, batches[:MEASURED]), of_one


@torch.no_grad()
def _loss(task: Task, batches: Sequence[Batch]) -> float:
    """The mean over some batches, without dropout."""
    task.eval()
    mean = fmean(float(task.reduce(task.losses(batch))) for batch in batches)
    task.train()
    return mean


def _validation_seconds(cfg: DictConfig, data: SequenceData, device: torch.device) -> float:
    """Estimate the seconds of one pass over validation from its longest batch."""
    task = build_task(cfg, data.description).to(device)
    loader = data.val_dataloader()
    batch = next(iter(loader)).to(device)
    _loss(task, [batch])
    began = time.perf_counter()
    _loss(task, [batch])  # as a number, so that it is over on a GPU too
    return (time.perf_counter() - began) * len(loader)


def range_of(shorts: Sequence[Short]) -> tuple[float, float, float]:
    """Return the smallest and largest rate to try, where no model diverges, and one in between for the pilot.

    >>> range_of([Short({"0.0001": 0.01, "0.001": 0.2, "0.01": 0.9, "0.1": None})])
    (0.001, 0.01, 0.00316)
    """
    rates = [float(rate) for rate in shorts[0].falls]
    whole = [r for k, r in enumerate(rates) if all(list(short.falls.values())[k] is not None for short in shorts)]
    high = max(whole, default=rates[0])
    falling = [high]
    for short in shorts:
        falls = {float(rate): fall for rate, fall in short.falls.items() if fall is not None}
        most = max(falls.values(), default=0.0)
        falling += [rate for rate, fall in falls.items() if most > 0 and fall >= FALLING * most]
    low = min(min(falling), high / LEAST_RANGE)
    return float(f"{low:.3g}"), high, float(f"{math.sqrt(low * high):.3g}")
