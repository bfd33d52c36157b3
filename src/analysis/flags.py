"""A reason to distrust a comparison, as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Weight = Literal["serious", "note"]  # serious: it may change the answer
FlagKind = Literal[
    "diverged", "chance", "failed", "unfinished",  # how runs ended
    "missing", "conflict",  # pairs that are not there, two runs for one seed
    "budget", "tuning", "seeds", "edge", "gap", "plan", "margin", "look",  # how the comparison was set up
    "capped", "clipping",  # how runs were trained
    "checksum", "leaked", "measured", "results_version", "precision", "code", "dirty", "backend", "shared",
    "last_epoch", "published",
]  # fmt: skip


@dataclass(frozen=True)
class Flag:
    """One reason."""

    kind: FlagKind  # what it is about
    weight: Weight  # whether it may change the answer
    sentence: str  # what is the matter, with the numbers
    data: str | None = None  # data, arm: of one task; None: of the whole study, of all arms
    arm: str | None = None
    models: list[str] = field(default_factory=list)  # those that it is about
    runs: list[str] = field(default_factory=list)  # ids


def serious_first(flags: Iterable[Flag]) -> list[Flag]:
    """The flags that may change the answer, then the notes, each in the order given."""
    return sorted(flags, key=lambda flag: flag.weight != "serious")
