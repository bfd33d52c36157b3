"""Flags: reasons to distrust a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Weight = Literal["serious", "note"]  # serious: may change the verdict
FlagKind = Literal[
    "diverged", "chance", "failed", "unfinished",  # how runs ended
    "missing", "conflict",  # missing pairs, two runs for one seed
    "budget", "tuning", "seeds", "edge", "gap", "plan", "margin", "look",  # how the comparison was set up
    "capped", "clipping",  # how runs were trained
    "checksum", "leaked", "measured", "results_version", "precision", "code", "dirty", "backend", "shared",
    "last_epoch", "published",
]  # fmt: skip


@dataclass(frozen=True)
class Flag:
    """One reason."""

    kind: FlagKind  # the subject of the flag
    weight: Weight  # whether it may change the verdict
    sentence: str  # the problem, with the numbers
    data: str | None = None  # data, arm: of one task; None: of the whole study, of all arms
    arm: str | None = None
    models: list[str] = field(default_factory=list)  # the models concerned
    runs: list[str] = field(default_factory=list)  # ids


def serious_first(flags: Iterable[Flag]) -> list[Flag]:
    """Sort serious flags before notes, keeping the given order within each."""
    return sorted(flags, key=lambda flag: flag.weight != "serious")
