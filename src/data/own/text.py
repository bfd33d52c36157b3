"""Text as characters or words, each predicted from all before it: the user's own, and tiny Shakespeare."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from src.config.errors import UserError
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Tokens
from src.data.download import File, Source, fetch
from src.data.file_splits import PARTS, by_fraction, by_position, check_splits, find_files, named_parts
from src.data.module import NewData, SequenceData, checksum

UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
LEVELS = {"char": "character", "word": "word"}


class Text(SequenceData):
    """A text file, or a folder of them, as a sequence of characters or words.

    A file is cut by position into train, val and test. In a folder (every ``*.txt`` below it) each file is a document
    of its own and belongs to one part as a whole: by its name, where names say train, val (valid) and test, else by
    chance. The first token of a document is never predicted; validation and test read each document from its start to
    its end. Documents of training are cut into ``batch_size`` streams where there are fewer (see
    :class:`~src.data.tbptt.ChunkOrder`).

    The vocabulary is what stands in train; all else is ``<unk>``, which counts as one symbol. Words are what lies
    between spaces, and the end of a line is the word ``<eos>``, as in the Penn Treebank files.

    >>> # python -m src.train data=text data.path=my.txt data.level=word data.min_count=2

    Args:
        path: a UTF-8 file or a folder.
        level: ``char`` or ``word``.
        splits: fractions for train, val and test.
        min_count: symbols that stand in train less often are unknown.
        keywords: see :class:`~src.data.module.SequenceData`; ``chunk`` must be given.
    """

    fitted = ("vocabulary",)
    vocabulary: tuple[str, ...]

    def __init__(
        self,
        *,
        path: str,
        level: str = "char",
        splits: Sequence[float] = (0.9, 0.05, 0.05),
        min_count: int = 1,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        if level not in LEVELS:
            raise UserError(f"data.level={level} is unknown: it must be one of {', '.join(LEVELS)}.")
        if self.chunk is None:
            raise UserError(
                "data.chunk=null would read a whole text in one step: it must be a number of steps, e.g. 100."
            )
        check_splits(splits)
        self.path, self.level, self.splits_wanted, self.min_count = Path(path), level, splits, min_count

    def files(self) -> Path:
        """The file or folder to read."""
        return self.path.expanduser()

    def read(self) -> Description:
        """Read the text, learn the vocabulary on train, count the baselines."""
        parts, self.checksum = self._documents(self.files())
        self.vocabulary = vocabulary = learn_vocabulary(parts["train"], self.min_count)
        if len(vocabulary) < 2:
            raise UserError(
                f"data.min_count={self.min_count} leaves no {self.level} of {self.files()} known: lower it."
            )
        encoded = {part: [encode(document, vocabulary) for document in parts[part]] for part in PARTS}
        for part, documents in encoded.items():
            self.splits[part] = next_tokens(documents)
            tokens, unknown = sum(map(len, documents)), sum(int((document == 0).sum()) for document in documents)
            self.notes |= {f"{part}/tokens": tokens, f"{part}/unknown": unknown}
        self.baselines = baselines(encoded["train"], encoded["test"], len(vocabulary))
        tokens_of = Tokens(len(vocabulary), LEVELS[self.level])
        return Description(tokens_of, Classes(vocabulary), per_step=True, varying_length=True, causal=True)

    def new_data(self, path: str) -> NewData:
        """Each file of a folder, or one file, as a document whose first token is not predicted."""
        _ = self.description
        place = Path(path).expanduser()
        files = [place] if place.is_file() else find_files(place, ".txt")
        documents = [encode(self._document(file)[0], self.vocabulary) for file in files]
        names = [file.name if file == place else str(file.relative_to(place)) for file in files]
        return NewData(next_tokens(documents), names)

    def _documents(self, path: Path) -> tuple[dict[str, list[Sequence[str]]], str]:
        if path.is_file():
            tokens, raw = self._document(path)
            cut = by_position(tokens, self.splits_wanted)
            for part, some in cut.items():
                if len(some) < 2:
                    raise UserError(f"{path} leaves {len(some)} {self.level}s for {part}: at least 2 are needed.")
            return {part: [some] for part, some in cut.items()}, checksum(raw)
        files = find_files(path, ".txt")
        chosen = named_parts(path, files) or by_fraction(files, self.splits_wanted, self.seed)
        read = {file: self._document(file) for file in files}
        sums = (checksum(str(file.relative_to(path)), raw) for file, (_, raw) in read.items())
        return {part: [read[file][0] for file in chosen[part]] for part in PARTS}, checksum(*sums)

    def _document(self, file: Path) -> tuple[Sequence[str], bytes]:
        text, raw = read_utf8(file)
        tokens = tokenise(text, self.level)
        if len(tokens) < 2:
            raise UserError(f"{file} has {len(tokens)} {self.level}s: a document needs at least 2.")
        return tokens, raw


class Shakespeare(Text):
    """Scenes from Shakespeare's plays, 1,115,394 characters (Karpathy 2015, "tiny Shakespeare"), 90/5/5 by position.

    >>> # python -m src.train data=shakespeare model.hidden_size=512

    Args:
        data_dir: the folder of all data sets; the file is looked for, or downloaded to, its folder ``shakespeare``.
        cache_dir: where verified files are remembered.
        keywords: see :class:`Text`.
    """

    sources: ClassVar[dict[str, Source]] = {
        "shakespeare": Source(
            task="language model",
            size="1,115,394 characters",
            licence="public domain",
            page="https://github.com/karpathy/char-rnn",
            files=(
                File(
                    "shakespeare/input.txt",
                    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                    "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                ),
            ),
        )
    }

    def __init__(self, *, data_dir: str, cache_dir: str, **keywords: Any) -> None:
        super().__init__(path="", **keywords)
        self.data_dir, self.cache_dir = data_dir, cache_dir

    def files(self) -> Path:
        """The verified file."""
        return fetch(self.sources["shakespeare"].files[0], self.data_dir, self.cache_dir)


# ----------------------------------------------------------------------------------------------- from text to tokens


def read_utf8(path: Path) -> tuple[str, bytes]:
    """A file's text, without a byte order mark and with ``\\n`` for every end of a line, and its bytes.

    Raises:
        UserError: names the first byte that is not UTF-8.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8: byte {error.start} (counted from 0) is 0x{raw[error.start]:02x} ({error.reason}); "
            "save the text as UTF-8."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n"), raw


def tokenise(text: str, level: str) -> Sequence[str]:
    """The characters of a text (the text itself), or its words.

    >>> tokenise("to be,\\nor", "word")
    ['to', 'be,', '<eos>', 'or']
    """
    if level == "char":
        return text
    return [END_OF_LINE if word == "\n" else word for word in re.findall(r"[^\s]+|\n", text)]


def learn_vocabulary(documents: Sequence[Sequence[str]], min_count: int) -> tuple[str, ...]:
    """``<unk>``, then every symbol that stands in the documents ``min_count`` times or more, sorted."""
    counts = Counter(symbol for document in documents for symbol in document)
    return (UNKNOWN, *sorted(s for s, number in counts.items() if number >= min_count and s != UNKNOWN))


def encode(tokens: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Each token's position in the vocabulary (0: unknown), in the smallest of uint8, int16 and int32 that will do."""
    dtype = np.uint8 if len(vocabulary) <= 256 else np.int16 if len(vocabulary) <= 2**15 else np.int32
    index = {symbol: i for i, symbol in enumerate(vocabulary)}
    return np.fromiter((index.get(token, 0) for token in tokens), dtype, count=len(tokens))


def next_tokens(documents: Sequence[np.ndarray]) -> FlatSplit:
    """Documents of tokens, each token but a document's first to be predicted."""
    tokens = torch.from_numpy(np.concatenate(documents))
    lengths = torch.tensor([len(document) for document in documents])
    whole = torch.int64
    return FlatSplit(tokens, lengths, tokens, per_step=True, shift=1, dtype=whole, target_dtype=whole)


# -------------------------------------------------------------------------------------------------------- baselines


def baselines(train: Sequence[np.ndarray], test: Sequence[np.ndarray], vocabulary: int) -> dict[str, float]:
    """NLL in nats per token of knowing only how often each symbol stands (unigram), or stands behind the one before.

    Over all tokens of ``test`` but each document's first; probabilities are relative frequencies in ``train`` with one
    half added to each count.
    """
    targets = np.concatenate([document[1:] for document in test])
    seen = np.bincount(np.concatenate(train), minlength=vocabulary) + 0.5
    unigram = -np.log(seen / seen.sum())[targets].mean()

    pairs, counts = np.unique(np.concatenate([_pairs(d, vocabulary) for d in train]), return_counts=True)
    asked = np.concatenate([_pairs(d, vocabulary) for d in test])
    before = np.bincount(pairs // vocabulary, weights=counts, minlength=vocabulary)
    where = np.searchsorted(pairs, asked).clip(max=len(pairs) - 1)
    together = np.where(pairs[where] == asked, counts[where], 0)
    bigram = -np.log((together + 0.5) / (before[asked // vocabulary] + 0.5 * vocabulary)).mean()
    return {"unigram/nll": float(unigram), "bigram/nll": float(bigram)}


def _pairs(document: np.ndarray, vocabulary: int) -> np.ndarray:
    wide = document.astype(np.int64)
    return wide[:-1] * vocabulary + wide[1:]
