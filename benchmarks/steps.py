"""Time the recurrent backends against PyTorch's layers: ``python -m benchmarks.steps shapes='[[8,160,88,46]]'``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from benchmarks import CONF, results
from benchmarks.figure import draw
from benchmarks.measure import measure
from benchmarks.progress import with_progress
from benchmarks.settings import STEPS, read_settings
from benchmarks.tables import facts, for_screen, markdown, marks, put_into, read_page, show
from src.config.shell import command


def benchmark(cfg: DictConfig) -> dict[str, Any]:
    """Measure, or reuse an earlier result; print its tables, and write JSON, Markdown and a figure.

    Args:
        cfg: a config composed from ``benchmarks/conf/steps.yaml``.

    Returns:
        The result; `benchmarks.results` says what is in it.

    Raises:
        UserError: in one sentence, when a setting is impossible.
    """
    if cfg.results is not None:
        result, folder = results.read(Path(cfg.results)), None
    else:
        settings, folder = read_settings(cfg), Path(cfg.directory)
        if cfg.table is not None:
            # Refused before the measurement, not after it.
            read_page(Path(cfg.table), marks(settings.peers, settings.cells))
        result = with_progress("benchmarks.steps", cfg, lambda show: measure(settings, show))
    show(for_screen(result))
    for line in facts(result):
        Console().print(line, markup=False, highlight=False)
    if folder is not None:
        write(result, folder, cfg.picture)
    if cfg.table is not None:
        place = marks(result["settings"]["peers"], result["settings"]["cells"])
        put_into(Path(cfg.table), place, markdown(result))
    return result


def write(result: dict[str, Any], folder: Path, picture: bool) -> None:
    """Write ``benchmark.json``, ``.md`` and, where it is wanted and matplotlib there, ``.svg``; say where."""
    results.write(folder / "benchmark.json", result)
    (folder / "benchmark.md").write_text(markdown(result))
    try:
        if picture:
            draw(result, folder / "benchmark.svg")
    except ImportError:
        print("No figure, because it needs matplotlib: pip install -e '.[report]' in GateBench's clone.")
    print(folder)


def main() -> None:
    """Run the command line."""
    command("steps", benchmark, CONF, STEPS)


if __name__ == "__main__":
    main()
