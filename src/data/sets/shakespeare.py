"""Tiny Shakespeare: scenes from the plays, as Karpathy 2015 put them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from src.data.download import File, Source, fetch
from src.data.module import checksum
from src.data.text import TextData


class Shakespeare(TextData):
    """Scenes from Shakespeare's plays, 1,115,394 characters, 90/5/5 by position.

    Args:
        data_dir: the folder of all data sets; the file is looked for, or downloaded to, its folder ``shakespeare``.
        cache_dir: where verified files are remembered.
        keywords: see :class:`~src.data.text.TextData`.
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
        super().__init__(**keywords)
        self.data_dir, self.cache_dir = data_dir, cache_dir

    def documents(self) -> dict[str, list[Sequence[str]]]:
        """The tokens of the verified file, by split."""
        self.path = fetch(self.sources["shakespeare"].files[0], self.data_dir, self.cache_dir)
        documents, raw = self.document_by_position(self.path)
        self.checksum = checksum(raw)
        return documents
