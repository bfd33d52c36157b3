"""Show the progress of a study from another shell: ``python -m src.status study=NAME``."""

from __future__ import annotations

from omegaconf import DictConfig

from src.config.places import study_folder
from src.config.shell import command


def status(cfg: DictConfig) -> None:
    """Print which runs of a study are done, running (with a recent heartbeat), failed or still to come.

    Raises:
        UserError: the study does not exist.
    """
    from src.config.screen import printable, screen
    from src.studies.progress import Reader, table

    directory = study_folder(cfg)
    progress = Reader(directory).read()
    screen().print(table(progress))
    for name, sentence in progress.failed.items():
        print(printable(f"failed: {directory / name}: {sentence}"))


def main() -> None:
    """Run the command line."""
    command("status", status)


if __name__ == "__main__":
    main()
