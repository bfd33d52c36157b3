"""Contenders in turn: each once in every round, in an order that rotates, so that a slow minute hits all alike."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from benchmarks.contenders import Contender, Work

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
    contenders: Sequence[Contender],
    repeats: Sequence[int],
    rounds: int,
    device: torch.device,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, list[Timing]]:
    """Time every contender once in every round.

    Args:
        contenders: the order of the first round; each later round starts one further.
        repeats: steps in a measurement of each.
        rounds: how many.
        device: where they run.
        tick: called after every round.

    Returns:
        By the contenders' names, one entry for each round.
    """
    found: dict[str, list[Timing]] = {c.name: [] for c in contenders}
    pairs = list(zip(contenders, repeats, strict=True))
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # a collection would hit one contender alone
    try:
        for number in range(rounds):
            start = number % len(pairs)
            for contender, steps in pairs[start:] + pairs[:start]:
                found[contender.name].append(time_steps(contender.work, steps, device))
            gc.collect(1)
            tick()
    finally:
        if collecting:
            gc.enable()
    return found


def sgemm_gflops(threads: int, device: torch.device, size: int = 512, tries: int = 100) -> float:
    """The fastest of many products of two float32 matrices (size, size), in 10^9 operations a second.

    Each takes a few milliseconds, so that on a shared machine some of them run undisturbed.
    """
    torch.set_num_threads(threads)
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    best = min(time_steps(lambda: a @ b, 1, device).seconds for _ in range(tries))
    return 2 * size**3 / best / 1e9
