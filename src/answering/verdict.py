"""The comparison of an answer's pairs, as for any study: the numbers, and whether they have decided."""

from __future__ import annotations

from pathlib import Path

from src.analysis.summary import Summary


def summary_of(directory: Path) -> Summary:
    """Return the complete comparison of the answer's runs.

    Raises:
        UserError: there are no final runs yet.
    """
    from src.analysis.answer import summarise
    from src.analysis.asked import asked
    from src.analysis.collect import collect

    collection = collect([directory], "study")
    return summarise(collection, asked(collection))


def settled(directory: Path) -> bool:
    """Return whether a look has decided, so that no further sitting is started."""
    verdicts = [comparison.both for _, comparison in summary_of(directory).headline()]
    return all(verdict is not None and verdict.outcome in ("better", "same") for verdict in verdicts)
