"""What training as shipped costs a step over a raw loop: ``python -m benchmarks.overhead model=lstm``."""

from __future__ import annotations

from omegaconf import DictConfig

from src.config.shell import command


def overhead(cfg: DictConfig) -> dict[str, list[float]]:
    """Train as ``src.train`` does, with plain loops over the same batches between the epochs, and print both.

    Args:
        cfg: a config composed from ``conf/overhead.yaml``.

    Returns:
        Milliseconds of a training step by rung, one entry for each epoch after the first.

    Raises:
        UserError: in one sentence, when the config cannot be trained.
    """
    from benchmarks.overhead_ladder import climb, table
    from benchmarks.report import show_tables

    found = climb(cfg)
    show_tables([table(found)])
    return found


def main() -> None:
    """The command line."""
    command("overhead", overhead)


if __name__ == "__main__":
    main()
