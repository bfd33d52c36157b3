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
    "checksum", "leaked", "measured", "results_version", "source", "precision", "code", "dirty", "backend", "shared",
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


def serious_by_kind(flags: Iterable[Flag]) -> list[tuple[str | None, str]]:
    """Return data (None: everywhere) and sentence of serious flags; three or more of one kind share a sentence.

    That one is of the first, and names the places of the others.

    >>> capped = [Flag("capped", "serious", f"{m} reached a limit.", "jsb", models=[m]) for m in ("rnn", "gru", "lstm")]
    >>> serious_by_kind(capped)
    [('jsb', 'rnn reached a limit. Likewise: jsb (gru, lstm).')]
    """
    kinds: dict[str, list[Flag]] = {}
    for flag in flags:
        if flag.weight == "serious":
            kinds.setdefault(flag.kind, []).append(flag)
    lines = []
    for first, *others in kinds.values():
        if len(others) < 2:
            lines += [(flag.data, flag.sentence) for flag in (first, *others)]
            continue
        places: dict[str, list[str]] = {}
        for flag in others:
            place = " ".join(part for part in (flag.data, flag.arm) if part and part != "main") or "everywhere"
            places.setdefault(place, []).extend(flag.models)
        likewise = (
            f"{place} ({', '.join(dict.fromkeys(models))})" if models else place for place, models in places.items()
        )
        lines.append((first.data, f"{first.sentence} Likewise: {', '.join(likewise)}."))
    return lines
