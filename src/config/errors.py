"""The mistake of the person at the keyboard, and the word that was meant."""

from __future__ import annotations

import difflib


class UserError(ValueError):
    """A mistake of the person at the keyboard, said in one sentence: what is wrong and what would be right."""


def close_to(word: str, options: list[str]) -> str | None:
    """The option that is close to a word, whatever its case; None where none is."""
    lower = {option.lower(): option for option in reversed(options)}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    near = [lower[match] for match in close] or [option for option in options if option in word.split("_")]
    return near[0] if near else None


def nearest(word: str, options: list[str]) -> str:
    """`` (did you mean OPTION?)`` where one is close to the word, else nothing."""
    near = close_to(word, options)
    return f" (did you mean {near}?)" if near else ""


def counted(number: int, noun: str) -> str:
    """So many of what a noun names.

    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
