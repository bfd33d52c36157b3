"""Text as characters or words, each predicted from all before it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.config.errors import UserError
from src.data.baselines import ngrams
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Tokens
from src.data.module import NewData, SequenceData, checksum, say_large
from src.data.splits import SPLITS, by_fraction, by_position, check_fractions, find_files, named_splits

UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
PART = 1 << 20  # characters that are looked at together
LEVELS = {"char": "character", "word": "word"}


class TextData(SequenceData):
    """Documents as sequences of characters or words; subclasses say where they lie.

    A file is cut by position into train, val and test. In a folder (every ``*.txt`` below it) each file is a document
    of its own and belongs to one split as a whole: by its name, where names say train, val (valid) and test, else by
    chance. The first token of a document is never predicted; validation and test read each from its start to its end.

    The vocabulary is what stands in train ``min_count`` times or more; all else is ``<unk>``, which counts as one
    symbol. Words are what lies between spaces, and the end of a line is the word ``<eos>``, as in the Penn Treebank
    files. ``chunk`` must be given.
    """

    fitted = ("vocabulary",)
    vocabulary: tuple[str, ...]
    path: Path  # the file or folder that is read

    def __init__(
        self,
        *,
        level: str | None = None,
        splits: Sequence[float] = (0.9, 0.05, 0.05),
        min_count: int | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        if self.chunk is None:
            raise UserError(
                "data.chunk=null would read a whole text in one step: it must be a number of steps, e.g. 100."
            )
        check_fractions(splits)
        self.level, self.fractions, self.min_count = level or "char", splits, min_count or 1

    def documents(self) -> dict[str, list[Sequence[str]]]:
        """The tokens of each document, by split; sets the checksum and the items: first tokens, or files' names.

        Raises:
            UserError: when a document, or what a file leaves for a split, has fewer than two tokens.
        """
        say_large(self.path)
        if self.path.is_file():
            tokens, raw = self.document(self.path)
            self.checksum = checksum(raw)
            pieces, begin = by_position(tokens, self.fractions), 0
            for split, piece in pieces.items():
                if len(piece) < 2:
                    raise UserError(
                        f"{self.path} leaves {len(piece)} {self.level}s for {split}: at least 2 are needed."
                    )
                self.items[split] = np.array([begin])
                begin += len(piece)
            return {split: [piece] for split, piece in pieces.items()}
        files = find_files(self.path, ".txt")
        files_of = named_splits(self.path, files) or by_fraction(files, self.fractions, self.split_seed)
        read = {file: self.document(file) for file in files}
        self.checksum = checksum(*(checksum(str(f.relative_to(self.path)), raw) for f, (_, raw) in read.items()))
        self.items = {split: np.array([str(f.relative_to(self.path)) for f in files_of[split]]) for split in SPLITS}
        return {split: [read[file][0] for file in files_of[split]] for split in SPLITS}

    def read(self) -> Description:
        """Read the text, learn the vocabulary on train, count the baselines."""
        documents = self.documents()
        self.vocabulary = vocabulary = learn_vocabulary(documents["train"], self.min_count)
        if len(vocabulary) < 2:
            raise UserError(f"data.min_count={self.min_count} leaves no {self.level} of {self.path} known: lower it.")
        encoded = {split: [encode(document, vocabulary) for document in documents.pop(split)] for split in SPLITS}
        for split, numbers in encoded.items():
            self.splits[split] = FlatSplit.of_next_steps(numbers)
            tokens, unknown = sum(map(len, numbers)), sum(int((document == 0).sum()) for document in numbers)
            self.notes |= {f"{split}/tokens": tokens, f"{split}/unknown": unknown}
        if self.path.is_dir():
            self.find_leaked(encoded)
        self.measure_baselines(lambda split: ngrams(encoded["train"], encoded[split], len(vocabulary)))
        input = Tokens(len(vocabulary), LEVELS[self.level])
        return Description(input, Classes(vocabulary), per_step=True, varying_length=True, causal=True)

    def new_data(self, path: str) -> NewData:
        """Each file of a folder, or one file, as a document whose first token is not predicted."""
        _ = self.description
        place = Path(path).expanduser()
        files = [place] if place.is_file() else find_files(place, ".txt")
        documents = [encode(self.document(file)[0], self.vocabulary) for file in files]
        names = [file.name if file == place else str(file.relative_to(place)) for file in files]
        return NewData(FlatSplit.of_next_steps(documents), names)

    def document(self, file: Path) -> tuple[Sequence[str], bytes]:
        """A file's tokens, two at least, and its bytes; a byte order mark is none, every end of a line is ``\\n``.

        Raises:
            UserError: names the first byte that is not UTF-8.
        """
        raw = file.read_bytes()
        try:
            text = raw.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{file} is not UTF-8: byte {error.start} (counted from 0) is 0x{raw[error.start]:02x} "
                f"({error.reason}); save the text as UTF-8."
            ) from None
        tokens = tokenise(text.replace("\r\n", "\n").replace("\r", "\n"), self.level)
        if len(tokens) < 2:
            raise UserError(f"{file} has {len(tokens)} {self.level}s: a document needs at least 2.")
        return tokens, raw


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
    counts = Counter[str]()
    for document in documents:
        counts.update(_counted(document) if isinstance(document, str) else document)
    return (UNKNOWN, *sorted(s for s, number in counts.items() if number >= min_count and s != UNKNOWN))


def _points(text: str) -> Iterator[np.ndarray]:
    """The code points of a text, in parts, since four bytes for each character at once may be much."""
    for begin in range(0, len(text), PART):
        yield np.frombuffer(text[begin : begin + PART].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _counted(text: str) -> dict[str, int]:
    """How often each character stands in a text."""
    counts = Counter[int]()
    for points in _points(text):
        numbers = np.bincount(points)
        there = np.flatnonzero(numbers)
        counts.update(dict(zip(there.tolist(), numbers[there].tolist(), strict=True)))
    return {chr(point): number for point, number in counts.items()}


def encode(tokens: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Each token's position in the vocabulary (0: unknown), in the smallest of uint8, int16 and int32 that will do."""
    dtype = np.uint8 if len(vocabulary) <= 256 else np.int16 if len(vocabulary) <= 2**15 else np.int32
    if isinstance(tokens, str):
        place = np.zeros(0x110000, dtype)  # of each code point
        single = [(ord(symbol), i) for i, symbol in enumerate(vocabulary) if len(symbol) == 1]
        place[[point for point, _ in single]] = [i for _, i in single]
        return np.concatenate([np.zeros(0, dtype), *(place[points] for points in _points(tokens))])
    index = {symbol: i for i, symbol in enumerate(vocabulary)}
    return np.fromiter((index.get(token, 0) for token in tokens), dtype, count=len(tokens))
