"""Sound waves, of which each block of samples is predicted from all samples before it."""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import Chunk, FlatSplit, padded
from src.data.describe import Description, Features, Values
from src.data.module import NewData, SequenceData
from src.data.splits import SPLITS, find_files

log = logging.getLogger(__name__)
FULL_SCALE = 2**15  # samples are in units of 16-bit steps, whatever the file's format


class FrameSplit(FlatSplit):
    """Recordings in blocks of ``hop`` samples: step t reads ``window`` samples from t*hop and predicts the next block.

    >>> split = FrameSplit([np.arange(70, dtype=np.int16)], window=20, hop=10, mean=0.0, scale=1.0)
    >>> batch = split[torch.tensor([0])]
    >>> batch.lengths.item(), batch.x[0, 1, [0, -1]].tolist(), batch.y[0, 1, [0, -1]].tolist()
    (5, [10.0, 29.0], [30.0, 39.0])

    The first ``window`` samples of a recording are never predicted, nor are samples after its last whole block.

    Args:
        recordings: (samples,) each, int16 or float32, not copied.
        mean, scale: subtracted from every sample, and then divided by.
    """

    def __init__(self, recordings: Sequence[np.ndarray], *, window: int, hop: int, mean: float, scale: float) -> None:
        lengths = torch.tensor([len(samples) // hop for samples in recordings])
        whole = [samples[: len(samples) // hop * hop] for samples in recordings]
        blocks = torch.from_numpy(np.concatenate(whole)).view(-1, hop)
        self.mean, self.scale = mean, scale
        super().__init__(blocks, lengths, blocks, per_step=True, shift=window // hop)

    def inputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """Return standardised samples, (batch, time, window)."""
        return self._standardised(where[..., None] + torch.arange(self.shift), inside).flatten(2)

    def outputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """Return standardised samples, (batch, time, hop)."""
        return self._standardised(where, inside)

    def _standardised(self, where: Tensor, inside: Tensor) -> Tensor:
        return padded((self.values[where].float() - self.mean) / self.scale, inside)


class WaveformData(SequenceData):
    """Recordings to be modelled sample by sample; subclasses supply them in :meth:`recordings`.

    Each step reads ``window`` samples, a multiple of ``hop``, and predicts the ``hop`` samples up to the next step.

    Attributes:
        rate: samples per second, set by :meth:`recordings`.
        mean: of the training samples (for classification, of each spectral band); ``scale`` likewise.
    """

    fitted = ("rate", "mean", "scale")
    rate: int
    mean: Any
    scale: Any

    def __init__(self, *, window: int = 20, hop: int = 10, **keywords: Any) -> None:
        super().__init__(**keywords)
        if hop < 1 or window < hop or window % hop:
            raise UserError(f"data.window must be a multiple of data.hop={hop}, got {window}.")
        self.window, self.hop = window, hop

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """Return the samples of each recording by split; sets the checksum, the items and the sampling rate."""
        raise NotImplementedError

    def read(self) -> Description:
        """Standardise with the training samples, cut into steps, and fit the baselines."""
        recordings = self.recordings()
        train, number = recordings["train"], sum(map(len, recordings["train"]))
        mean = sum(float(samples.sum(dtype=np.float64)) for samples in train) / number
        scale = math.sqrt(sum(float(np.square(s - mean, dtype=np.float64).sum()) for s in train) / number)
        if scale == 0:
            raise UserError("The training recordings are silent: all their samples are equal.")
        self.mean, self.scale = mean, scale
        for split in SPLITS:
            self.splits[split] = self.framed(recordings[split])
            self.notes[f"{split}/samples"] = sum(map(len, recordings[split]))
        self.val_baselines, self.baselines = baselines(*(self.splits[split] for split in SPLITS))  # type: ignore[arg-type]
        output = Values(self.hop, mean=(mean,) * self.hop, scale=(scale,) * self.hop)
        return Description(Features(self.window), output, per_step=True, varying_length=True, causal=True)

    def framed(self, recordings: Sequence[np.ndarray]) -> FrameSplit:
        """Cut recordings into steps, standardised with the training samples."""
        return FrameSplit(recordings, window=self.window, hop=self.hop, mean=self.mean, scale=self.scale)

    def new_data(self, path: str) -> NewData:
        """Read WAV files with the same sampling rate, standardised like the training recordings."""
        _ = self.description
        _, recordings = read_wav_folder(Path(path).expanduser(), self.rate)
        for name, samples in recordings.items():
            self.check_length(name, samples)
        return NewData(self.framed(list(recordings.values())), list(recordings))

    def check_length(self, name: str | Path, samples: np.ndarray) -> None:
        """Refuse a recording that is too short for a single step."""
        if len(samples) < self.window + self.hop:
            raise UserError(
                f"{name} has {len(samples)} samples, but data.window={self.window} and data.hop={self.hop} need at "
                f"least {self.window + self.hop}."
            )


def baselines(train: FrameSplit, *others: FrameSplit) -> list[dict[str, float]]:
    """Return the NLL in nats per step without any context (``gaussian``) and of linear prediction (``linear``).

    Both are normal densities, one per predicted sample, with maximum-likelihood means and variances on ``train``:
    constant means, or means linear in the samples read (least squares). The result has one entry for each of the
    ``others``.
    """
    moments: Tensor | float = 0.0
    for z in _steps(train):
        moments = moments + z.T @ z
    assert isinstance(moments, Tensor)
    inputs = len(moments) - train.values.shape[1]
    figures: list[dict[str, float]] = [{} for _ in others]
    for name, known in (("gaussian", slice(inputs - 1, inputs)), ("linear", slice(0, inputs))):
        gram, cross = moments[known, known], moments[known, inputs:]
        weights = torch.linalg.lstsq(gram, cross, driver="gelsd").solution
        variance = (moments[inputs:, inputs:].diagonal() - (weights * cross).sum(0)) / moments[inputs - 1, inputs - 1]
        variance = variance.clamp_min(1e-12)
        for split, reached in zip(others, figures, strict=True):
            nll, steps = 0.0, 0
            for z in _steps(split):
                error = z[:, inputs:] - z[:, known] @ weights
                nll += float(0.5 * (error.square() / variance + (2 * math.pi * variance).log()).sum())
                steps += len(z)
            reached[f"{name}/nll"] = nll / steps
    return figures


def _steps(split: FrameSplit, at_once: int = 2**15) -> Iterator[Tensor]:
    """Iterate over all steps of a split in parts (steps, window + 1 + hop), float64: samples read, a one, targets."""
    for row, length in enumerate(split.lengths.tolist()):
        for offset in range(0, length, at_once):
            number = min(at_once, length - offset)
            index = torch.tensor([[row], [row], [offset], [number], [offset == 0]])
            batch = split[Chunk(*index)]
            x, y = batch.x[0].double(), batch.y[0].double()
            yield torch.cat([x, torch.ones(number, 1, dtype=torch.float64), y], dim=1)


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    """Return a file's sampling rate and its samples (samples,) in 16-bit steps, averaged over channels.

    They are int16 for mono files of 8 or 16 bits, else float32. If the header's length differs from the file's, as
    written by interrupted or streaming recorders, the file is read to its end.

    Raises:
        UserError: the file cannot be read, or has no samples, or samples that are not finite.
    """
    from scipy.io import wavfile

    raw = path.read_bytes()
    if not raw:
        raise UserError(f"{path} is empty (0 bytes).")
    true, claimed = with_true_length(raw)
    if claimed is not None:
        log.warning("%s: the header announces %d bytes of samples; the file was read to its end.", path, claimed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(true))
            samples = samples.copy()  # a view of the file's bytes is read-only
    except UnboundLocalError as error:  # raised by scipy if there is neither format nor data
        raise UserError(f"{path} cannot be read as a WAV file: it has no samples.") from error
    except (ValueError, EOFError, OSError, ArithmeticError, struct.error) as error:
        raise UserError(f"{path} cannot be read as a WAV file: {str(error).rstrip('.')}.") from error
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
            raise UserError(f"{path} has samples that are not finite, the first at index {first}.")
    elif samples.dtype != np.int16:
        raise UserError(f"{path} must be PCM with 8 to 32 bits or 32-bit float, got samples of type {samples.dtype}.")
    return int(rate), samples if samples.ndim == 1 else samples.mean(1, dtype=np.float32)


def with_true_length(raw: bytes) -> tuple[bytes, int | None]:
    """Return a RIFF file's bytes with a header that has the true length of the samples, and the wrong length, if any.

    The length is wrong if it is 0, passes the end of the file, or ends where no other chunk begins. Bytes of an
    incomplete last sample are dropped.
    """
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return raw, None
    place, block = 12, 1
    while place + 8 <= len(raw):
        name, size = raw[place : place + 4], int.from_bytes(raw[place + 4 : place + 8], "little")
        if name == b"fmt " and place + 22 <= len(raw):
            block = max(int.from_bytes(raw[place + 20 : place + 22], "little"), 1)
        end = place + 8 + size
        if name == b"data":
            there = (len(raw) - place - 8) // block * block
            after = raw[end + size % 2 : end + size % 2 + 4]
            another = len(after) == 4 and all(byte in range(32, 127) for byte in after)
            if not there or (size and (end + size % 2 >= len(raw) - 1 or another) and end <= len(raw)):
                return raw, None
            riff = struct.pack("<I", place + there)
            head = raw[:4] + riff + raw[8 : place + 4] + struct.pack("<I", there)
            return head + raw[place + 8 : place + 8 + there], size
        place = end + size % 2
    return raw, None


def read_wav_folder(path: Path, rate: int | None = None) -> tuple[int, dict[str, np.ndarray]]:
    """Return the sampling rate of one file, or of all .wav files below a folder, and the samples by relative path.

    All files must have ``rate`` samples per second, or if that is None, the rate of the first file.

    Raises:
        UserError: a file has another rate, or cannot be read.
    """
    files = [path] if path.is_file() else find_files(path, ".wav")
    wanted, recordings = f"but the run was trained on {rate}" if rate else "", {}
    for file in files:
        its_rate, samples = read_wav(file)
        if rate is None:
            rate, wanted = its_rate, f"but {file} has {its_rate}"
        if its_rate != rate:
            raise UserError(f"{file} has {its_rate} samples per second, {wanted}: all files must have the same rate.")
        recordings[file.name if file == path else str(file.relative_to(path))] = samples
    assert rate is not None
    return rate, recordings
