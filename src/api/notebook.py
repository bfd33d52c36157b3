"""Progress of an answer in a notebook: one output that is replaced, without widgets."""

from __future__ import annotations

import html
from typing import Any

from src.answering.clock import Clock
from src.answering.pilot import Pilot
from src.answering.result import Answer
from src.answering.shown import Terminal
from src.api.words import for_python
from src.reporting.page.words import duration


class Notebook(Terminal):
    """Progress in a notebook: a bar for the time budget, the latest line, and all earlier ones below."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self.again, self._html = "make the same call", HTML
        self._lines, self._table = list[str](), ""
        self._clock: Clock | None = None
        self._output: Any = display(HTML(""), display_id=True)

    def began(self, clock: Clock) -> None:
        """Show the progress bar."""
        self._clock = clock
        self._show()

    def looked(self, pilot: Pilot) -> None:
        """Show how the data were interpreted, with the keywords that change it."""
        rows = ((what, value, for_python(key)) for what, value, key in pilot.table)
        cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        self._table = f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
        self._lines += map(for_python, pilot.odd)
        self._show()

    def say(self, line: str) -> None:
        """Show a line in place of the last one, which moves below."""
        self._lines.append(line)
        self._show()

    def ticked(self) -> None:
        """Update the bar."""
        self._show()

    def over(self, made: Answer) -> None:
        """Replace the bar by the verdict."""
        self._clock = None
        self.say(f"{made.verdict[:1].upper()}{made.verdict[1:]}, after {duration(60 * made.minutes)}: {made.folder}")

    def _show(self) -> None:
        """Replace the output."""
        said = [html.escape(line) for line in self._lines]
        bar = ""
        if self._clock is not None:
            share = min(1.0, self._clock.spent / self._clock.seconds)
            times = f"{duration(self._clock.spent)} of {duration(self._clock.seconds)}"
            bar = f'<progress value="{share:.3f}" max="1"></progress> {times}<br>'
        earlier = f"<details><summary>So far</summary>{self._table}{'<br>'.join(said[:-1])}</details>"
        self._output.update(self._html(f"<div>{bar}{said[-1] if said else ''}{earlier if said else ''}</div>"))
