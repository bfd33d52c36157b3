"""Time series classification from the UCR/UEA archive, by name, read through sktime.

Dau et al. 2019 (UCR), Bagnall et al. 2018 (UEA). JapaneseVowels (640 utterances of 9 speakers, 12 LPC cepstra a step,
7 to 29 steps; Kudo et al. 1999) is part of sktime's wheel; sktime downloads other sets on first use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from src.config.errors import UserError, nearest
from src.config.places import is_name
from src.data.classification import Classified, classification
from src.data.describe import Description
from src.data.download import Source
from src.data.module import FileSet, checksum
from src.data.splits import held_out


class UCR(FileSet):
    """A set of the archive with its official train/test split; validation is held out from train, class by class."""

    sources: ClassVar[dict[str, Source]] = {
        "ucr": Source(
            task="classification",
            size="more than 150 sets, by data.name",
            licence="by set",
            page="https://www.timeseriesclassification.com",
        )
    }

    def __init__(
        self, *, name: str = "JapaneseVowels", val_fraction: float = 0.2, standardise: bool = True, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        if not is_name(name):
            raise UserError(f"data.name must be the name of a set in the archive, such as JapaneseVowels, got {name}.")
        self.name, self.val_fraction, self.standardise = name, val_fraction, standardise

    def read(self) -> Description:
        """Read the set and hold out validation from the training sequences."""
        # The archive's text files are slow to read.
        arrays = self.cached(f"ucr/{self.name}", lambda: _parse(self.name, self.data_dir / "ucr"))
        self.checksum = checksum(*(arrays[key].tobytes() for key in sorted(arrays)))
        official = {
            split: Classified(
                *(torch.from_numpy(arrays[f"{split}_{kind}"]) for kind in ("values", "lengths", "labels"))
            )
            for split in ("train", "test")
        }
        train, val = held_out(official["train"].labels, self.val_fraction, self.split_seed)
        sequences = {"train": official["train"].take(train), "val": official["train"].take(val)}
        sequences["test"] = official["test"]
        test = np.arange(len(official["test"].labels))
        self.items = {"train": train.numpy(), "val": val.numpy(), "test": test}
        return classification(self, sequences, arrays["names"].tolist(), standardise=self.standardise)


def _parse(name: str, folder: Path) -> dict[str, np.ndarray]:
    from sktime.datasets import load_UCR_UEA_dataset, tsc_dataset_names

    bundled = _bundled()
    known = sorted({*tsc_dataset_names.univariate, *tsc_dataset_names.multivariate})
    if name not in bundled and name not in known:
        raise UserError(
            f"data.name={name} is not in the UCR/UEA archive{nearest(name, known)}: use a name listed at "
            f"timeseriesclassification.com, e.g. {', '.join(bundled)}."
        )
    read: dict[str, tuple[Any, np.ndarray]] = {}
    for split in ("train", "test"):
        try:
            path = None if name in bundled else str(folder)
            series, labels = load_UCR_UEA_dataset(name, split=split, return_type="df-list", extract_path=path)
        except Exception as error:
            raise UserError(
                f"data.name={name} could not be downloaded ({type(error).__name__}): put {name}_TRAIN.ts and "
                f"{name}_TEST.ts from timeseriesclassification.com into {folder / name}, or use a set that "
                f"comes with sktime ({', '.join(bundled)})."
            ) from error
        read[split] = series, np.asarray(labels, dtype=str)
    names = np.unique(np.concatenate([labels for _, labels in read.values()]))
    arrays = {"names": names}
    for split, (series, labels) in read.items():
        tables = [s.to_numpy(dtype=np.float32) for s in series]
        # Sequences of unequal length are padded with NaN at the end; any other NaN is a missing value, which we refuse.
        tables = [t[: len(t) - int(np.isnan(t).all(1)[::-1].cumprod().sum())] for t in tables]
        for i, table in enumerate(tables):
            if np.isnan(table).any() or not len(table):
                raise UserError(f"Sequence {i} of {name} ({split}) has missing values, which no network here can read.")
        arrays[f"{split}_values"] = np.concatenate(tables)
        arrays[f"{split}_lengths"] = np.array([len(t) for t in tables])
        arrays[f"{split}_labels"] = np.searchsorted(names, labels)
    return arrays


def _bundled() -> list[str]:
    """List the sets of the archive in sktime's wheel."""
    import sktime.datasets

    folder = Path(sktime.datasets.__file__).parent / "data"
    return sorted(p.name for p in folder.iterdir() if (p / f"{p.name}_TRAIN.ts").exists())
