"""The Free Spoken Digit Dataset: 3,000 recordings of six speakers saying 0 to 9, 8 kHz.

Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset, v1.0.10. Recordings 0 to 4 of each speaker and digit
are the test set, as its authors have it, so that all speakers stand in both parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.download import File, Source, fetch, tar_members
from src.data.mel import log_mel, mfcc
from src.data.module import SequenceData, checksum, stratified
from src.data.sets.ucr import majority, select
from src.files import write_atomically

RATE = 8000
FSDD = File(
    "fsdd/v1.0.10.tar.gz",
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
    "sha256-recordings:04d42ab861e5581bde96f8a494fcdc2d1fa7a3775b75716e2aced3f075ca8689",
)
FEATURES = ("log_mel", "mfcc")


@dataclass(frozen=True)
class Recording:
    """One spoken digit.

    Args:
        digit: what is said.
        speaker: who says it.
        index: which of the speaker's recordings of this digit, from 0.
        samples: (samples,) whole numbers of 16 bits, 8,000 a second.
    """

    digit: int
    speaker: str
    index: int
    samples: np.ndarray

    @property
    def test(self) -> bool:
        """Whether it belongs to the test set."""
        return self.index < 5


class SpokenDigits(SequenceData):
    """Which digit is said: a sequence of spectra, one every 10 ms, to one of ten classes.

    >>> # python -m src.train data=fsdd data.features=mfcc

    Args:
        features: ``log_mel`` (logarithm of the energy in 40 mel bands) or ``mfcc`` (13 of its cosine coefficients).
        val_fraction: share of the training recordings, of each digit and speaker, that becomes the validation set.
        data_dir: the folder of all data sets; the archive is looked for, or downloaded to, its folder ``fsdd``.
        cache_dir: where the features are kept once computed.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    sources: ClassVar[dict[str, Source]] = {
        "fsdd": Source(
            "classification",
            "3,000 recordings, 22 minutes",
            "CC BY-SA 4.0",
            "https://github.com/Jakobovski/free-spoken-digit-dataset",
            (FSDD,),
        )
    }

    def __init__(
        self, *, features: str = "log_mel", val_fraction: float = 0.1, data_dir: str, cache_dir: str, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        if features not in FEATURES:
            raise UserError(f"data.features={features} is unknown: it must be one of {', '.join(FEATURES)}.")
        self.features, self.val_fraction = features, val_fraction
        self.data_dir, self.cache_dir = data_dir, Path(cache_dir)

    def read(self) -> Description:
        """Compute the features, or take them from the cache, and cut validation off the training recordings."""
        archive = fetch(FSDD, self.data_dir, self.cache_dir)
        arrays = self._cached(archive)
        self.checksum = checksum(FSDD.digest, self.features)
        values, lengths, digits = (torch.from_numpy(arrays[key]) for key in ("values", "lengths", "digits"))
        test = torch.from_numpy(arrays["test"])
        rest = (~test).nonzero().flatten()
        # One class for each pair of digit and speaker, so that all of them are heard in training and in validation.
        train, val = stratified(
            (digits * 1000 + torch.from_numpy(arrays["speakers"]))[rest], self.val_fraction, self.seed
        )
        rows = {"train": rest[train], "val": rest[val], "test": test.nonzero().flatten()}
        taken = {split: select(values, lengths, digits, of) for split, of in rows.items()}
        mean, scale = taken["train"][0].mean(0), taken["train"][0].std(0, correction=0)
        for split, (x, n, y) in taken.items():
            self.splits[split] = FlatSplit((x - mean) / scale, n, y)
        self.baselines = majority(taken["train"][2], taken["test"][2], 10)
        names = tuple(str(digit) for digit in range(10))
        return Description(Features(values.shape[1]), Classes(names), per_step=False, varying_length=True, causal=False)

    def _cached(self, archive: Path) -> dict[str, np.ndarray]:
        file = self.cache_dir / "fsdd" / f"{self.features}-{FSDD.digest[-12:]}.npz"
        if file.exists():
            with np.load(file, allow_pickle=False) as found:
                return dict(found)
        arrays = _featurise(list(recordings(archive)), self.features)
        write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
        return arrays


def recordings(archive: Path) -> Iterator[Recording]:
    """All recordings of the archive, by digit, speaker and index."""
    from scipy.io import wavfile

    found = []
    for name, content in tar_members(archive, ".wav"):
        digit, speaker, index = name.removesuffix(".wav").split("_")
        rate, samples = wavfile.read(BytesIO(content))
        if rate != RATE or samples.dtype != np.int16 or samples.ndim != 1:
            raise UserError(
                f"{name} in {archive} has {rate} Hz and type {samples.dtype}: it must be mono, 16 bit, 8 kHz."
            )
        found.append(Recording(int(digit), speaker, int(index), samples.copy()))
    yield from sorted(found, key=lambda r: (r.digit, r.speaker, r.index))


def _featurise(found: list[Recording], features: str) -> dict[str, np.ndarray]:
    compute: Callable[[Tensor, int], Tensor] = {"log_mel": log_mel, "mfcc": mfcc}[features]  # type: ignore[assignment]
    tables = [compute(torch.from_numpy(r.samples).float() / 2**15, RATE).numpy() for r in found]
    speakers = sorted({r.speaker for r in found})
    return {
        "values": np.concatenate(tables),
        "lengths": np.array([len(table) for table in tables]),
        "digits": np.array([r.digit for r in found]),
        "speakers": np.array([speakers.index(r.speaker) for r in found]),
        "test": np.array([r.test for r in found]),
    }
