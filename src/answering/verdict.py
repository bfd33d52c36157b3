"""The comparison of an answer's pairs, as for any study: the numbers, and whether they have decided."""

from __future__ import annotations

from pathlib import Path

from src.analysis.summary import Summary
from src.analysis.task import Comparison
from src.analysis.verdict import Verdict


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


def leading(comparison: Comparison) -> Verdict | None:
    """Return the verdict that an answer leads with: for other seeds and other test sequences together.

    If the test data allow no conclusion about other sequences (a series too short for six blocks, a single text), it is
    the verdict over seeds alone.
    """
    both, alone = comparison.both, comparison.verdict
    never = both is not None and both.outcome == "no verdict" and alone is not None and alone.outcome != "no verdict"
    return alone if never else both


def settled(directory: Path) -> bool:
    """Return whether a look has decided, so that no further sitting is started."""
    verdicts = [leading(comparison) for _, comparison in summary_of(directory).headline()]
    return all(verdict is not None and verdict.outcome in ("better", "same") for verdict in verdicts)
