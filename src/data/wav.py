"""Sound files of the WAV format: PCM of 8, 16, 24 and 32 bits and floating point."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np

from src.config.errors import UserError
from src.data.file_splits import find_files

FULL_SCALE = 2**15  # samples are counted in steps of 16 bits, whatever the file has


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    """Samples per second of a file, and its samples (samples,) in steps of 16 bits; channels become their mean.

    They are int16 where the file has 8 or 16 bits and one channel, else float32.

    Raises:
        UserError: when it cannot be read to its end, or has no samples, or samples that are not finite.
    """
    from scipy.io import wavfile

    if not path.stat().st_size:
        raise UserError(f"{path} is empty (0 bytes).")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except UnboundLocalError as error:  # what scipy comes to where there is no format and no data
        raise UserError(f"{path} cannot be read as a WAV file: it has no samples.") from error
    except (ValueError, EOFError, OSError, ArithmeticError, struct.error) as error:
        raise UserError(f"{path} cannot be read as a WAV file: {str(error).rstrip('.')}.") from error
    if cut := [str(w.message) for w in said if "EOF" in str(w.message)]:
        raise UserError(f"{path} is cut off: {cut[0].rstrip('.')}.")
    if not samples.size or rate < 1:
        raise UserError(f"{path} has {'no samples' if rate else 'a sampling rate of 0'}.")
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.int16) - 128) * 256
    elif samples.dtype == np.int32:
        samples = (samples / 2**16).astype(np.float32)
    elif samples.dtype.kind == "f":
        samples = (samples * float(FULL_SCALE)).astype(np.float32)
        if not np.isfinite(samples).all():
            first = int(np.isfinite(samples.reshape(len(samples), -1)).all(1).argmin())
            raise UserError(f"{path} has samples that are not finite numbers, the first being number {first}.")
    elif samples.dtype != np.int16:
        raise UserError(f"{path} has samples of type {samples.dtype}: it must be PCM of 8 to 32 bits or 32-bit float.")
    return int(rate), samples if samples.ndim == 1 else samples.mean(1, dtype=np.float32)


def read_wav_folder(path: Path, rate: int | None = None) -> tuple[int, dict[str, np.ndarray]]:
    """Samples per second of one file, or of every .wav file below a folder, and samples by path below the folder.

    Args:
        path: a file or a folder.
        rate: the samples per second that all files must have; None: those of the first.

    Raises:
        UserError: when a file has another rate, or cannot be read.
    """
    files = [path] if path.is_file() else find_files(path, ".wav")
    wanted, recordings = f"but the run was trained on {rate}" if rate else "", {}
    for file in files:
        its_rate, samples = read_wav(file)
        if rate is None:
            rate, wanted = its_rate, f"but {file} has {its_rate}"
        if its_rate != rate:
            raise UserError(f"{file} has {its_rate} samples per second, {wanted}: all must have the same.")
        recordings[file.name if file == path else str(file.relative_to(path))] = samples
    assert rate is not None
    return rate, recordings
