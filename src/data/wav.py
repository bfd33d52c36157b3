"""Sound files of the WAV format: PCM of 8, 16, 24 and 32 bits and floating point."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.config import Mistake

FULL_SCALE = 2**15  # samples are counted in steps of 16 bits, whatever the file has


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    """Sampling rate and samples of a file; several channels become their mean.

    Returns:
        Samples per second, and (samples,) in steps of 16 bits: int16 where the file has 8 or 16 bits and one channel,
        else float32.

    Raises:
        Mistake: when it cannot be read to its end, or has no samples, or samples that are not finite.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except (ValueError, EOFError, OSError) as error:
        raise Mistake(f"{path} cannot be read as a WAV file: {str(error).rstrip('.')}.") from error
    if cut := [str(w.message) for w in said if "EOF" in str(w.message)]:
        raise Mistake(f"{path} is cut off: {cut[0].rstrip('.')}.")
    if not samples.size:
        raise Mistake(f"{path} has no samples.")
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.int16) - 128) * 256
    elif samples.dtype == np.int32:
        samples = (samples / 2**16).astype(np.float32)
    elif samples.dtype.kind == "f":
        samples = (samples * float(FULL_SCALE)).astype(np.float32)
        if not np.isfinite(samples).all():
            raise Mistake(f"{path} has samples that are not finite numbers, the first being number "
                          f"{int(np.argmin(np.isfinite(samples.reshape(len(samples), -1)).all(1)))}.")  # fmt: skip
    elif samples.dtype != np.int16:
        raise Mistake(f"{path} has samples of type {samples.dtype}: it must be PCM of 8 to 32 bits or 32-bit float.")
    return int(rate), samples if samples.ndim == 1 else samples.mean(1, dtype=np.float32)


def read_wavs(paths: Sequence[Path]) -> tuple[int, list[np.ndarray]]:
    """The one sampling rate of several files, and the samples of each.

    Raises:
        Mistake: when a file has another rate than the first, or cannot be read.
    """
    found = []
    first = None
    for path in paths:
        rate, samples = read_wav(path)
        first = first or rate
        if rate != first:
            raise Mistake(f"{path} has {rate} samples per second, but {paths[0]} has {first}: all must have the same.")
        found.append(samples)
    assert first is not None
    return first, found
