"""What named sets of files have in common: where the files lie, and where what is computed from them is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from src.data.download import File, fetch
from src.data.module import SequenceData
from src.files import write_atomically


class FileSet(SequenceData):
    """A named set that is read from files.

    Args:
        data_dir: the folder of all data sets; what it has is verified, what it lacks is downloaded into it.
        cache_dir: where verified files are remembered, and arrays that are slow to compute are kept.
    """

    def __init__(self, *, data_dir: str, cache_dir: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.data_dir, self.cache_dir = Path(data_dir), Path(cache_dir)

    def fetch(self, file: File) -> Path:
        """The path of a verified file."""
        return fetch(file, self.data_dir, self.cache_dir)

    def cached(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What ``compute`` returns, from ``name``.npz below ``cache_dir`` where it has been written before."""
        file = self.cache_dir / f"{name}.npz"
        if file.exists():
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        arrays = compute()
        write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
        return arrays
