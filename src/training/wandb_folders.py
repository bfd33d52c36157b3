"""Offline folders of wandb inside a run directory, and which of them are to be synced.

A killed attempt leaves a folder whose file is torn (it reaches the disk in blocks), and `wandb sync` stops at
it without an error. Each attempt therefore writes the whole run anew, and the folders before it are marked.
"""

import os
import shlex
from pathlib import Path

from src.files import write_atomically

MARKER = "superseded-by"


def offline_folders(directory: str | os.PathLike[str], run_id: str | None = None) -> list[Path]:
    """All offline folders of a run directory, oldest first; of one run alone where its id is given.

    That run's may also lie in ``WANDB_DIR``, which runs share.
    """
    shared = {Path(place)} if run_id and (place := os.environ.get("WANDB_DIR")) else set()
    places = {Path(directory), *shared}
    folders = sorted((f for place in places for f in place.glob("wandb/offline-run-*")), key=lambda f: f.name)
    return [f for f in folders if not f.is_symlink() and any(f.glob(f"run-{run_id or '*'}.wandb"))]


def supersede(directory: str | os.PathLike[str], run_id: str, by: Path) -> None:
    """Marks the run's offline folders before this one, so that nobody uploads a step twice. Deletes nothing.

    Each gets a file `superseded-by` with the name of the newer folder, and wandb's own mark of a synced run,
    so that a bare `wandb sync` passes it by as well. `by` is the folder of the attempt that holds every step.
    """
    for folder in offline_folders(directory, run_id):
        if folder.name != by.name and not (folder / MARKER).exists():
            for name, text in ((MARKER, by.name + "\n"), (f"run-{run_id}.wandb.synced", "")):
                write_atomically(folder / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]


def sync_folders(directory: str | os.PathLike[str], run_id: str | None = None) -> list[Path]:
    """Offline folders that wait to be synced: neither superseded nor synced already."""
    waiting = offline_folders(directory, run_id)
    return [f for f in waiting if not (f / MARKER).exists() and not any(f.glob("run-*.wandb.synced"))]


def sync_command(directory: str | os.PathLike[str], run_id: str | None = None) -> str | None:
    """The command that uploads a run directory's offline folders, or None where nothing waits."""
    folders = sync_folders(directory, run_id)
    return shlex.join(["wandb", "sync", *map(str, folders)]) if folders else None
