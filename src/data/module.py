"""The data module that every data set is: it describes itself, splits, and hands out loaders."""

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
from src.config.errors import UserError
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
PART = 1 << 20  # numbers that are widened together
LARGE = 20_000_000  # bytes of a file that takes seconds to read


@dataclass(frozen=True)
class NewData:
    """Sequences of a new file, read with what was fitted on the training data."""

    split: Split
    names: list[str]  # of each sequence: a group, a file, a line
    labelled: bool = True  # whether the file has the targets; where it has not, ``y`` holds zeros that mean nothing
    # From a sequence's row and a number to the time stamps of as many rows after it (forecasts).
    following: Callable[[int, int], list[str]] | None = None


class SequenceData(pl.LightningDataModule):
    """A data set: subclasses implement :meth:`read`, which fills ``self.splits`` and returns the description.

    A subclass takes its own arguments and hands the rest on; a short one is :class:`~src.data.sets.synthetic.Adding`.

    The keywords are the keys of ``conf/data/base.yaml``, which src/config/schema/data.py explains. From
    ``split_seed`` comes the stream ``split``, so that runs of all seeds share their data, from ``seed`` the stream
    ``order``; results do not depend on ``eval_batch_size``. Where ``chunk`` is set (truncated BPTT, see
    ``src/data/tbptt.py``), ``train_sequences`` counts the streams that sequences are cut into.

    Attributes:
        fitted: the names of the attributes that :meth:`new_data` needs and :meth:`read` sets; checkpoints keep them.
        sources: where the class's named sets come from, by config name (``data=NAME``); known without reading them.
        splits: ``train``, ``val`` and ``test``, filled by :meth:`read`.
        items: by split, (sequences,) the item of the original data that each is: its position, int64, or its name.
        baselines: what a model that learned nothing reaches on the test set, by metric name (``majority/acc``, ...).
        val_baselines: the same on validation.
        checksum: SHA-256 over the files read (or over the arguments of synthetic data), as :meth:`read` sets it, and
            over the items of each split.
        notes: facts about the data for the run record, e.g. the share of padding.
        series_names: of the series, where several are forecast.
        leaked: rows by split that also stand in the training data; the record gives the test loss without them too.
    """

    sources: ClassVar[dict[str, Source]] = {}
    fitted: ClassVar[tuple[str, ...]] = ()
    series_names: tuple[str, ...] = ()
    name: str  # which of its sets a class of several holds; of the user's own files that of the file
    same_batches = False  # whether every epoch has the batches of the first (trainer.overfit_batches)

    def __new__(cls, *positional: Any, **arguments: Any) -> SequenceData:
        """Refuse what no config could give either.

        Raises:
            UserError: names the argument, what it must be and the value that came.
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
        """Read the data, fill ``splits``, ``items``, ``checksum``, ``baselines`` and ``val_baselines``, describe them.

        Raises:
            UserError: when the data are not there or not what they should be.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The description and what was fitted on train, for checkpoints (called by Lightning)."""
        return {name: to_plain(getattr(self, name)) for name in ("description", *self.fitted)} if self.fitted else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what a checkpoint kept, so that new data can be read without the training data."""
        if self._description is None:
            kept = {name: from_plain(value) for name, value in state_dict.items()}
            self._description = kept.pop("description")
            for name, value in kept.items():
                setattr(self, name, value)

    def new_data(self, path: str) -> NewData:
        """Read a file (or folder) like the training data for ``python -m src.predict``; nothing is fitted on it.

        Raises:
            UserError: when the data set has no files of that kind, or the file does not fit.
        """
        raise UserError(
            f"{type(self).__name__} is a named data set, to which no files of your own belong: predict needs a run "
            "on data=csv, data=npz, data=text or data=wav_folder."
        )

    @property
    def description(self) -> Description:
        """What the data are; reads them the first time."""
        if self._description is None:
            self._description = self.read()
            if path := getattr(self, "path", None):
                self.name = file_name(str(path))
                self.notes["file"] = self.checksum[:12]  # tells apart two files of one name
            self._seal()
            if self._description.varying_length:
                for name, split in self.splits.items():
                    order = self.order(name, shuffle=name == "train")
                    lengths = [rows.lengths if isinstance(rows, Chunk) else split.lengths[rows] for rows in order]
                    self.notes[f"{name}/padding"] = round(padding(lengths), 4)
        return self._description

    def _seal(self) -> None:
        """Let the checksum know which items make each split."""
        for name in {"val", "test"} & self.splits.keys() - self.items.keys():
            self.items[name] = contents(self.splits[name])
        split = {name: items.tolist() for name, items in self.items.items()}
        self.checksum = checksum(self.checksum, json.dumps(split, sort_keys=True))

    def measure_baselines(self, reached_on: Callable[[str], dict[str, float]]) -> None:
        """Set the baselines of validation and test, given what they are by the name of a split."""
        self.val_baselines, self.baselines = reached_on("val"), reached_on("test")

    def find_leaked(self, pieces: Mapping[str, Sequence[np.ndarray]]) -> None:
        """Set ``leaked`` from the sequences of each split, said and noted; ``compare`` flags it."""
        self.leaked = leaked(pieces)
        for name, rows in self.leaked.items():
            self.notes[f"{name}/leaked"] = len(rows)
            log.warning(
                "%d of %d sequences of %s also stand in train, step for step, e.g. %s: of these a network can know the "
                "answer by heart.",
                *(len(rows), len(pieces[name]), name, self.items[name][rows[0]]),
            )
        if len(self.leaked.get("test", ())) == len(pieces["test"]):
            self.leaked.pop("test", None)  # nothing would be left to measure without them

    def origins(self, name: str) -> dict[str, np.ndarray]:
        """Where the sequences of a split come from, (sequences,) each, as their record has it: ``item``."""
        return {"item": self.items[name]}

    def setup(self, stage: str | None = None) -> None:
        """Read the data where that has not been done (called by Lightning)."""
        _ = self.description

    def loader(self, name: str, *, shuffle: bool = False) -> DataLoader[Batch]:
        """Batches of one split: shuffled anew every epoch, or in a fixed order (sorted by length)."""
        _ = self.description
        return DataLoader(
            self.splits[name],  # type: ignore[arg-type]
            sampler=self.order(name, shuffle=shuffle),
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            # A generator of its own, or else every pass would draw a number from the noise stream.
            generator=torch.Generator().manual_seed(0),
        )

    def order(self, name: str, *, shuffle: bool) -> Sampler[Any]:
        """The sampler of a split: whole sequences, or chunks of them where ``chunk`` is set.

        Raises:
            UserError: when sequences are to be cut that have one target each.
        """
        lengths = self.splits[name].lengths
        size = self.batch_size if name == "train" else self.eval_batch_size
        seed_of_epoch = self._seed_of_order if shuffle else None
        rows_of = partial(some, few=self.train_sequences if shuffle else None, seed=self.split_seed)
        if self.chunk is None:
            return BatchOrder(lengths, size, seed_of_epoch, self.pool, rows_of(len(lengths)))
        if not self.description.per_step:
            raise UserError(
                f"data.chunk={self.chunk} cuts sequences, but this data set has one target for each whole sequence: "
                "it must be null."
            )
        most = self.train_steps if shuffle else None
        return ChunkOrder(lengths, size, seed_of_epoch, self.chunk, self.pool, rows_of, most)

    def _seed_of_order(self, epoch: int) -> int:
        return derive(self.seed, "order", 0 if self.same_batches else epoch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training batches, in an order that depends on seed and epoch only."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation batches, every sequence once and whole."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Test batches, every sequence once and whole."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The same batches, for Lightning's ``Trainer.predict``; ``batch.rows`` says which sequences they hold."""
        return self.loader("test")


class FileSet(SequenceData):
    """A named set of files: what ``data_dir`` has is verified, what it lacks is downloaded into it.

    ``cache_dir`` remembers which files are verified, and keeps arrays that are slow to compute.
    """

    def __init__(self, *, data_dir: str, cache_dir: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.data_dir, self.cache_dir = Path(data_dir), Path(cache_dir)

    def fetch(self, file: File) -> Path:
        """The path of a verified file."""
        return fetch(file, self.data_dir, self.cache_dir)

    def cached(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What ``compute`` returns, from ``name``.npz below ``cache_dir`` where it has been written before."""
        file = self.cache_dir / f"{name}.npz"
        with suppress(UserError):  # not there yet, or damaged
            return read_arrays(file)
        arrays = compute()
        write_atomically(file, lambda out: np.savez(out, **arrays))  # type: ignore[arg-type]
        return arrays


def some(sequences: int, few: int | None, seed: int) -> torch.Tensor | None:
    """Rows of ``few`` out of ``sequences``, drawn from the stream ``split``; None for all of them."""
    if few is None or few >= sequences:
        return None
    return torch.randperm(sequences, generator=torch.Generator().manual_seed(derive(seed, "split", few)))[:few]


def contents(split: Split) -> np.ndarray:
    """What stands for the items of a split that names none: (sequences,) digests of each one's inputs and targets."""
    batches = (split[torch.tensor([row])] for row in range(len(split)))
    return np.array([checksum(batch.x.numpy().tobytes(), batch.y.numpy().tobytes())[:16] for batch in batches])


class Widened(NamedTuple):
    """An array that counts in a checksum as one of a wider type, of which it is no copy."""

    array: np.ndarray
    dtype: type[np.generic]


def checksum(*pieces: bytes | str | np.ndarray | memoryview | Widened) -> str:
    """SHA-256 in hexadecimal over the pieces, each with its length in bytes before it."""
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
    """Say that a file is being read where that takes more than a moment."""
    place = Path(path).expanduser()
    if place.is_file() and (size := place.stat().st_size) > LARGE:
        log.info("Reading %s, %d MB.", place.name, size // 1_000_000)


def files_checksum(files: Iterable[Path]) -> str:
    """What :func:`checksum` says of the contents of files, none of which is held in memory."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()
