"""Time callables in rotation: each once per round, in a rotating order, so that disturbances affect all equally."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

Work = Callable[[], Any]  # one step, ready to be called

LEAST_SECONDS = 0.05
"""Steps shorter than this are repeated and the time divided: as in training, all but the first then find caches filled
by the same network rather than by the previous contender (a twelfth of the time at 3 ms per step)."""
MOST_REPEATS = 200
MOST_ROUNDS = 4  # largest multiple of the requested rounds, if the budget allows


class Timing(NamedTuple):
    """Seconds per step, and cores used by the process meanwhile (None on a GPU)."""

    seconds: float
    cores: float | None


def clock(device: torch.device) -> str:
    """Return what measures time on a device."""
    return "CUDA events" if device.type == "cuda" else "wall clock"


def time_steps(work: Work, repeats: int, device: torch.device) -> Timing:
    """Return the mean over `repeats` consecutive steps, after all earlier work is done."""
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
    """Run two steps, the first of which builds and caches, and return the seconds of the second."""
    time_steps(work, 1, device)
    return time_steps(work, 1, device).seconds


def repeats_for(seconds: float) -> int:
    """Return how many steps of this length make a measurement."""
    return max(1, min(MOST_REPEATS, math.ceil(LEAST_SECONDS / max(seconds, 1e-9))))


def plan_rounds(costs: Sequence[float], rounds: int, budget: float) -> list[int]:
    """Return the number of rounds for each case.

    Every case gets `rounds`, even beyond the budget; the rest of the budget goes to the cheapest first, up to
    :data:`MOST_ROUNDS` times as many.

    >>> plan_rounds([1.0, 10.0], rounds=10, budget=130.0)
    [30, 10]

    Args:
        costs: seconds of one round of each case.
        rounds: the minimum.
        budget: seconds for all cases.
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
    """Time every callable once per round; return by name one entry per round.

    >>> timings = run_rounds({"sum": lambda: sum(range(99))}, [10], 3, torch.device("cpu"))
    >>> len(timings["sum"])
    3

    Args:
        works: by name, in the order of the first round; each later round starts one further along.
        repeats: steps in a measurement of each.
        rounds, device: number of rounds, and the device.
        tick: called after every round.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in works}
    pairs = list(zip(works.items(), repeats, strict=True))
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # a collection would affect only one of them
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
