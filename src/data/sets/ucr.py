"""The UCR/UEA archive of time series to classify, by name, read through sktime.

Dau et al. 2019 (UCR), Bagnall et al. 2018 (UEA). JapaneseVowels (640 utterances of 9 speakers, 12 LPC cepstra a step,
7 to 29 steps; Kudo et al. 1999) comes inside sktime's wheel; other sets are downloaded by sktime when first asked for.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.download import Source
from src.data.module import SequenceData, checksum, stratified
from src.files import write_atomically


class UCR(SequenceData):
    """A set of the archive with its official train/test split; validation is cut from train, stratified, by seed.

    >>> # python -m src.train data=ucr data.name=BasicMotions

    Args:
        name: the set's name in the archive.
        val_fraction: share of the training set that becomes the validation set.
        standardise: shift and scale each feature by its mean and standard deviation on the training part.
        cache_dir: where a parsed copy is kept (the archive's text files are slow to read).
        data_dir: where sktime keeps the sets that it downloads, in the folder ``ucr``.
        keywords: see :class:`~src.data.module.SequenceData`.
    """

    sources: ClassVar[dict[str, Source]] = {
        "ucr": Source(
            task="classification",
            size="by data.name, 150 sets and more",
            licence="by set",
            page="https://www.timeseriesclassification.com",
        )
    }

    def __init__(
        self,
        *,
        name: str = "JapaneseVowels",
        val_fraction: float = 0.2,
        standardise: bool = True,
        data_dir: str,
        cache_dir: str,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.name, self.val_fraction, self.standardise = name, val_fraction, standardise
        self.data_dir, self.cache_dir = Path(data_dir), Path(cache_dir)

    def read(self) -> Description:
        """Read the set and cut validation off the training part."""
        arrays = _cached(self.name, self.data_dir, self.cache_dir)
        self.checksum = checksum(*(arrays[key].tobytes() for key in sorted(arrays)))
        names = tuple(str(n) for n in arrays["names"])
        parts = {
            part: (
                torch.from_numpy(arrays[f"{part}_values"]),
                torch.from_numpy(arrays[f"{part}_lengths"]),
                torch.from_numpy(arrays[f"{part}_labels"]),
            )
            for part in ("train", "test")
        }
        values, lengths, labels = parts["train"]
        train, val = stratified(labels, self.val_fraction, self.seed)
        taken = {"train": select(values, lengths, labels, train), "val": select(values, lengths, labels, val)}
        taken["test"] = parts["test"]
        mean, scale = torch.zeros(values.shape[1]), torch.ones(values.shape[1])
        if self.standardise:
            seen = taken["train"][0]
            mean, scale = seen.mean(0), seen.std(0, correction=0).clamp_min(1e-8)
        for split, (x, n, y) in taken.items():
            self.splits[split] = FlatSplit((x - mean) / scale, n, y)
        self.baselines = majority(taken["train"][2], taken["test"][2], len(names))
        all_lengths = torch.cat([parts["train"][1], parts["test"][1]])
        return Description(
            input=Features(values.shape[1]),
            output=Classes(names),
            per_step=False,
            varying_length=bool(all_lengths.min() < all_lengths.max()),
            causal=False,
        )


def select(values: Tensor, lengths: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Some of the sequences that lie end to end in ``values``: the same three arrays, of ``rows`` only."""
    pieces = values.split(lengths.tolist())
    return torch.cat([pieces[i] for i in rows.tolist()]), lengths[rows], labels[rows]


def majority(train: Tensor, test: Tensor, classes: int) -> dict[str, float]:
    """Accuracy and NLL on ``test`` of always saying ``train``'s class frequencies (one half added to each count)."""
    counts = torch.bincount(train, minlength=classes).double() + 0.5
    log_p = (counts / counts.sum()).log()
    return {
        "majority/acc": float((test == counts.argmax()).double().mean()),
        "majority/nll": float(-log_p[test].mean()),
    }


def _cached(name: str, data_dir: Path, cache_dir: Path) -> dict[str, np.ndarray]:
    file = cache_dir / "ucr" / f"{name}.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    arrays = _parse(name, data_dir)
    write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
    return arrays


def _parse(name: str, data_dir: Path) -> dict[str, np.ndarray]:
    from sktime.datasets import load_UCR_UEA_dataset

    bundled = _bundled()
    if name not in bundled and name not in (known := _archive()):
        near = difflib.get_close_matches(name, known, n=1)
        raise UserError(
            f"data.name={name} is not in the UCR/UEA archive{f' (did you mean {near[0]}?)' if near else ''}: it must "
            f"be a name listed at timeseriesclassification.com, e.g. {', '.join(bundled)}."
        )
    parts: dict[str, tuple[Any, Any]] = {}
    for part in ("train", "test"):
        try:
            folder = None if name in bundled else str(data_dir / "ucr")
            parts[part] = load_UCR_UEA_dataset(name, split=part, return_type="df-list", extract_path=folder)
        except Exception as error:
            raise UserError(
                f"data.name={name} could not be downloaded ({type(error).__name__}): put {name}_TRAIN.ts and "
                f"{name}_TEST.ts from timeseriesclassification.com into {data_dir / 'ucr' / name}, or take a set that "
                f"sktime brings along ({', '.join(bundled)})."
            ) from error
    names = np.unique(np.concatenate([np.asarray(y, dtype=str) for _, y in parts.values()]))
    arrays: dict[str, np.ndarray] = {"names": names}
    for part, (series, y) in parts.items():
        tables = [s.to_numpy(dtype=np.float32) for s in series]
        # Sets of unequal length come padded with NaN at the end; a NaN inside is a missing value, which we refuse.
        tables = [t[: len(t) - int(np.isnan(t).all(1)[::-1].cumprod().sum())] for t in tables]
        for i, table in enumerate(tables):
            if np.isnan(table).any() or not len(table):
                raise UserError(f"Sequence {i} of {name} ({part}) has missing values, which no network here can read.")
        arrays[f"{part}_values"] = np.concatenate(tables)
        arrays[f"{part}_lengths"] = np.array([len(t) for t in tables])
        arrays[f"{part}_labels"] = np.searchsorted(names, np.asarray(y, dtype=str))
    return arrays


def _bundled() -> list[str]:
    """The sets of the archive inside sktime's wheel."""
    import sktime.datasets

    folder = Path(sktime.datasets.__file__).parent / "data"
    return sorted(p.name for p in folder.iterdir() if (p / f"{p.name}_TRAIN.ts").exists())


def _archive() -> list[str]:
    """All names of the archive that sktime knows."""
    from sktime.datasets import tsc_dataset_names

    return sorted({*tsc_dataset_names.univariate, *tsc_dataset_names.multivariate})
