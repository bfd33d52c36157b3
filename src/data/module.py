"""The base class of data sets: a data module that describes itself, splits the data and provides loaders."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Sampler

from src.arrays import in_parts, read_arrays
from src.config.errors import UserError, agreeing
from src.config.names import file_name
from src.config.rules import check_arguments
from src.data.batches import Batch, BatchOrder, Chunk, Split, padding
from src.data.describe import Description
from src.data.download import File, Source, fetch
from src.data.plain import from_plain, to_plain
from src.data.splits import leaked
from src.data.tbptt import ChunkOrder
from src.files import write_atomically
from src.rng import derive

log = logging.getLogger(__name__)
PART = 1 << 20  # numbers widened at a time
LARGE = 20_000_000  # bytes from which reading a file takes seconds


@dataclass(frozen=True)
class NewData:
    """Sequences of a new file, transformed with what was fitted on the training data."""

    split: Split
    names: list[str]  # of each sequence: a group, a file, a line
    labelled: bool = True  # whether the file has targets; if not, ``y`` is filled with meaningless zeros
    # Maps a sequence's row and a number to the timestamps of that many following rows (forecasts).
    following: Callable[[int, int], list[str]] | None = None


class SequenceData(pl.LightningDataModule):
    """Base class of data sets: subclasses implement :meth:`read`, which fills ``splits`` and returns a description.

    A subclass takes its own arguments and passes on the rest; an example is :class:`~src.data.sets.synthetic.Adding`.

    The keywords are the keys of ``conf/data/base.yaml``, documented in src/config/schema/data.py. ``split_seed``
    seeds the stream ``split``, so that runs of all seeds share their data, and ``seed`` the stream ``order``; results
    do not depend on ``eval_batch_size``. With ``chunk`` (truncated BPTT, see ``src/data/tbptt.py``),
    ``train_sequences`` counts the streams into which sequences are cut.

    Attributes:
        fitted: names of the attributes that :meth:`read` sets and :meth:`new_data` needs; checkpoints keep them.
        sources: origins of the class's named sets by config name (``data=NAME``), known without reading them.
        splits: ``train``, ``val`` and ``test``, filled by :meth:`read`.
        items: by split, (sequences,) the item of the original data behind each sequence: position, int64, or name.
        baselines: test results of trivial predictors, by metric name (``majority/acc``, ...).
        val_baselines: the same on validation.
        checksum: SHA-256 over the files read (or the arguments of synthetic data), set by :meth:`read`, and over the
            items of each split.
        notes: facts about the data for the run record, e.g. the share of padding.
        series_names: names of the series, for forecasts of several.
        leaked: by split, rows that are also in the training data; the record has the test loss without them as well.
    """

    sources: ClassVar[dict[str, Source]] = {}
    fitted: ClassVar[tuple[str, ...]] = ()
    series_names: tuple[str, ...] = ()
    name: str  # which set a class of several sets holds; for the user's own files, the file's name
    same_batches = False  # whether every epoch repeats the batches of the first (trainer.overfit_batches)

    def __new__(cls, *positional: Any, **arguments: Any) -> SequenceData:
        """Check the arguments like values of a config.

        Raises:
            UserError: an argument is unknown or does not have the type of its key.
        """
        check_arguments("data", arguments, theirs=not cls.__module__.startswith("src."))
        return super().__new__(cls)

    def __init__(
        self,
        *,
        batch_size: int = 32,
        eval_batch_size: int | None = None,
        seed: int = 0,
        split_seed: int = 0,
        pool: int = 50,
        num_workers: int = 0,
        train_sequences: int | None = None,
        train_steps: int | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or 4 * batch_size
        self.seed, self.split_seed = seed, split_seed
        self.pool, self.num_workers, self.chunk = pool, num_workers, chunk
        self.train_sequences, self.train_steps = train_sequences, train_steps
        self.splits: dict[str, Split] = {}
        self.items: dict[str, np.ndarray] = {}
        self.baselines: dict[str, float] = {}
        self.val_baselines: dict[str, float] = {}
        self.checksum = ""
        self.notes: dict[str, float | str] = {}
        self.leaked: dict[str, list[int]] = {}
        self._description: Description | None = None

    def read(self) -> Description:
        """Read the data, fill ``splits``, ``items``, ``checksum`` and the baselines, and describe the data.

        Raises:
            UserError: the data are missing or invalid.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the description and what was fitted on the training data, for checkpoints (called by Lightning)."""
        return {name: to_plain(getattr(self, name)) for name in ("description", *self.fitted)} if self.fitted else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what a checkpoint kept, so that new data can be read without the training data."""
        if self._description is None:
            kept = {name: from_plain(value) for name, value in state_dict.items()}
            self._description = kept.pop("description")
            for name, value in kept.items():
                setattr(self, name, value)

    def new_data(self, path: str) -> NewData:
        """Read a file (or folder) with the layout of the training data for ``python -m src.predict``, fitting nothing.

        Raises:
            UserError: the data set does not come from a file, or the new file does not match.
        """
        raise UserError(
            f"{type(self).__name__} is a built-in data set, so there is no file layout to match: predict needs a run "
            "on data=csv, data=npz, data=text or data=wav_folder."
        )

    @property
    def description(self) -> Description:
        """The description of the data, which are read on first access."""
        if self._description is None:
            self._description = self.read()
            if path := getattr(self, "path", None):
                self.name = file_name(str(path))
                self.notes["file"] = self.checksum[:12]  # distinguishes two files with the same name
            self._seal()
            if self._description.varying_length:
                for name, split in self.splits.items():
                    order = self.order(name, shuffle=name == "train")
                    lengths = [rows.lengths if isinstance(rows, Chunk) else split.lengths[rows] for rows in order]
                    self.notes[f"{name}/padding"] = round(padding(lengths), 4)
        return self._description

    def _seal(self) -> None:
        """Add the items of each split to the checksum."""
        for name in {"val", "test"} & self.splits.keys() - self.items.keys():
            self.items[name] = contents(self.splits[name])
        split = {name: items.tolist() for name, items in self.items.items()}
        self.checksum = checksum(self.checksum, json.dumps(split, sort_keys=True))

    def measure_baselines(self, reached_on: Callable[[str], dict[str, float]]) -> None:
        """Set the validation and test baselines; ``reached_on`` computes them for a split's name."""
        self.val_baselines, self.baselines = reached_on("val"), reached_on("test")

    def find_leaked(self, pieces: Mapping[str, Sequence[np.ndarray]]) -> None:
        """Set ``leaked`` to the sequences of val and test that are also in train, and note it; ``compare`` flags it."""
        self.leaked = leaked(pieces)
        for name, rows in self.leaked.items():
            self.notes[f"{name}/leaked"] = len(rows)
            log.warning(
                "%d of %d sequences of %s %s identical to a training sequence, e.g. %s: a network may have memorised "
                "the targets.",
                *(len(rows), len(pieces[name]), name, agreeing("are", len(rows)), self.items[name][rows[0]]),
            )
        if len(self.leaked.get("test", ())) == len(pieces["test"]):
            self.leaked.pop("test", None)  # without them nothing would be left to measure

    def origins(self, name: str) -> dict[str, np.ndarray]:
        """Return the origin of a split's sequences for the record, (sequences,) each: ``item``."""
        return {"item": self.items[name]}

    def setup(self, stage: str | None = None) -> None:
        """Read the data unless already done (called by Lightning)."""
        _ = self.description

    def loader(self, name: str, *, shuffle: bool = False) -> DataLoader[Batch]:
        """Return batches of one split: reshuffled every epoch, or in a fixed order (sorted by length)."""
        _ = self.description
        return DataLoader(
            self.splits[name],  # type: ignore[arg-type]
            sampler=self.order(name, shuffle=shuffle),
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            # A separate generator, because each pass would otherwise draw a number from the noise stream.
            generator=torch.Generator().manual_seed(0),
        )

    def order(self, name: str, *, shuffle: bool) -> Sampler[Any]:
        """Return the sampler of a split: whole sequences, or chunks of them if ``chunk`` is set.

        Raises:
            UserError: sequences with one target each would have to be cut.
        """
        lengths = self.splits[name].lengths
        size = self.batch_size if name == "train" else self.eval_batch_size
        seed_of_epoch = self._seed_of_order if shuffle else None
        rows_of = partial(some, few=self.train_sequences if shuffle else None, seed=self.split_seed)
        if self.chunk is None:
            return BatchOrder(lengths, size, seed_of_epoch, self.pool, rows_of(len(lengths)))
        if not self.description.per_step:
            raise UserError(
                f"data.chunk={self.chunk} cuts sequences, but this data set has one target per whole sequence: set "
                "data.chunk=null."
            )
        most = self.train_steps if shuffle else None
        return ChunkOrder(lengths, size, seed_of_epoch, self.chunk, self.pool, rows_of, most)

    def _seed_of_order(self, epoch: int) -> int:
        return derive(self.seed, "order", 0 if self.same_batches else epoch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return training batches, in an order that depends only on seed and epoch."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return validation batches, with every sequence once and whole."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return test batches, with every sequence once and whole."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Return the test batches, for Lightning's ``Trainer.predict``; ``batch.rows`` identifies their sequences."""
        return self.loader("test")


class FileSet(SequenceData):
    """A named set of files, which are verified in ``data_dir`` and downloaded into it if missing.

    ``cache_dir`` records which files are verified, and caches arrays that are slow to compute.
    """

    def __init__(self, *, data_dir: str, cache_dir: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.data_dir, self.cache_dir = Path(data_dir).expanduser(), Path(cache_dir).expanduser()

    def fetch(self, file: File) -> Path:
        """Return the path of a verified file."""
        return fetch(file, self.data_dir, self.cache_dir)

    def cached(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the result of ``compute``, cached as ``name``.npz below ``cache_dir``."""
        file = self.cache_dir / f"{name}.npz"
        with suppress(UserError):  # not cached yet, or damaged
            return read_arrays(file)
        arrays = compute()
        write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
        return arrays


def some(sequences: int, few: int | None, seed: int) -> torch.Tensor | None:
    """Return rows of ``few`` out of ``sequences``, drawn from the stream ``split``; None for all of them."""
    if few is None or few >= sequences:
        return None
    return torch.randperm(sequences, generator=torch.Generator().manual_seed(derive(seed, "split", few)))[:few]


def contents(split: Split) -> np.ndarray:
    """Return stand-ins for items without names: (sequences,) digests of each one's inputs and targets."""
    batches = (split[torch.tensor([row])] for row in range(len(split)))
    return np.array([checksum(batch.x.numpy().tobytes(), batch.y.numpy().tobytes())[:16] for batch in batches])


class Widened(NamedTuple):
    """An array to be hashed as if it had a wider type, without copying it."""

    array: np.ndarray
    dtype: type[np.generic]


def checksum(*pieces: bytes | str | np.ndarray | memoryview | Widened) -> str:
    """Return the hexadecimal SHA-256 over the pieces, each preceded by its length in bytes."""
    digest = hashlib.sha256()
    for piece in pieces:
        if isinstance(piece, Widened):
            flat, dtype = piece.array.reshape(-1), np.dtype(piece.dtype)
            digest.update((flat.size * dtype.itemsize).to_bytes(8, "big"))
            for part in in_parts(flat, PART):
                digest.update(part.astype(dtype).data)
            continue
        if isinstance(piece, np.ndarray):
            piece = np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data
        data = piece.encode() if isinstance(piece, str) else piece
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def say_large(path: Path | str) -> None:
    """Log that a file is being read, if it is large enough to take more than a moment."""
    place = Path(path).expanduser()
    if place.is_file() and (size := place.stat().st_size) > LARGE:
        log.info("Reading %s, %d MB.", place.name, size // 1_000_000)


def files_checksum(files: Iterable[Path]) -> str:
    """Return :func:`checksum` over the contents of files, without loading whole files into memory."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
