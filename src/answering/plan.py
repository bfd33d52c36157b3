"""The plan of an answer: an ordinary study, written as a file after the pilot, and never rewritten."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from src.config.errors import UserError
from src.files import write_atomically
from src.runs.study_record import LogUniform, Settings, StudyRecord, TuningRecord
from src.statistics.decision import LEAST
from src.statistics.sittings import RUNNING, TRIALS, allocation
from src.studies.plan import Plan, read_plan, values_of

FIRST_SEED = 1_000_000  # of the trials; pairs have the seeds below it, however many they become
MOST_TRIALS = 12  # per model; more tell little about a single learning rate
FILLED = 0.8  # share of the remaining time that a plan fills: a run may take longer than the pilot's
LIMITED = {  # what a budget limits, by model.budget_of
    "recurrent": "recurrent parameters",
    "total": "parameters",
    "state": "numbers in the state",
    "flops": "multiply-adds per step",
    "seconds": "microseconds per training step",
}
HEAD = """# @package _global_
# Written by gatebench answer after its pilot. The plan is fixed: any change makes it another plan.
"""


def node_of(
    name: str,
    models: Sequence[str],
    data: dict[str, Settings],
    settings: Settings,
    metric: str,
    rates: Sequence[float],
    *,
    pairs: int = 1,
    repeat: dict[str, int] | None = None,
    margin: float | None = None,
) -> dict[str, Any]:
    """Return the ``study`` node of an answer, in the format of a file in ``experiments/``."""
    (label,) = data
    draws = {"optimizer.lr": list(rates)}
    repeat = repeat or {"best": 1, "seeds": 1}
    sized = settings.get("model.budget") is not None  # else the models may differ in size
    equal = f"equal {LIMITED[settings.get('model.budget_of', 'recurrent')]} and " if sized else ""
    return {
        "name": name,
        "question": f"{models[0]} or {models[1]} on {label}, with {equal}equal tuning?",
        "models": {model: {} for model in models},
        "data": data,
        "settings": settings,
        "tuning": {"draws": draws, "repeat": repeat, "first_seed": FIRST_SEED, "extensions": 0},
        "pairs": pairs,
        "sittings": True,
        "tolerance": settings.get("model.budget_tolerance", 0.02),
        "primary": {"models": list(models[:2]), "metric": metric, "margin": margin},
    }


def rates_to_try(name: str, low: float, high: float, number: int, known: float) -> list[float]:
    """Return the trials' learning rates: one from each equal part of a range, the pilot's in its own part.

    >>> rates_to_try("mine", 0.001, 0.016, 4, 0.005)
    [0.005, 0.001038, 0.002412, 0.01355]
    """
    parts = LogUniform(low, high, number)
    drawn = sorted(values_of(TuningRecord({"rate": parts}, seed=zlib.crc32(name.encode())))["rate"])
    own = min(max(0, int(math.log(known / low) / parts.stratum)), number - 1)
    return [known, *(rate for part, rate in enumerate(drawn) if part != own)]


@dataclass(frozen=True)
class Numbers:
    """Numbers of runs in a plan, and how long they take."""

    pairs: int
    trials: int  # per model
    best: int  # trials to repeat
    seeds: int  # repeats of each
    seconds: float  # duration of all runs that are not done


def numbers(seconds: float, run_seconds: float, slots: int, models: int, done: int) -> Numbers:
    """Return the numbers of runs that fit into the remaining time, but at least as many as a verdict needs.

    Each model's best trial is repeated at least once, so that the margin does not depend on a lucky trial.

    >>> numbers(600, 10, 2, 2, done=2)
    Numbers(pairs=40, trials=12, best=3, seeds=3, seconds=600.0)
    >>> numbers(60, 10, 1, 2, done=2)
    Numbers(pairs=6, trials=4, best=1, seeds=1, seconds=200.0)

    Args:
        seconds: time to fill with runs.
        run_seconds: duration of one run.
        slots: number of runs at a time.
        models: number of models to compare.
        done: number of the pilot's runs that are trials.
    """
    whole = (max(0.0, seconds) + done * run_seconds / slots) / RUNNING
    fitting = allocation(whole, slots, run_seconds, models)
    each = max(fitting.trials, TRIALS)
    trials = min(MOST_TRIALS, max(TRIALS, math.ceil(0.6 * each)))
    rest = max(1, each - trials)
    best = 1 if rest < 4 else 2 if rest < 9 else 3
    seeds = min(3, rest // best)
    spare = max(0, each - trials - best * seeds)  # not needed for the choice
    pairs = max(fitting.pairs, LEAST) + spare
    runs = models * (pairs + trials + best * seeds) - done
    return Numbers(pairs, trials, best, seeds, runs * run_seconds / slots)


def file_of(directory: Path) -> Path:
    """Return the path of an answer's plan."""
    return directory / "experiments" / f"{directory.name}.yaml"


def write_plan(directory: Path, node: dict[str, Any]) -> None:
    """Write the plan atomically.

    Raises:
        UserError: the node is not a valid plan.
    """
    read_plan(node)
    content = {"defaults": ["base", "_self_", {"override /hydra/sweeper": "study"}], "study": node}
    text = HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_atomically(file_of(directory), lambda out: out.write(text.encode()))


def read_node(directory: Path) -> dict[str, Any] | None:
    """Return the ``study`` node of the written plan; None before that.

    Raises:
        UserError: the file is not what was written.
    """
    path = file_of(directory)
    try:
        node: dict[str, Any] = yaml.safe_load(path.read_text())["study"]
        read_plan(node)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, UserError) as error:
        words = " ".join(str(error).split())
        raise UserError(
            f"{path} is damaged ({words}): restore the plan from study.json next to it, or delete {directory} and "
            "start again."
        ) from None
    return node


def with_margin(directory: Path, node: dict[str, Any], margin: float | None, record: StudyRecord | None) -> Plan:
    """Return the plan with a margin given now, which is accepted until the first final run.

    Raises:
        UserError: it is too late for another margin.
    """
    plan = read_plan(node)
    assert plan.primary is not None
    (data,) = plan.data
    if margin is None or margin == plan.primary.margin:
        return plan
    if record is not None and record.registered is not None:
        made = record.margins.get(data)
        known = plan.primary.margin_of(data) if made is None else made.margin
        if margin == known:
            return plan
        raise UserError(
            f"margin={margin:g} is too late: this answer's margin, {'none' if known is None else f'{known:g}'}, was "
            "fixed before its first final run, and a new one could be chosen with results in view; drop margin."
        )
    node["primary"]["margin"] = margin
    write_plan(directory, node)
    return replace(plan, primary=replace(plan.primary, margin=margin))
