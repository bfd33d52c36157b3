"""Tiny Shakespeare: scenes from the plays, as compiled by Karpathy 2015."""

from __future__ import annotations

from typing import ClassVar

from src.data.download import File, Source
from src.data.module import FileSet
from src.data.text import Document, TextData

_FILE = File(
    "shakespeare/input.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


class Shakespeare(FileSet, TextData):
    """Scenes from Shakespeare's plays, 1,115,394 characters, split 90/5/5 by position."""

    sources: ClassVar[dict[str, Source]] = {
        "shakespeare": Source(
            "language model", "1,115,394 characters", "public domain", "https://github.com/karpathy/char-rnn", (_FILE,)
        )
    }

    def documents(self) -> dict[str, list[Document]]:
        """Return the tokens of the verified file, by split."""
        self.path = self.fetch(_FILE)
        return super().documents()
