"""Format values as Hydra command-line overrides."""

from __future__ import annotations

import re
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

_WORDS = {"null", "true", "false", "nan", "inf"}  # which Hydra would not parse as text


def override(key: str, value: Any) -> str:
    """Return a Hydra override that gives ``key`` exactly this value, whatever characters it contains.

    >>> override("optimizer.lr", 0.001), override("data.path", "a b=c"), override("tags", ["x", "it's"])
    ('optimizer.lr=0.001', "data.path='a b=c'", "tags=[x,'it\\\\'s']")
    """
    return f"{key}={_text(value)}"


def _text(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value  # a NumPy or torch scalar
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple | set):
        return "[" + ",".join(_text(inner) for inner in value) + "]"
    text = str(value)
    if re.fullmatch(r"[A-Za-z_/][A-Za-z0-9_/.-]*", text) and text.lower() not in _WORDS:
        return text  # the choice of a config group must not be quoted
    return in_quotes(text)


def in_quotes(text: str) -> str:
    r"""Quote a text according to Hydra's grammar.

    >>> print(in_quotes("it's"), in_quotes("a folder\\"))
    'it\'s' 'a folder\\'
    """
    return QuotedString(text, Quote.single).with_quotes()
