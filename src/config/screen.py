"""The screen that tables are printed on: names of models, data and runs stand there as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def screen(**settings: Any) -> Console:
    """Rich's console, on which square brackets and colons in a text are text: no markup, no emoji.

    ``settings`` are those of ``rich.console.Console``.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, **settings)
