"""How checkpoints get onto the disk: beside their place, then under their name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from src.files import write_atomically


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint in its own folder and renames it, so that a kill or a full disk leaves the earlier one whole.

    Lightning writes it where temporary files go and moves it, which between file systems copies: a kill in the middle
    leaves half a file under the checkpoint's name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            DiskFull: there is no room for it.
        """
        # In memory first, as Lightning does: torch turns a failed write into an error that names no reason.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(Path(path), lambda out: out.write(content.getbuffer()))
