"""How an answer is shown: progress and result on a terminal, and the head of its page."""

from __future__ import annotations

import html

from src.answering.clock import Clock
from src.answering.pilot import Pilot
from src.answering.result import Answer, Row
from src.config.digits import three
from src.config.screen import screen
from src.files import from_here
from src.reporting.page.words import duration

# Of the columns beside the name; the first is the metric.
HEADS = ("", "95 % interval", "runs", "weights", "train s", "use ms", "use MB")


class Terminal:
    """Progress and result on standard output.

    Args:
        quiet: print nothing.
        again: how to continue after an interruption, as an imperative.
    """

    def __init__(self, quiet: bool = False, again: str = "run the same command") -> None:
        self.console, self.again = screen(quiet=quiet), again

    def began(self, clock: Clock) -> None:
        """Called when the time budget starts."""

    def looked(self, pilot: Pilot) -> None:
        """Print how the data were interpreted."""
        from rich.table import Table

        (label,) = pilot.data
        table = Table(title=label, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
        for head in ("", "value", "key to change it"):
            table.add_column(head, overflow="fold")
        for row in pilot.table:
            table.add_row(*row)
        self.console.print(table)
        for sentence in pilot.odd:
            self.console.print(f"- {sentence}", highlight=False)

    def say(self, line: str) -> None:
        """Print a line."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def ticked(self) -> None:
        """Called every few seconds, from another thread."""

    def over(self, made: Answer) -> None:
        """Print the answer."""
        from rich.table import Table

        self.console.print()
        self.console.print(made.verdict, style="bold", highlight=False)
        self.console.print(made.sentence, highlight=False)
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("", overflow="fold", min_width=8)
        for head in HEADS:
            table.add_column(head or made.metric, justify="right", no_wrap=True)
        trained = [row for row in made.rows if row.runs]
        for row in trained:
            table.add_row(row.name, *cells(row))
        if trained:
            self.console.print(table)
        if beside := [f"{row.name} {cells(row)[0]}" for row in made.rows if row not in trained and cells(row)[0]]:
            self.console.print(f"{made.metric.removeprefix('test/')}: {'; '.join(beside)}", highlight=False)
        for sentence in made.remarks:
            self.console.print(f"- {sentence}", highlight=False)
        if made.run is not None:
            test = "" if made.run_test is None else f" ({made.metric} {three(made.run_test)})"
            self.say(f"Ready for use: {from_here(made.run)}{test}.")
        if made.small_print:
            self.console.print(made.small_print[0], highlight=False)
        for does, line in made.commands.items():
            self.say(f"next, to {does}: {line}")
        self.say(f"{duration(60 * made.minutes)}. {from_here(made.page)}")


def cells(row: Row) -> list[str]:
    """Return a row's formatted numbers, in the order of :data:`HEADS`."""
    test, *costs = map(three, (row.test, row.training_seconds, row.milliseconds, row.memory_mb))
    weights = "" if row.parameters is None else f"{row.parameters:,}"
    return [test, row.interval, f"{row.runs or ''}", weights, *costs]


def lead(made: Answer) -> str:
    """Return the head of the page, with all text escaped: verdict, numbers, next steps."""

    def tag(name: str, text: str) -> str:
        return f"<{name}>{html.escape(text)}</{name}>"

    rows = [(row.name, cells(row)) for row in made.rows]
    kept = [k for k, _ in enumerate(HEADS) if k == 0 or any(shown[k] for _, shown in rows)]
    # Of the test set, unless all there is comes from validation.
    metric = made.metric if any(row.runs for row in made.rows) else made.metric.removeprefix("test/")
    heads = "".join(tag("th", head) for head in ("", *(HEADS[k] or metric for k in kept)))
    numbers = (
        tag("th", name) + "".join(f'<td class="n">{html.escape(shown[k])}</td>' for k in kept) for name, shown in rows
    )
    body = "".join(f"<tr>{row}</tr>" for row in numbers)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    remarks = "".join(tag("li", sentence) for sentence in made.remarks)
    commands = "".join(
        f"{tag('dt', does)}<dd><pre>{html.escape(line)}</pre></dd>" for does, line in made.commands.items()
    )
    ready = ""
    if made.run is not None and made.run_test is not None:
        ready = tag("p", f"The run {made.run.name} is ready for use; its own {made.metric} is {three(made.run_test)}.")
    return (
        f'<section id="verdict"><h2>{html.escape(made.verdict)}</h2>{tag("p", made.sentence)}'
        f'<div class="scroll">{table}</div><ul>{remarks}</ul>{ready}<dl class="commands">{commands}</dl></section>'
    )
