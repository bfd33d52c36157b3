"""The sentences of an answer: why there is no verdict, what is missing, what to try, and the next commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.analysis.sensitivity import by_margin, over_seeds
from src.answering.deployed import Deployed
from src.answering.pilot import Pilot
from src.answering.result import Answer
from src.answering.sitting import Sitting
from src.answering.verdict import leading
from src.config.digits import three
from src.config.errors import counted
from src.files import from_here
from src.reporting.page.words import duration
from src.studies.plan import Plan

# Flags that a reader must see beside the verdict; the others are on the page.
SAID = ("chance", "diverged", "failed", "edge", "capped")


@dataclass(frozen=True)
class Reached:
    """How far an answer is when its time budget is used up."""

    folder: Path
    typed: Sequence[str]  # the line without minutes and margin
    models: Sequence[str]  # that are compared
    slots: int  # runs at a time
    pilot: Pilot
    plan: Plan | None = None  # None: the minutes were over in the pilot
    sitting: Sitting | None = None  # None as the plan

    @property
    def seconds(self) -> float:
        """Return the seconds that the runs missing before the next look take, with the work around them."""
        assert self.sitting is not None
        next_sitting = self.sitting.wanted * len(self.models)  # as many pairs again
        runs = self.sitting.missing or next_sitting
        return 1.25 * math.ceil(runs / self.slots) * self.pilot.run_seconds


def why_none(reached: Reached) -> str:
    """Explain the missing verdict if nothing was compared."""
    sitting, name = reached.sitting, reached.pilot.metric.removeprefix("test/")
    if sitting is None:
        return "No verdict: time ran out in the pilot, before there was a plan."
    if sitting.stage == "unbeaten" and sitting.margin is not None:
        return (
            f"No verdict: no network beats the best trivial predictor on validation ({name} "
            f"{three(sitting.margin.reached)} against {three(sitting.margin.baseline)}), so there is nothing to "
            "compare; the test set was not used."
        )
    if sitting.stage == "trials":
        return "No verdict: time ran out while trying learning rates."
    return "No verdict: time ran out before the first pair was complete."


def remarks(reached: Reached, made: Answer, used: dict[str, Deployed | str]) -> Iterator[str]:
    """Iterate over what is missing, what would change the verdict, and what to try.

    Args:
        reached: how far it has come.
        made: the answer, with its summary.
        used: one run of each model as an exported graph, or why there is none.
    """
    pilot, sitting = reached.pilot, reached.sitting
    if sitting is not None and sitting.stage == "unbeaten":
        tried = "more data or features, another target, a longer data.lookback, a larger model.budget"
        yield f"Things to try: {tried}{', or more minutes, because updates were limited' if pilot.capped else ''}."
    if sitting is not None and sitting.stage in ("pairs", "trials"):
        missing = counted(sitting.missing, "run")
        yield (
            f"{missing} {'is' if sitting.missing == 1 else 'are'} still needed before the planned look at "
            f"{sitting.wanted} pairs, taking about {duration(reached.seconds)}."
        )
    yield from (flag.sentence for flag in (made.summary.all_flags() if made.summary else ()) if flag.kind in SAID)
    task, comparison = made.headline
    if task is not None and comparison is not None and comparison.verdict is not None:
        leads = leading(comparison)
        if comparison.verdict.look is None or leads is None or leads is comparison.verdict:
            yield from comparison.sensitivity
        else:
            yield from by_margin(task, comparison, leads)
            yield f"Over seeds alone, for exactly these test sequences: {comparison.verdict.sentence}"
            alone = over_seeds(task, comparison)
            yield from (f"Over seeds alone, {sentence[:1].lower()}{sentence[1:]}" for sentence in alone)
    yield from (f"{model}: {cost}" for model, cost in used.items() if isinstance(cost, str))
    if pilot.capped:
        updates = counted(pilot.updates, "update")
        yield f"All runs were limited to {updates}, so that enough of them fit into the time budget."


def commands(reached: Reached, made: Answer) -> Iterator[tuple[str, str]]:
    """Iterate over the next commands, by purpose."""
    if (minutes := _minutes_to_go_on(reached, made)) is not None:
        yield "continue", f"{shlex.join(['gatebench', 'answer', *reached.typed])} minutes={max(1, math.ceil(minutes))}"
    if made.run is not None:
        run = str(from_here(made.run))
        own = reached.plan is not None and any("data.path" in (node or {}) for node in reached.plan.data.values())
        if own:
            yield "predict", shlex.join(["gatebench", "predict", run]) + " NEW_FILE"
        else:
            yield "evaluate it again", shlex.join(["gatebench", "evaluate", run])
        yield "export", shlex.join(["gatebench", "export", run])
    if made.summary is not None:
        yield "write the report", shlex.join(["gatebench", "compare", f"study={from_here(made.folder)}"])


def _minutes_to_go_on(reached: Reached, made: Answer) -> float | None:
    """Return the minutes to the next look; None if nothing is left to decide."""
    sitting = reached.sitting
    if sitting is None:
        return 4 * reached.pilot.minutes
    verdict = leading(made.headline[1]) if made.headline[1] else None
    decided = verdict is not None and (verdict.outcome in ("better", "same") or verdict.more_sequences)
    if decided or sitting.stage == "unbeaten":
        return None
    return reached.seconds / 60 / (0.9 if sitting.stage == "looked" else 0.8)
