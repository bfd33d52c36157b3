"""User errors, and suggestions for mistyped words."""

from __future__ import annotations

import difflib
from typing import Literal

SINGULAR = {"are": "is", "were": "was", "have": "has", "need": "needs"}


class UserError(ValueError):
    """A user's mistake, described in one sentence: what is wrong and what would be right."""


def close_to(word: str, options: list[str]) -> str | None:
    """Return the option closest to a word, ignoring case, or None if none is close."""
    lower = {option.lower(): option for option in reversed(options)}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    near = [lower[match] for match in close] or [option for option in options if option in word.split("_")]
    return near[0] if near else None


def nearest(word: str, options: list[str]) -> str:
    """Return `` (did you mean OPTION?)`` if an option is close to the word, else an empty string."""
    near = close_to(word, options)
    return f" (did you mean {near}?)" if near else ""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where needed.

    >>> counted(1, "file"), counted(1200, "file"), counted(2, "series")
    ('1 file', '1,200 files', '2 series')
    """
    return f"{number:,} {noun}{'' if number == 1 or noun == 'series' else 's'}"


def agreeing(verb: Literal["are", "were", "have", "need"], number: int) -> str:
    """Return a verb in the form that agrees with a number.

    >>> agreeing("were", 1), agreeing("were", 2)
    ('was', 'were')
    """
    return SINGULAR[verb] if number == 1 else verb
