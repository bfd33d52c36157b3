"""The user's own text: a file, or a folder of documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.data.module import checksum
from src.data.splits import SPLITS, by_fraction, find_files, named_splits
from src.data.text import TextData


class Text(TextData):
    """A text file, or a folder of them, as a sequence of characters or words.

    A file is cut by position into train, val and test. In a folder (every ``*.txt`` below it) each file is a document
    of its own and belongs to one split as a whole: by its name, where names say train, val (valid) and test, else by
    chance.

    Args:
        path: a UTF-8 file or a folder.
    """

    def __init__(self, *, path: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.path = Path(path).expanduser()

    def documents(self) -> dict[str, list[Sequence[str]]]:
        """The tokens of each document, by split."""
        if self.path.is_file():
            documents, raw = self.document_by_position(self.path)
            self.checksum = checksum(raw)
            return documents
        files = find_files(self.path, ".txt")
        files_of = named_splits(self.path, files) or by_fraction(files, self.fractions, self.seed)
        read = {file: self.document(file) for file in files}
        self.checksum = checksum(*(checksum(str(f.relative_to(self.path)), raw) for f, (_, raw) in read.items()))
        return {split: [read[file][0] for file in files_of[split]] for split in SPLITS}
