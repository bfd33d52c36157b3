"""Terminal output: names of models, data and runs are shown literally, and cannot send control codes."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# All control characters except tab and line break, bidirectional controls, and surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text with everything escaped that could move the cursor, change colours or write to a clipboard.

    >>> print(printable("a\x1b[31mred"))
    a\x1b[31mred
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Sentences(logging.Formatter):
    """Make log messages printable; named in ``conf/hydra/job_logging``."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as its message, with the stack trace if there is one."""
        return printable(super().format(record))


@cache
def _kind() -> type[Console]:
    from rich.console import Console

    class Screen(Console):
        def render_str(self, text: str, **settings: Any) -> Any:
            return super().render_str(printable(text), **settings)

    return Screen


def screen(**settings: Any) -> Console:
    """Return a Rich console that prints square brackets and colons literally: no markup, no emoji, no escapes.

    ``settings`` are arguments of ``rich.console.Console``.
    """
    return _kind()(markup=False, emoji=False, **settings)
