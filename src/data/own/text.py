"""The user's own text: a file, or a folder of documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src.data.text import TextData


class Text(TextData):
    """A UTF-8 text file, or a folder of them, as a sequence of characters or words."""

    def __init__(self, *, path: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.path = Path(path).expanduser()
