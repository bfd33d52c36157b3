"""Arrays that are slow to compute, kept beside the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from src.files import write_atomically


def cached(file: Path, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What ``compute`` returns, from ``file`` (.npz) where it has been written before."""
    if file.exists():
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    arrays = compute()
    write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
    return arrays
