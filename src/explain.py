"""Look inside trained runs, side by side: ``python -m src.explain 'run=[DIR1,DIR2]'``; or ``study=DIR``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.places import study_folder
from src.config.shell import command
from src.runs.described import read_run


def explain(cfg: DictConfig) -> list[Path]:
    """Measure and draw gates, saturation, horizons and gradients through time, and forecasts of forecasting runs.

    With ``study`` instead of ``run``: the share of a study's runs that solve their task, by length. Returns the files;
    ``cfg`` is composed from ``conf/explain.yaml``.

    Raises:
        UserError: a ``run`` is not a run, lacks the checkpoint, or has no such sequence; or a ``study`` has no runs on
            data with a length.
    """
    import importlib.util

    if bool(cfg.run) == (cfg.study is not None):
        raise UserError("Give either run, as in run=runs/2026-... or 'run=[runs/A,runs/B]', or study=memory_length.")
    directories = [cfg.run] if isinstance(cfg.run, str) else [str(directory) for directory in cfg.run or ()]
    for directory in directories:
        read_run(directory, cfg.trust)  # refuse another directory before PyTorch is imported, which takes seconds

    import torch

    from src.explaining.forecasts import write_forecasts
    from src.explaining.memory_length import memory_horizon
    from src.explaining.outputs import print_summary, write_numbers
    from src.explaining.pictures import draw_all
    from src.explaining.run import explain_run, load_all
    from src.files import output

    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("Figures need the package matplotlib: pip install -e '.[report]' in GateBench's clone.")
    torch.set_num_threads(cfg.threads)
    if cfg.study is not None:
        study = study_folder(cfg)
        files = memory_horizon(output(Path(cfg.output or study), study), study, cfg.solved_below)
        print(*files, sep="\n")
        return files
    folder = Path(cfg.output or Path(directories[0]) / "inside")
    for directory in directories:
        output(folder, Path(directory))
    runs = [explain_run(label, run, cfg) for label, run in load_all(directories, cfg.ckpt, cfg.trust)]
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output must be a folder, got the file {folder}.")
    files = write_numbers(folder, runs) + draw_all(folder, runs, cfg.split, cfg.sequence)
    files += write_forecasts(folder, runs, cfg.split, cfg.sequence)
    print_summary(runs)
    print(*files, sep="\n")
    return files


def main() -> None:
    """Run the command line."""
    command("explain", explain)


if __name__ == "__main__":
    main()
