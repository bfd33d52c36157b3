"""The Free Spoken Digit Dataset: 3,000 recordings of six speakers saying 0 to 9, 8 kHz.

Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset, v1.0.10. Recordings 0 to 4 of each speaker and digit
are the test set, as defined by its authors, so that both sets have all speakers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.classification import Classified, classification
from src.data.describe import Description
from src.data.download import File, Source, wav_members
from src.data.mel import log_mel, mfcc
from src.data.module import FileSet, checksum
from src.data.splits import held_out
from src.data.waveform import WaveformData

RATE = 8000
FSDD = File(
    "fsdd/v1.0.10.tar.gz",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
    "sha256-recordings:04d42ab861e5581bde96f8a494fcdc2d1fa7a3775b75716e2aced3f075ca8689",
)
FEATURES: dict[str, Callable[[Tensor, int], Tensor]] = {"log_mel": log_mel, "mfcc": mfcc}


def _source(task: str) -> Source:
    page = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    return Source(task, "3,000 recordings, 22 minutes", "CC BY-SA 4.0", page, (FSDD,))


@dataclass(frozen=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    index: int  # number of the speaker's recording of this digit, from 0
    samples: np.ndarray  # (samples,) int16, 8,000 a second

    @property
    def test(self) -> bool:
        """Whether it belongs to the test set."""
        return self.index < 5


def recordings(archive: Path) -> list[Recording]:
    """Read all recordings of the archive, sorted by digit, speaker and index.

    Raises:
        UserError: a recording has an unexpected format.
    """
    from scipy.io import wavfile

    spoken = []
    for name, content in wav_members(archive):
        digit, speaker, index = name.removesuffix(".wav").split("_")
        rate, samples = wavfile.read(BytesIO(content))
        if rate != RATE or samples.dtype != np.int16 or samples.ndim != 1:
            raise UserError(f"{name} in {archive} must be mono, 16 bit, 8 kHz, got {rate} Hz and type {samples.dtype}.")
        spoken.append(Recording(int(digit), speaker, int(index), samples.copy()))
    return sorted(spoken, key=lambda r: (r.digit, r.speaker, r.index))


class SpokenDigits(FileSet):
    """Classify spoken digits: a sequence of spectra, one every 10 ms, into ten classes.

    Spectra are ``log_mel`` (log energy in 40 mel bands) or ``mfcc`` (13 of its cosine coefficients).
    Validation is held out from the training recordings of each digit and speaker.
    """

    sources: ClassVar[dict[str, Source]] = {"fsdd": _source("classification")}

    def __init__(self, *, features: str = "log_mel", val_fraction: float = 0.1, **keywords: Any) -> None:
        super().__init__(**keywords)
        if features not in [*FEATURES]:  # a list, which the key may also be, has no hash
            raise UserError(f"data.features must be one of {', '.join(FEATURES)}, got {features}.")
        self.features, self.val_fraction = features, val_fraction

    def read(self) -> Description:
        """Compute the features or read them from the cache, and hold out validation from the training recordings."""
        archive = self.fetch(FSDD)
        cached = self.cached(f"fsdd/{self.features}-{FSDD.digest[-12:]}", lambda: self._compute(archive))
        arrays = {key: torch.from_numpy(array) for key, array in cached.items()}
        self.checksum = checksum(FSDD.digest, self.features)
        rest = (~arrays["test"]).nonzero().flatten()
        # One class per pair of digit and speaker, so that training and validation both have all of them.
        pairs = arrays["digits"] * 1000 + arrays["speakers"]
        train, val = held_out(pairs[rest], self.val_fraction, self.split_seed)
        rows = {"train": rest[train], "val": rest[val], "test": arrays["test"].nonzero().flatten()}
        self.items = {split: of.numpy() for split, of in rows.items()}
        spoken = Classified(arrays["values"], arrays["lengths"], arrays["digits"])
        return classification(self, {split: spoken.take(of) for split, of in rows.items()}, "0123456789")

    def _compute(self, archive: Path) -> dict[str, np.ndarray]:
        spoken = recordings(archive)
        compute = FEATURES[self.features]
        tables = [compute(torch.from_numpy(r.samples).float() / 2**15, RATE).numpy() for r in spoken]
        return {
            "values": np.concatenate(tables),
            "lengths": np.array([len(table) for table in tables]),
            "digits": np.array([r.digit for r in spoken]),
            "speakers": np.unique([r.speaker for r in spoken], return_inverse=True)[1],
            "test": np.array([r.test for r in spoken]),
        }


class SpokenDigitsWaveform(FileSet, WaveformData):
    """The recordings modelled sample by sample; validation is held out as in :class:`SpokenDigits`."""

    sources: ClassVar[dict[str, Source]] = {"fsdd_waveform": _source("waveform modelling")}

    def __init__(self, *, val_fraction: float = 0.1, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.val_fraction = val_fraction

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """Return the samples of each recording, by split."""
        self.checksum, self.rate = checksum("waveform", FSDD.digest), RATE
        spoken = recordings(self.fetch(FSDD))
        speakers = sorted({r.speaker for r in spoken})
        test = torch.tensor([r.test for r in spoken])
        rest = (~test).nonzero().flatten()
        strata = torch.tensor([r.digit * len(speakers) + speakers.index(r.speaker) for r in spoken])
        train, val = held_out(strata[rest], self.val_fraction, self.split_seed)
        rows = {"train": rest[train], "val": rest[val], "test": test.nonzero().flatten()}
        self.items = {split: of.numpy() for split, of in rows.items()}
        return {split: [spoken[i].samples for i in of.tolist()] for split, of in rows.items()}
