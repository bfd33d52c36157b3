"""The user's own WAV files: modelled sample by sample, or classified by their folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError, counted
from src.data.baselines import majority
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.mel import log_mel
from src.data.module import NewData, checksum
from src.data.splits import SPLITS, by_fraction, by_position, check_fractions, named_splits
from src.data.waveform import FULL_SCALE, WaveformData, read_wav_folder

TASKS = ("waveform", "classification")
SILENT = 1e-4  # standard deviation of a band, in nats, below which it is uninformative


class WavFolder(WaveformData):
    """The user's own WAV files: modelled sample by sample, or classified by their folder.

    Each file belongs entirely to train, val or test: by the names of folders or files if they state it (see
    :func:`~src.data.splits.named_splits`), otherwise at random; a single file is cut by position. The class of a file
    is the name of its folder; classification reads whole recordings as log-mel spectra, one every 10 ms, whatever
    ``chunk`` is.
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
            raise UserError(f"data.task must be one of {', '.join(TASKS)}, got {task}.")
        check_fractions(splits)
        self.path, self.task, self.fractions = Path(path).expanduser(), task, splits

    def read(self) -> Description:
        """Read all files and describe the data for the task."""
        return super().read() if self.task == "waveform" else self._to_classify()

    def recordings(self) -> dict[str, list[np.ndarray]]:
        """Return the samples of each file by split; the item is its name, or for a single file the first sample."""
        recordings = self._read()
        if self.path.is_file():
            (samples,) = recordings.values()
            pieces = by_position(samples, self.fractions)
            begin = 0
            for split in SPLITS:
                self.check_length(f"The {split} split of {self.path}", pieces[split])
                self.items[split] = np.array([begin])
                begin += len(pieces[split])
            return {split: [pieces[split]] for split in SPLITS}
        for file, samples in recordings.items():
            self.check_length(file, samples)
        files = list(recordings)
        files_of = named_splits(self.path, files) or by_fraction(files, self.fractions, self.split_seed)
        self.items = self._names(files_of)
        return {split: [recordings[file] for file in files_of[split]] for split in SPLITS}

    def _to_classify(self) -> Description:
        if self.path.is_file():
            raise UserError(
                f"data.path={self.path} is one file, but classification needs a folder with a sub-folder per class."
            )
        recordings = self._read()
        for file in recordings:
            if file.parent == self.path:
                raise UserError(f"{file} must be in a sub-folder of data.path named after its class.")
        names = tuple(sorted({file.parent.name for file in recordings}))
        if len(names) < 2:
            raise UserError(f"All files of {self.path} have the class {names[0]}: there must be at least two.")
        files_of = named_splits(self.path, list(recordings)) or self._by_class(list(recordings), names)
        if missing := {*names} - {file.parent.name for file in files_of["train"]}:
            raise UserError(
                f"The class {min(missing)} of {self.path} has no file in train: the class of a file is the name of its "
                "folder, as in train/CLASS/FILE.wav."
            )
        self.items = self._names(files_of)
        tables = {file: self._spectra(samples) for file, samples in recordings.items()}
        seen = torch.cat([tables[file] for file in files_of["train"]])
        spread = seen.std(0, correction=0)
        # A silent band would be divided by almost zero.
        self.mean, self.scale = seen.mean(0), torch.where(spread > SILENT, spread, 1.0)
        labels = {s: torch.tensor([names.index(file.parent.name) for file in files_of[s]]) for s in SPLITS}
        for split in SPLITS:
            self.splits[split] = self._classed([tables[file] for file in files_of[split]], labels[split])
        self.find_leaked({split: [recordings[file] for file in files_of[split]] for split in SPLITS})
        self.measure_baselines(lambda split: majority(labels["train"], labels[split], len(names)))
        return Description(Features(len(self.mean)), Classes(names), per_step=False, varying_length=True, causal=False)

    def new_data(self, path: str) -> NewData:
        """Read WAV files with the same sampling rate; labelled if all are in folders named after classes."""
        if self.task == "waveform":
            return super().new_data(path)
        names = self.description.output.names  # type: ignore[union-attr]
        _, recordings = read_wav_folder(Path(path).expanduser(), self.rate)
        folders = [Path(name).parent.name for name in recordings]
        labelled = all(folder in names for folder in folders)
        labels = torch.tensor([names.index(folder) if labelled else 0 for folder in folders])
        split = self._classed([self._spectra(samples) for samples in recordings.values()], labels)
        return NewData(split, list(recordings), labelled)

    def _spectra(self, samples: np.ndarray) -> Tensor:
        return log_mel(torch.from_numpy(samples).float() / FULL_SCALE, self.rate)

    def _classed(self, tables: list[Tensor], labels: Tensor) -> FlatSplit:
        lengths = torch.tensor([len(table) for table in tables])
        return FlatSplit((torch.cat(tables) - self.mean) / self.scale, lengths, labels)

    def _by_class(self, files: list[Path], names: tuple[str, ...]) -> dict[str, list[Path]]:
        files_of: dict[str, list[Path]] = {split: [] for split in SPLITS}
        for label, name in enumerate(names):
            members = [file for file in files if file.parent.name == name]
            if len(members) < len(SPLITS):
                raise UserError(
                    f"Class {name} of {self.path} has {counted(len(members), 'file')}, but needs at least 3."
                )
            for split, some in by_fraction(members, self.fractions, self.split_seed, label).items():
                files_of[split] += some
        return files_of

    def _names(self, files_of: dict[str, list[Path]]) -> dict[str, np.ndarray]:
        return {s: np.array([str(file.relative_to(self.path)) for file in files]) for s, files in files_of.items()}

    def _read(self) -> dict[Path, np.ndarray]:
        self.rate, recordings = read_wav_folder(self.path)
        self.notes["sampling_rate"] = self.rate
        sums = (checksum(name, samples.tobytes()) for name, samples in recordings.items())
        self.checksum = checksum(str(self.rate), *sums)
        return {self.path / name: samples for name, samples in recordings.items()}
