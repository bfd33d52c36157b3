"""wandb's offline folders in a run directory, and which of them need syncing.

A killed attempt leaves a folder with a truncated file (written in blocks), where `wandb sync` stops without an error.
Each attempt therefore writes the whole run again, and earlier folders are marked.
"""

import os
import shlex
from pathlib import Path

from src.files import write_atomically

MARKER = "superseded-by"


def offline_folders(directory: str | os.PathLike[str], run_id: str | None = None) -> list[Path]:
    """List the offline folders of a run directory, oldest first; with an id, those of that run only.

    Folders of that run may also be in ``WANDB_DIR``, which runs share.
    """
    shared = {Path(place)} if run_id and (place := os.environ.get("WANDB_DIR")) else set()
    places = {Path(directory), *shared}
    folders = sorted((f for place in places for f in place.glob("wandb/offline-run-*")), key=lambda f: f.name)
    return [f for f in folders if not f.is_symlink() and any(f.glob(f"run-{run_id or '*'}.wandb"))]


def supersede(directory: str | os.PathLike[str], run_id: str, by: Path) -> None:
    """Mark the run's earlier offline folders, so that no step is uploaded twice. Deletes nothing.

    Each gets a file `superseded-by` with the name of the newer folder, and wandb's own mark of a synced run, so that a
    plain `wandb sync` skips it as well. `by` is the folder of the attempt with every step.
    """
    for folder in offline_folders(directory, run_id):
        if folder.name != by.name and not (folder / MARKER).exists():
            for name, text in ((MARKER, by.name + "\n"), (f"run-{run_id}.wandb.synced", "")):
                write_atomically(folder / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]


def sync_folders(directory: str | os.PathLike[str], run_id: str | None = None) -> list[Path]:
    """List offline folders that still need syncing: neither superseded nor synced."""
    waiting = offline_folders(directory, run_id)
    return [f for f in waiting if not (f / MARKER).exists() and not any(f.glob("run-*.wandb.synced"))]


def sync_command(directory: str | os.PathLike[str], run_id: str | None = None) -> str | None:
    """Return the command that uploads a run directory's offline folders, or None if there is nothing to upload."""
    folders = sync_folders(directory, run_id)
    return shlex.join(["wandb", "sync", *map(str, folders)]) if folders else None
