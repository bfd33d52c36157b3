"""Text as characters or words, each predicted from all preceding ones."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.arrays import in_parts, of_tokens
from src.config.errors import UserError, counted
from src.data.baselines import ngrams
from src.data.batches import FlatSplit
from src.data.describe import Classes, Description, Tokens
from src.data.module import NewData, SequenceData, checksum, say_large
from src.data.splits import SPLITS, by_fraction, by_position, check_fractions, find_files, named_splits

UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
PART = 1 << 20  # characters processed at a time
LEVELS = {"char": "character", "word": "word"}


class TextData(SequenceData):
    """Documents as sequences of characters or words; subclasses supply the files.

    A single file is cut by position into train, val and test. In a folder (with all ``*.txt`` below it), each file is
    a document and belongs to one split: by its name if names say train, val (valid) and test, otherwise at random.
    The first token of a document is never predicted; validation and test read each document from start to end.

    The vocabulary is every token that occurs at least ``min_count`` times in train; all others are ``<unk>``, which
    counts as one symbol. Words are separated by spaces, and the end of a line is the word ``<eos>``, as in the Penn
    Treebank files. ``chunk`` must be given.
    """

    fitted = ("vocabulary",)
    vocabulary: tuple[str, ...]
    path: Path  # the file or folder to read

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
                "data.chunk=null would process a whole text at once: set it to a number of steps, e.g. 100."
            )
        check_fractions(splits)
        self.level, self.fractions, self.min_count = level or "char", splits, min_count or 1

    def documents(self) -> dict[str, list[Document]]:
        """Return the tokens of each document by split; sets the checksum and the items: first tokens, or file names.

        Raises:
            UserError: a document, or the part of a file for a split, has fewer than two tokens.
        """
        say_large(self.path)
        if self.path.is_file():
            tokens, self.checksum = self.document(self.path)
            pieces, begin = by_position(tokens, self.fractions), 0
            for split, piece in pieces.items():
                if len(piece) < 2:
                    raise UserError(
                        f"The {split} split of {self.path} has {counted(len(piece), self.level)}, but needs at least 2."
                    )
                self.items[split] = np.array([begin])
                begin += len(piece)
            return {split: [piece] for split, piece in pieces.items()}
        files = find_files(self.path, ".txt")
        files_of = named_splits(self.path, files) or by_fraction(files, self.fractions, self.split_seed)
        read = {file: self.document(file) for file in files}
        self.checksum = checksum(*(of_file for _, of_file in read.values()))
        self.items = {split: np.array([str(f.relative_to(self.path)) for f in files_of[split]]) for split in SPLITS}
        return {split: [read[file][0] for file in files_of[split]] for split in SPLITS}

    def read(self) -> Description:
        """Read the text, build the vocabulary from train, and compute the baselines."""
        documents = self.documents()
        self.vocabulary = vocabulary = learn_vocabulary(documents["train"], self.min_count)
        if len(vocabulary) < 2:
            raise UserError(f"data.min_count={self.min_count} leaves the vocabulary of {self.path} empty: lower it.")
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
        """Read one file, or each file of a folder, as a document whose first token is not predicted."""
        _ = self.description
        place = Path(path).expanduser()
        files = [place] if place.is_file() else find_files(place, ".txt")
        documents = [encode(self.document(file)[0], self.vocabulary) for file in files]
        names = [file.name if file == place else str(file.relative_to(place)) for file in files]
        return NewData(FlatSplit.of_next_steps(documents), names)

    def document(self, file: Path) -> tuple[Document, str]:
        """Return a file's tokens, at least two, and a checksum of its bytes (and of its name, if one of several).

        A byte order mark is skipped, and every line ending becomes ``\\n``.

        Raises:
            UserError: the text is not UTF-8, or has fewer than two tokens.
        """
        raw = file.read_bytes()
        try:
            tokens = Document.read(raw, self.level)
        except UnicodeDecodeError:
            raise UserError(f"{file} must be UTF-8, but {_first_broken(raw)}; save the text as UTF-8.") from None
        if len(tokens) < 2:
            raise UserError(f"{file} has {counted(len(tokens), self.level)}, but a document needs at least 2.")
        inside = file != self.path and file.is_relative_to(self.path)
        return tokens, checksum(str(file.relative_to(self.path)), raw) if inside else checksum(raw)


@dataclass(frozen=True)
class Document:
    """A text as one or more bytes per token: its index among the text's symbols.

    >>> Document.read(b"to be\\nto", "word")
    Document(numbers=array([0, 1, 2, 0], dtype=uint8), symbols=('to', 'be', '<eos>'))
    """

    numbers: np.ndarray  # (tokens,)
    symbols: tuple[str, ...]

    @classmethod
    def read(cls, raw: bytes, level: str) -> Document:
        """Read characters or words from UTF-8 bytes in parts; the whole text as a string may be four times as large.

        Raises:
            UnicodeDecodeError: the bytes are not UTF-8.
        """
        index: dict[str, int] = {}
        numbers, filled = np.empty(len(raw) if level == "char" else 0, np.uint8), 0
        for part in _parts(raw, level):
            if level == "char":
                points = np.frombuffer(part.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
                place = np.zeros(int(points.max()) + 1, np.int32)
                for point in np.flatnonzero(np.bincount(points)).tolist():
                    place[point] = index.setdefault(chr(point), len(index))
                found = place[points]
            else:
                words = tokenise(part, level)
                found = np.fromiter((index.setdefault(w, len(index)) for w in words), np.int32, count=len(words))
            wide = np.result_type(numbers, np.min_scalar_type(max(len(index) - 1, 0)))
            if wide != numbers.dtype:
                numbers = numbers.astype(wide)
            if filled + len(found) > len(numbers):  # the number of words is not known in advance
                numbers = np.concatenate([numbers[:filled], np.empty(filled + 2 * len(found), numbers.dtype)])
            numbers[filled : filled + len(found)] = found
            filled += len(found)
        return cls(numbers[:filled], tuple(index))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, part: slice) -> Document:
        """Return a slice of the tokens, without copying."""
        return replace(self, numbers=self.numbers[part])

    def counted(self) -> dict[str, int]:
        """Count the occurrences of each symbol."""
        times = np.zeros(len(self.symbols), np.int64)
        for part in in_parts(self.numbers, PART):  # counting takes eight bytes per token
            times += np.bincount(part, minlength=len(times))
        return {symbol: number for symbol, number in zip(self.symbols, times.tolist(), strict=True) if number}


def _parts(raw: bytes, level: str) -> Iterator[str]:
    """Iterate over a text in parts that do not cut words, with line endings as ``\\n``."""
    left, first, text = "", True, io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8", newline=None)
    while part := text.read(PART):
        part, first = left + (part.removeprefix("\ufeff") if first else part), False
        cut = len(part) if level == "char" else max(part.rfind(" "), part.rfind("\n")) + 1
        left = part[cut:]
        if cut:
            yield part[:cut]
    if left:
        yield left


def _first_broken(raw: bytes) -> str:
    """Describe the first byte of a text that is not UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start} (counted from 0) is 0x{raw[error.start]:02x} ({error.reason})"
    raise AssertionError("UTF-8 after all")


def tokenise(text: str, level: str) -> Sequence[str]:
    """Return the characters of a text (the text itself), or its words.

    >>> tokenise("to be,\\nor", "word")
    ['to', 'be,', '<eos>', 'or']
    """
    if level == "char":
        return text
    return [END_OF_LINE if word == "\n" else word for word in re.findall(r"[^\s]+|\n", text)]


def learn_vocabulary(documents: Sequence[Document | Sequence[str]], min_count: int) -> tuple[str, ...]:
    """Return ``<unk>``, then every symbol that occurs at least ``min_count`` times in the documents, sorted."""
    counts = Counter[str]()
    for document in documents:
        counts.update(document.counted() if isinstance(document, Document) else document)
    return (UNKNOWN, *sorted(s for s, number in counts.items() if number >= min_count and s != UNKNOWN))


def encode(tokens: Document | Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Return each token's vocabulary index (0: unknown), in the smallest sufficient type of uint8, int16 and int32."""
    dtype = of_tokens(len(vocabulary))
    index = {symbol: i for i, symbol in enumerate(vocabulary)}
    symbols = tokens.symbols if isinstance(tokens, Document) else tokens
    numbers = np.fromiter((index.get(symbol, 0) for symbol in symbols), dtype, count=len(symbols))
    if not isinstance(tokens, Document):
        return numbers
    out = np.empty(len(tokens), dtype)
    for begin in range(0, len(tokens), PART):  # numpy uses eight bytes per index
        out[begin : begin + PART] = numbers[tokens.numbers[begin : begin + PART]]
    return out
