"""What a gate costs: GRU, LSTM and tanh network by width and length: ``python -m benchmarks.cost widths=[64,256]``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.config.instantiate import plain
from src.config.shell import command


def cost(cfg: DictConfig) -> dict[str, Any]:
    """Count and time, or take up an earlier result; print the table, and write it as JSON, Markdown and CSV.

    Args:
        cfg: a config composed from ``conf/cost.yaml``.

    Returns:
        The result: that of a benchmark, with ``counted`` beside its ``cases``.

    Raises:
        UserError: in one sentence, when a setting is impossible.
    """
    from benchmarks import results
    from benchmarks.gate_cost import measured
    from benchmarks.gate_cost_table import as_csv, for_screen, markdown, put_into, read_page
    from benchmarks.report import show_tables, with_progress

    if cfg.results is None:
        if cfg.table is not None:
            read_page(Path(cfg.table))  # refused before the measurement, not after it
        result = with_progress(plain(cfg), cfg.device, lambda show: measured(cfg, show), "benchmarks.cost")
        folder = Path(cfg.directory)
        results.write(folder / "cost.json", result)
        (folder / "cost.md").write_text(markdown(result))
        (folder / "cost.csv").write_text(as_csv(result))
    else:
        result = results.read(Path(cfg.results))
    show_tables([for_screen(result)])
    if cfg.results is None:
        print(folder)
    if cfg.table is not None:
        put_into(Path(cfg.table), result)
    return result


def main() -> None:
    """The command line."""
    command("cost", cost)


if __name__ == "__main__":
    main()
