"""The screen: names of models, data and runs stand there as they are, and none of them gives the terminal an order."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# All control characters but tab and line break, those that turn the direction of a text, and halves of characters.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""A text in which what could move the cursor, change colours or write a clipboard is spelled out.

    >>> print(printable("a\x1b[31mred"))
    a\x1b[31mred
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Sentences(logging.Formatter):
    """What is logged, printable; ``conf/hydra/job_logging`` names it."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, and the stack trace where there is one."""
        return printable(super().format(record))


@cache
def _kind() -> type[Console]:
    from rich.console import Console

    class Screen(Console):
        def render_str(self, text: str, **settings: Any) -> Any:
            return super().render_str(printable(text), **settings)

    return Screen


def screen(**settings: Any) -> Console:
    """Rich's console, on which square brackets and colons in a text are text: no markup, no emoji, no escapes.

    ``settings`` are those of ``rich.console.Console``.
    """
    return _kind()(markup=False, emoji=False, **settings)
