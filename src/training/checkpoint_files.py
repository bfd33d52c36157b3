"""Write checkpoints atomically: to a temporary name in the same folder, then rename."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from src.files import write_atomically


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint in its own folder and renames it, so that a kill or full disk leaves the previous one intact.

    Lightning writes to the folder for temporary files and then moves the file, which is a copy between file systems: a
    kill in the middle leaves half a file under the checkpoint's name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            DiskFull: the disk has no room for it.
        """
        # Serialise in memory first, like Lightning, because torch's error for a failed write hides the cause.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(Path(path), lambda out: out.write(content.getbuffer()))
