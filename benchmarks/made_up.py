"""Synthetic data of a given size, for measurements on machines without data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PIECES = 382  # as many, and as long, as JSB Chorales


def piano_rolls(path: Path, pieces: int = PIECES, seed: int = 0) -> None:
    """Sequences of 40 to 80 steps with 88 keys of which each sounds now and then, for ``data=npz``."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(40, 81, pieces)
    x = (generator.random((pieces, lengths.max(), 88)) < 0.05).astype(np.uint8)
    np.savez(path, x=x, lengths=lengths)


def labelled(path: Path, sequences: int = 1200, seed: int = 0) -> None:
    """Sequences of 20 to 60 steps with 6 features, of two classes that a step near the start tells apart."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(20, 61, sequences)
    x = generator.standard_normal((sequences, 60, 6)).astype(np.float32)
    y = generator.integers(0, 2, sequences)
    x[:, 3, 0] = 4.0 * y - 2.0
    np.savez(path, x=x, y=y, lengths=lengths)
