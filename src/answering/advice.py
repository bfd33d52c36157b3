"""What an answer says in sentences: why there is no verdict, what is missing or could be tried, what one types next."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.answering.deployed import Deployed
from src.answering.pilot import Pilot
from src.answering.result import Answer
from src.answering.sitting import Sitting
from src.answering.verdict import leading
from src.config.errors import counted
from src.files import from_here
from src.reporting.page.words import duration
from src.studies.plan import Plan


@dataclass(frozen=True)
class Reached:
    """How far an answer has come when its minutes are over."""

    folder: Path
    typed: Sequence[str]  # the line without minutes and margin
    models: Sequence[str]  # that are compared
    slots: int  # runs at a time
    pilot: Pilot
    plan: Plan | None = None  # None: the minutes were over in the pilot
    sitting: Sitting | None = None  # None as the plan

    @property
    def seconds(self) -> float:
        """That what is missing to the next look takes, with what stands around it."""
        assert self.sitting is not None
        as_many_again = self.sitting.wanted * len(self.models)  # of the next sitting
        runs = self.sitting.missing or as_many_again
        return 1.25 * math.ceil(runs / self.slots) * self.pilot.run_seconds


def why_none(reached: Reached) -> str:
    """Why there is no verdict where nothing was compared."""
    sitting, name = reached.sitting, reached.pilot.metric.removeprefix("test/")
    if sitting is None:
        return "No verdict: the minutes were over in the pilot, before there was a plan."
    if sitting.stage == "unbeaten" and sitting.margin is not None:
        return (
            f"No verdict: no network is better than the best trivial predictor on validation ({name} "
            f"{sitting.margin.reached:.4g} against {sitting.margin.baseline:.4g}), so that there is nothing to "
            "compare; the test set was not touched."
        )
    if sitting.stage == "trials":
        return "No verdict: the minutes were over while learning rates were tried."
    return "No verdict: the minutes were over before the first pair was complete."


def remarks(reached: Reached, made: Answer, used: dict[str, Deployed | str]) -> Iterator[str]:
    """What is missing, what would change the answer, what could be tried.

    Args:
        reached: how far it has come.
        made: the answer, with its summary.
        used: one run of each model as an exported graph, or why there is none.
    """
    pilot, sitting = reached.pilot, reached.sitting
    if sitting is not None and sitting.stage == "unbeaten":
        tried = "more data or features, another target, a longer data.lookback, a larger model.budget"
        yield f"What could be tried: {tried}{', or more minutes, as runs were capped' if pilot.capped else ''}."
    if sitting is not None and sitting.stage in ("pairs", "trials"):
        missing = counted(sitting.missing, "run")
        yield (
            f"{missing} of the plan {'is' if sitting.missing == 1 else 'are'} missing before its look at "
            f"{sitting.wanted} pairs, which takes about {duration(reached.seconds)}."
        )
    _, comparison = made.headline
    if comparison is not None and comparison.verdict is not None:
        if comparison.verdict.look is not None and comparison.verdict is not leading(comparison):
            yield f"Over seeds alone, for these very test sequences: {comparison.verdict.sentence}"
        yield from comparison.sensitivity
    for tuning in made.summary.flags if made.summary else ():
        if tuning.kind == "edge":
            yield tuning.sentence
    yield from (f"{model}: {cost}" for model, cost in used.items() if isinstance(cost, str))
    if pilot.capped:
        updates = counted(pilot.updates, "update")
        yield f"All runs were capped at {updates}, so that enough of them fit into the minutes."


def commands(reached: Reached, made: Answer) -> Iterator[tuple[str, str]]:
    """What one types next: what it does, and the command."""
    if (minutes := _minutes_to_go_on(reached, made)) is not None:
        yield "go on", f"{shlex.join(['gatebench', 'answer', *reached.typed])} minutes={max(1, math.ceil(minutes))}"
    if made.run is not None:
        run = str(from_here(made.run))
        own = reached.plan is not None and any("data.path" in (node or {}) for node in reached.plan.data.values())
        if own:
            yield "predict", shlex.join(["gatebench", "predict", run]) + " NEW_FILE"
        else:
            yield "measure it again", shlex.join(["gatebench", "evaluate", run])
        yield "export", shlex.join(["gatebench", "export", run])
    if made.summary is not None:
        yield "report", shlex.join(["gatebench", "compare", f"study={from_here(made.folder)}"])


def _minutes_to_go_on(reached: Reached, made: Answer) -> float | None:
    """Minutes that lead to the next look; None where nothing is left to be asked."""
    sitting = reached.sitting
    if sitting is None:
        return 4 * reached.pilot.minutes
    verdict = leading(made.headline[1]) if made.headline[1] else None
    decided = verdict is not None and (verdict.outcome in ("better", "same") or verdict.more_sequences)
    if decided or sitting.stage == "unbeaten":
        return None
    return reached.seconds / 60 / (0.9 if sitting.stage == "looked" else 0.8)
