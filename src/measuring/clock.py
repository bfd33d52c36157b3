"""Callables timed in turn: each once in every round, in an order that rotates, so that a slow minute hits all alike."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

Work = Callable[[], Any]  # one step, ready to be called

LEAST_SECONDS = 0.05
"""Steps shorter than this are repeated and the time divided: as in training, all but the first find caches that the
same network filled, not the contender before it (which at 3 ms a step is a twelfth of the time)."""
MOST_REPEATS = 200
MOST_ROUNDS = 4  # times the rounds asked for, where the budget has room


class Timing(NamedTuple):
    """Seconds of a step, and how many cores the process used meanwhile (None on a GPU)."""

    seconds: float
    cores: float | None


def clock(device: torch.device) -> str:
    """What measures time there."""
    return "CUDA events" if device.type == "cuda" else "wall clock"


def time_steps(work: Work, repeats: int, device: torch.device) -> Timing:
    """The mean over `repeats` steps in a row, after everything before them is done."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        for _ in range(repeats):
            work()
        end.record()
        torch.cuda.synchronize(device)
        return Timing(start.elapsed_time(end) / 1e3 / repeats, None)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Timing(wall / repeats, cpu / max(wall, 1e-9))


def warm_up(work: Work, device: torch.device) -> float:
    """Two steps, the first for what is built or cached once; seconds of the second."""
    time_steps(work, 1, device)
    return time_steps(work, 1, device).seconds


def repeats_for(seconds: float) -> int:
    """How many steps of this length make a measurement."""
    return max(1, min(MOST_REPEATS, math.ceil(LEAST_SECONDS / max(seconds, 1e-9))))


def plan_rounds(costs: Sequence[float], rounds: int, budget: float) -> list[int]:
    """How many rounds each case gets.

    Every case gets `rounds`, even beyond the budget; what is left of it goes to the cheapest first, up to
    :data:`MOST_ROUNDS` times as many.

    >>> plan_rounds([1.0, 10.0], rounds=10, budget=130.0)
    [30, 10]

    Args:
        costs: seconds of one round of each case.
        rounds: the least number.
        budget: seconds for all.
    """
    planned = [rounds] * len(costs)
    left = budget - rounds * sum(costs)
    for index in sorted(range(len(costs)), key=lambda k: costs[k]):
        more = int(max(0.0, min((MOST_ROUNDS - 1) * rounds, left / max(costs[index], 1e-9))))
        planned[index] += more
        left -= more * costs[index]
    return planned


def run_rounds(
    works: Mapping[str, Work],
    repeats: Sequence[int],
    rounds: int,
    device: torch.device,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, list[Timing]]:
    """Time every callable once in every round; by name, one entry for each round.

    >>> timings = run_rounds({"sum": lambda: sum(range(99))}, [10], 3, torch.device("cpu"))
    >>> len(timings["sum"])
    3

    Args:
        works: by name, in the order of the first round; each later round starts one further.
        repeats: steps in a measurement of each.
        rounds, device: how many, and where they run.
        tick: called after every round.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in works}
    pairs = list(zip(works.items(), repeats, strict=True))
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # a collection would hit one of them alone
    try:
        for number in range(rounds):
            start = number % len(pairs)
            for (name, work), steps in pairs[start:] + pairs[:start]:
                timings[name].append(time_steps(work, steps, device))
            gc.collect(1)
            tick()
    finally:
        if collecting:
            gc.enable()
    return timings
