"""Read a ``.env`` file in the working folder: environment variables, in the format used by wandb and other tools."""

from __future__ import annotations

import os
import shlex
from itertools import takewhile
from pathlib import Path

from src.config.errors import UserError


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file with lines ``NAME=VALUE``, quoted as in a shell, optionally after ``export``.

    Raises:
        UserError: a line has another form; the message omits its content, which may be a secret.
    """
    found = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = [*takewhile(lambda word: not word.startswith("#"), lexer)]
        except ValueError:  # an unclosed quote
            words = [""]
        words = words[1:] if words[:1] == ["export"] else words
        name, equals, value = words[0].partition("=") if words else ("", "", "")
        if words and (len(words) > 1 or not equals or not name.isidentifier()):
            raise UserError(f"{path}, line {number} must have the form NAME=VALUE, with quotes if VALUE has spaces.")
        if words:
            found[name] = value
    return found


def take_env_file(folder: Path) -> None:
    """Set the variables in the ``.env`` file of a folder, if there is one, that the environment does not have yet.

    Raises:
        UserError: :func:`read_env_file` refuses a line.
    """
    if (path := folder / ".env").is_file():
        for name, value in read_env_file(path).items():
            os.environ.setdefault(name, value)
