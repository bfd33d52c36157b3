"""A measurement with a progress bar, and facts about its surroundings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.results import surroundings
from src.config.instantiate import plain

Show = Callable[[str, float], None]  # what is being done, and the share that is done


def with_progress(module: str, cfg: DictConfig, work: Callable[[Show], dict[str, Any]]) -> dict[str, Any]:
    """Measure, with a bar on standard error.

    Args:
        module: the command.
        cfg: its config.
        work: is called with what draws the bar.

    Returns:
        The facts from `benchmarks.results.surroundings`, and the result of ``work``.
    """
    started, threads = time.time(), torch.get_num_threads()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        # No thread of the bar's own between two rounds: it is drawn when a round has ended.
        with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
            task = bar.add_task("starting", total=1.0)
            measured = work(lambda what, share: bar.update(task, description=what, completed=share, refresh=True))
    finally:
        torch.set_num_threads(threads)
    return surroundings(module, plain(cfg), started) | measured
