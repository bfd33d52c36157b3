"""The comparison of an answer's pairs, as any study's: the numbers, and whether they have decided."""

from __future__ import annotations

from pathlib import Path

from src.analysis.summary import Summary


def summary_of(directory: Path) -> Summary:
    """Everything that a comparison of the answer's runs says.

    Raises:
        UserError: there is no final run yet.
    """
    from src.analysis.answer import summarise
    from src.analysis.asked import asked
    from src.analysis.collect import collect

    collection = collect([directory], "study")
    return summarise(collection, asked(collection))


def settled(directory: Path) -> bool:
    """Whether a look has decided, so that no further sitting is begun."""
    verdicts = [comparison.both for _, comparison in summary_of(directory).headline()]
    return all(verdict is not None and verdict.outcome in ("better", "same") for verdict in verdicts)
