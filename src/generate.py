"""Continue the start of a test sequence with a trained run: ``python -m src.generate run=DIR``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.shell import command
from src.runs.described import read_run


def generate(cfg: DictConfig) -> list[Path]:
    """Rebuild a run, read the start of a sequence and sample its continuation; written as MIDI, text or WAV.

    Returns the files; ``cfg`` is composed from ``conf/generate.yaml``.

    Raises:
        UserError: ``run`` is not a run, its task cannot generate, or there is no such sequence.
    """
    read_run(cfg.run, cfg.trust)  # refuse another directory before PyTorch is imported, which takes seconds

    import torch

    from src.files import output
    from src.generating.continuing import generate, sampling_params
    from src.generating.formats import write
    from src.rng import derive
    from src.runs.load import load_run

    torch.set_num_threads(cfg.threads)
    run = load_run(cfg.run, cfg.ckpt, trust=cfg.trust)
    path = Path(cfg.output or run.directory / "generated" / f"sequence{cfg.sequence}-seed{cfg.seed}")
    output(path, run.directory)
    sampling = sampling_params(run.task, cfg.temperature, cfg.top_p)
    whole = run.split("test", [cfg.sequence])[torch.tensor([cfg.sequence])]
    if cfg.prime > int(whole.lengths):
        raise UserError(
            f"prime must be from 1 to {int(whole.lengths)}, the steps of sequence {cfg.sequence}, got {cfg.prime}."
        )
    given = whole.x[:, : cfg.prime]
    generator = torch.Generator().manual_seed(derive(cfg.seed, "generation"))
    drawn = generate(run.task, given, cfg.steps, sampling, generator)
    facts = {"model": run.model, "frames_per_second": cfg.frames_per_second, "rate": getattr(run.data, "rate", None)}
    files = write(run.task, given[0], drawn[0], path, facts)
    print(*files, sep="\n")
    return files


def main() -> None:
    """Run the command line."""
    command("generate", generate)


if __name__ == "__main__":
    main()
