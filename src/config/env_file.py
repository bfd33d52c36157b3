"""A ``.env`` in the working folder: variables of the environment, as wandb's and other tools' users keep them."""

from __future__ import annotations

import os
import shlex
from itertools import takewhile
from pathlib import Path

from src.config.errors import UserError


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file of lines ``NAME=VALUE``, quoted as in a shell, with ``export`` before them or without.

    Raises:
        UserError: a line is something else; its content is not said, which may be a key.
    """
    found = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = [*takewhile(lambda word: not word.startswith("#"), lexer)]
        except ValueError:  # a quote that does not end
            words = [""]
        words = words[1:] if words[:1] == ["export"] else words
        name, equals, value = words[0].partition("=") if words else ("", "", "")
        if words and (len(words) > 1 or not equals or not name.isidentifier()):
            raise UserError(f"{path}, line {number} must be NAME=VALUE, a value with blanks in quotes.")
        if words:
            found[name] = value
    return found


def take_env_file(folder: Path) -> None:
    """Set what the ``.env`` of a folder says and the environment does not, if there is such a file.

    Raises:
        UserError: as :func:`read_env_file`.
    """
    if (path := folder / ".env").is_file():
        for name, value in read_env_file(path).items():
            os.environ.setdefault(name, value)
