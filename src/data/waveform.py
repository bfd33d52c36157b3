"""Sound waves: the next samples from all before them, or one class for each recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config import Mistake
from src.data.batches import Chunk, FlatSplit
from src.data.describe import Classes, Description, Features, Values
from src.data.files import Source, fetch
from src.data.folders import PARTS, by_fraction, by_position, check_splits, find_files, named_parts
from src.data.mel import log_mel
from src.data.module import SequenceData, checksum, stratified
from src.data.speech import FSDD, recordings
from src.data.ucr import majority
from src.data.wav import FULL_SCALE, read_wavs

TASKS = ("waveform", "classification")


class FrameSplit(FlatSplit):
    """Recordings as blocks of ``hop`` samples: step t reads ``window`` samples from sample t*hop on, predicts the next.

    >>> split = FrameSplit([np.arange(70, dtype=np.int16)], window=20, hop=10, mean=0.0, scale=1.0)
    >>> batch = split[torch.tensor([0])]
    >>> batch.lengths.item(), batch.x[0, 1, [0, -1]].tolist(), batch.y[0, 1, [0, -1]].tolist()
    (5, [10.0, 29.0], [30.0, 39.0])

    The first ``window`` samples of a recording are never predicted, nor are those after its last whole block.

    Args:
        recordings: (samples,) each, int16 or float32; kept as they are.
        window: samples read at a step, a multiple of ``hop``.
        hop: samples predicted at a step, and samples from one step to the next.
        mean: what is subtracted from every sample.
        scale: what every sample is then divided by.
    """

    def __init__(self, recordings: Sequence[np.ndarray], *, window: int, hop: int, mean: float, scale: float) -> None:
        lengths = torch.tensor([len(samples) // hop for samples in recordings])
        whole = [samples[: len(samples) // hop * hop] for samples in recordings]
        blocks = torch.from_numpy(np.concatenate(whole)).view(-1, hop)
        self.mean, self.scale = mean, scale
        super().__init__(blocks, lengths, blocks, per_step=True, shift=window // hop)

    def inputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """(batch, time, window) standardised samples."""
        return self._standardised(where[..., None] + torch.arange(self.shift), inside).flatten(2)

    def outputs(self, where: Tensor, inside: Tensor) -> Tensor:
        """(batch, time, hop) standardised samples."""
        return self._standardised(where, inside)

    def _standardised(self, where: Tensor, inside: Tensor) -> Tensor:
        out = (self.values[where].float() - self.mean) / self.scale
        return out * inside.view(*inside.shape, *[1] * (out.dim() - 2))


class WaveformData(SequenceData):
    """Recordings to be modelled sample by sample; subclasses say which in :meth:`recordings`.

    Args:
        window: samples read at each step, a multiple of ``hop``.
        hop: samples predicted at each step, and samples from one step to the next.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    def __init__(self, *, window: int = 20, hop: int = 10, **keywords: Any) -> None:
        super().__init__(**keywords)
        if hop < 1 or window < hop or window % hop:
            raise Mistake(
                f"data.window={window} and data.hop={hop} do not go together: the window must be a multiple of the hop."
            )
        self.window, self.hop = window, hop

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """The samples of each recording, by part; sets the checksum."""
        raise NotImplementedError

    def read(self) -> Description:
        """Standardise by the training samples, cut into steps, fit the baselines."""
        return self._to_model(self.recordings())

    def _to_model(self, found: dict[str, list[np.ndarray]]) -> Description:
        mean, scale = mean_and_scale(found["train"])
        if scale == 0:
            raise Mistake(
                "The training recordings are silent: all their samples are the same, so nothing can be learned."
            )
        for part in PARTS:
            self.splits[part] = FrameSplit(found[part], window=self.window, hop=self.hop, mean=mean, scale=scale)
            self.notes[f"{part}/samples"] = sum(map(len, found[part]))
        self.baselines = baselines(self.splits["train"], self.splits["test"])  # type: ignore[arg-type]
        output = Values(self.hop, mean=(mean,) * self.hop, scale=(scale,) * self.hop)
        return Description(Features(self.window), output, per_step=True, varying_length=True, causal=True)

    def check_length(self, name: str | Path, samples: np.ndarray) -> None:
        """Refuse a recording without a single step."""
        if len(samples) < self.window + self.hop:
            raise Mistake(
                f"{name} has {len(samples)} samples, but data.window={self.window} and data.hop={self.hop} need at "
                f"least {self.window + self.hop}."
            )


class WavFolder(WaveformData):
    """WAV files of one's own: modelled sample by sample, or classified by the folder they lie in.

    Each file belongs to train, val or test as a whole: by the names of folders or files, where these say so (see
    :func:`~src.data.folders.named_parts`), else by chance; a single file is cut by position. The class of a file is
    the name of the folder that it lies in.

    >>> # python -m src.train data=wav_folder data.path=recordings
    >>> # python -m src.train data=wav_folder data.path=words data.task=classification

    Args:
        path: a folder with .wav files in it or below it, or (for ``waveform``) one file.
        task: ``waveform`` or ``classification`` (of log-mel spectra, one every 10 ms).
        splits: fractions for train, val and test; for classification of each class.
        chunk: steps of a batch in waveform modelling; classification always reads whole recordings.
        keywords: see :class:`WaveformData`.
    """

    def __init__(
        self,
        *,
        path: str,
        task: str = "waveform",
        splits: Sequence[float] = (0.8, 0.1, 0.1),
        chunk: int | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(chunk=chunk if task == "waveform" else None, **keywords)
        if task not in TASKS:
            raise Mistake(f"data.task={task} is unknown: it must be one of {', '.join(TASKS)}.")
        check_splits(splits)
        self.path, self.task, self.splits_wanted = Path(path).expanduser(), task, splits

    def read(self) -> Description:
        """Read all files and describe what is asked for."""
        return super().read() if self.task == "waveform" else self._to_classify()

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """The samples of each file, by part."""
        if self.path.is_file():
            _, (samples,) = self._read([self.path])
            cut = by_position(samples, self.splits_wanted)  # type: ignore[arg-type]
            parts = {part: [np.asarray(cut[part])] for part in PARTS}
            for part in PARTS:
                self.check_length(f"The {part} part of {self.path}", parts[part][0])
            return parts
        files = find_files(self.path, ".wav")
        chosen = named_parts(self.path, files) or by_fraction(files, self.splits_wanted, self.seed)
        _, found = self._read(files)
        samples_of = dict(zip(files, found, strict=True))
        for file, samples in samples_of.items():
            self.check_length(file, samples)
        return {part: [samples_of[file] for file in chosen[part]] for part in PARTS}

    def _to_classify(self) -> Description:
        files = find_files(self.path, ".wav")
        for file in files:
            if file.parent == self.path:
                raise Mistake(f"{file} lies in no sub-folder of data.path, whose name would be its class.")
        names = tuple(sorted({file.parent.name for file in files}))
        label_of = {file: names.index(file.parent.name) for file in files}
        chosen = named_parts(self.path, files) or self._by_class(files, label_of, names)
        rate, found = self._read(files)
        features = {
            file: log_mel(torch.from_numpy(samples).float() / FULL_SCALE, rate)
            for file, samples in zip(files, found, strict=True)
        }
        seen = torch.cat([features[file] for file in chosen["train"]])
        mean, scale = seen.mean(0), seen.std(0, correction=0).clamp_min(1e-8)
        labels = {part: torch.tensor([label_of[file] for file in chosen[part]]) for part in PARTS}
        for part in PARTS:
            tables = [features[file] for file in chosen[part]]
            lengths = torch.tensor([len(table) for table in tables])
            self.splits[part] = FlatSplit((torch.cat(tables) - mean) / scale, lengths, labels[part])
        self.baselines = majority(labels["train"], labels["test"], len(names))
        return Description(Features(len(mean)), Classes(names), per_step=False, varying_length=True, causal=False)

    def _by_class(self, files: list[Path], label_of: dict[Path, int], names: tuple[str, ...]) -> dict[str, list[Path]]:
        parts: dict[str, list[Path]] = {part: [] for part in PARTS}
        for label, name in enumerate(names):
            members = [file for file in files if label_of[file] == label]
            if len(members) < len(PARTS):
                raise Mistake(f"Class {name} of {self.path} has {len(members)} files: at least 3 are needed.")
            for part, some in by_fraction(members, self.splits_wanted, self.seed, label).items():
                parts[part] += some
        return parts

    def _read(self, files: Sequence[Path]) -> tuple[int, list[np.ndarray]]:
        rate, found = read_wavs(files)
        self.notes["sampling_rate"] = rate
        sums = (checksum(str(f.relative_to(self.path)), s.tobytes()) for f, s in zip(files, found, strict=True))
        self.checksum = checksum(str(rate), *sums)
        return rate, found


class SpokenDigitsWaveform(WaveformData):
    """The recordings of the Free Spoken Digit Dataset, modelled sample by sample; recordings 0 to 4 are the test set.

    >>> # python -m src.train data=fsdd_waveform

    Args:
        val_fraction: share of the training recordings, of each digit and speaker, that becomes the validation set.
        data_dir: the folder of all data sets; the archive is looked for, or downloaded to, its folder ``fsdd``.
        cache_dir: where verified files are remembered.
        keywords: see :class:`WaveformData`.
    """

    sources: ClassVar[dict[str, Source]] = {
        "fsdd_waveform": Source(
            "waveform modelling",
            "3,000 recordings, 22 minutes",
            "CC BY-SA 4.0",
            "https://github.com/Jakobovski/free-spoken-digit-dataset",
            (FSDD,),
        )
    }

    def __init__(self, *, val_fraction: float = 0.1, data_dir: str, cache_dir: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.val_fraction, self.data_dir, self.cache_dir = val_fraction, data_dir, cache_dir

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """The samples of each recording, by part."""
        self.checksum = checksum("waveform", FSDD.digest)
        found = list(recordings(fetch(FSDD, self.data_dir, self.cache_dir)))
        speakers = sorted({r.speaker for r in found})
        rest = [r for r in found if not r.test]
        strata = torch.tensor([r.digit * len(speakers) + speakers.index(r.speaker) for r in rest])
        train, val = stratified(strata, self.val_fraction, self.seed)
        parts = {"train": [rest[i] for i in train.tolist()], "val": [rest[i] for i in val.tolist()]}
        parts["test"] = [r for r in found if r.test]
        return {part: [r.samples for r in members] for part, members in parts.items()}


def mean_and_scale(recordings: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean and standard deviation (divided by n) of all samples, in float64."""
    number = sum(map(len, recordings))
    mean = sum(float(samples.sum(dtype=np.float64)) for samples in recordings) / number
    squares = sum(float(np.square(samples - mean, dtype=np.float64).sum()) for samples in recordings)
    return mean, math.sqrt(squares / number)


# -------------------------------------------------------------------------------------------------------- baselines


def baselines(train: FrameSplit, test: FrameSplit) -> dict[str, float]:
    """NLL in nats per step of knowing nothing of the past (``gaussian``), or only a linear prediction (``linear``).

    Both are normal densities, one for each of the predicted samples, whose means and variances maximise the likelihood
    of ``train``: constant means, or means that are linear in the samples read (least squares).
    """
    moments: Tensor | float = 0.0
    for z in _steps(train):
        moments = moments + z.T @ z
    assert isinstance(moments, Tensor)
    inputs = len(moments) - train.values.shape[1]
    out = {}
    for name, known in (("gaussian", slice(inputs - 1, inputs)), ("linear", slice(0, inputs))):
        gram, cross = moments[known, known], moments[known, inputs:]
        weights = torch.linalg.lstsq(gram, cross, driver="gelsd").solution
        variance = (moments[inputs:, inputs:].diagonal() - (weights * cross).sum(0)) / moments[inputs - 1, inputs - 1]
        variance = variance.clamp_min(1e-12)
        nll, steps = 0.0, 0
        for z in _steps(test):
            error = z[:, inputs:] - z[:, known] @ weights
            nll += float(0.5 * (error.square() / variance + (2 * math.pi * variance).log()).sum())
            steps += len(z)
        out[f"{name}/nll"] = nll / steps
    return out


def _steps(split: FrameSplit, at_once: int = 2**15) -> Iterator[Tensor]:
    """All steps of a split in parts of (steps, window + 1 + hop), float64: the samples read, a one, the targets."""
    for row, length in enumerate(split.lengths.tolist()):
        for offset in range(0, length, at_once):
            number = min(at_once, length - offset)
            index = torch.tensor([[row], [row], [offset], [number], [offset == 0]])
            batch = split[Chunk(*index)]
            x, y = batch.x[0].double(), batch.y[0].double()
            yield torch.cat([x, torch.ones(number, 1, dtype=torch.float64), y], dim=1)
