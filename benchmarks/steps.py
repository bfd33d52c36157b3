"""Time the recurrent backends against PyTorch's layers: ``python -m benchmarks.steps shapes='[[8,160,88,46]]'``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.config.shell import command


def benchmark(cfg: DictConfig) -> dict[str, Any]:
    """Measure, or take up an earlier result; print its tables, and write JSON, Markdown and picture.

    Args:
        cfg: a config composed from ``conf/benchmark.yaml``.

    Returns:
        The result; ``benchmarks.results`` says what is in it.

    Raises:
        UserError: in one sentence, when a setting is impossible.
    """
    from benchmarks.report import measured, publish
    from benchmarks.results import read

    if cfg.results is None:
        result, directory = measured(cfg), cfg.directory
    else:
        result, directory = read(Path(cfg.results)), None
    publish(result, directory, cfg.table)
    return result


def main() -> None:
    """The command line."""
    command("benchmark", benchmark)


if __name__ == "__main__":
    main()
