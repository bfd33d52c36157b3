"""Let a trained run go on from the start of a test sequence: ``python -m src.generate run=DIR``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from src.config import Mistake, command


def generate(cfg: DictConfig) -> list[Path]:
    """Rebuild a run, read the start of a sequence and draw what follows; written as MIDI, text or WAV.

    Args:
        cfg: a config composed from ``conf/generate.yaml``.

    Returns:
        The files.

    Raises:
        Mistake: when ``run`` is no run, its task cannot generate, or there is no such sequence.
    """
    import torch

    from src.generating.continuing import go_on, manner_of
    from src.generating.files import facts_of, write
    from src.runs.load import load_run
    from src.streams import derive

    torch.set_num_threads(cfg.threads)
    run = load_run(cfg.run, cfg.ckpt)
    manner = manner_of(run.task, cfg.temperature, cfg.top_p)
    whole = run.split("test", [cfg.sequence])[torch.tensor([cfg.sequence])]
    if cfg.prime > int(whole.lengths):
        raise Mistake(
            f"prime={cfg.prime} is more than sequence {cfg.sequence} has: it must be 1 to {int(whole.lengths)} steps."
        )
    given = whole.x[:, : cfg.prime]
    drawn = go_on(run.task, given, cfg.steps, manner, torch.Generator().manual_seed(derive(cfg.seed, "generation")))
    path = Path(cfg.output or run.directory / "generated" / f"sequence{cfg.sequence}-seed{cfg.seed}")
    facts = {"model": run.model, "frames_per_second": cfg.frames_per_second, **facts_of(run.data)}
    files = write(run.task, given[0], drawn[0], path, facts)
    for file in files:
        print(file)
    return files


def main() -> None:
    """The command line."""
    command("generate", generate)


if __name__ == "__main__":
    main()
