"""From settings to files: measure with a progress bar, then print the tables and write them beside the numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import results
from benchmarks.figure import draw
from benchmarks.measure import Show, measure
from benchmarks.settings import read_settings
from benchmarks.tables import facts, for_screen, markdown, put_into, read_page
from src.config.instantiate import plain


def measured(cfg: DictConfig) -> dict[str, Any]:
    """Measure what the config asks for; progress on standard error.

    Raises:
        UserError: a setting is impossible.
    """
    settings = read_settings(cfg)
    if cfg.table is not None:
        read_page(Path(cfg.table), settings.peers)  # refused before the measurement, not after it
    return with_progress(plain(cfg), settings.device, lambda show: measure(settings, show))


def with_progress(
    settings: dict[str, Any], device: str, work: Callable[[Show], dict[str, Any]], module: str = "benchmarks.steps"
) -> dict[str, Any]:
    """Measure behind a progress bar, and put beside the result what must be known of it.

    Args:
        settings: the resolved config.
        device: where is measured.
        work: is called with what draws the bar.
        module: the command.
    """
    started, threads = time.time(), torch.get_num_threads()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    try:
        # No thread of the bar's own between two rounds: it is drawn when a round has ended.
        with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
            task = bar.add_task("starting", total=1.0)

            def show(what: str, share: float) -> None:
                bar.update(task, description=what, completed=share, refresh=True)

            found = work(show)
    finally:
        torch.set_num_threads(threads)
    return results.surroundings(settings, device, started, module) | found


def publish(result: dict[str, Any], directory: str | None, page: str | None) -> None:
    """Print a result; write ``benchmark.json``, ``.md`` and ``.svg`` to a directory, and the tables into a page.

    Args:
        result: as `benchmarks.results` has it.
        directory: None: nothing is written there.
        page: a Markdown page with marks for the tables; None: none.

    Raises:
        UserError: the page has no place for tables.
    """
    console = Console()
    show_tables(for_screen(result))
    for line in facts(result):
        console.print(line, markup=False, highlight=False)
    if directory is not None:
        folder = Path(directory)
        results.write(folder / "benchmark.json", result)
        (folder / "benchmark.md").write_text(markdown(result))
        try:
            draw(result, folder / "benchmark.svg")
        except ImportError:
            print("No picture: it needs matplotlib, pip install 'gatebench[report]'.")
        print(folder)
    if page is not None:
        put_into(Path(page), result)


def show_tables(tables: list[Table]) -> None:
    """Print tables to standard output."""
    for table in tables:
        Console().print(table)
