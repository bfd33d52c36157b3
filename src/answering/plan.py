"""The plan of an answer: an ordinary study, written as a file once the pilot is over, and never written again."""

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

FIRST_SEED = 1000  # of the trials
MOST_TRIALS = 12  # of each model; further ones tell little more about one learning rate
NEARLY = 1.1  # times the seconds that are left: where a plan takes no more it is planned, as some runs end early
HEAD = """# @package _global_
# Written by gatebench answer after its pilot. It is fixed: whoever changes it has another plan.
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
    """The ``study`` node of an answer, as a file in ``experiments/`` has it."""
    (label,) = data
    draws = {"optimizer.lr": list(rates)}
    repeat = repeat or {"best": 1, "seeds": 1}
    return {
        "name": name,
        "question": f"{models[0]} or {models[1]} on {label}, with as many recurrent parameters and equal tuning?",
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
    """Learning rates of the trials: one from each of equal parts of a range, that of the pilot in its own part.

    >>> rates_to_try("mine", 0.001, 0.016, 4, 0.005)
    [0.005, 0.001038, 0.002412, 0.01355]
    """
    parts = LogUniform(low, high, number)
    drawn = sorted(values_of(TuningRecord({"rate": parts}, seed=zlib.crc32(name.encode())))["rate"])
    own = min(max(0, int(math.log(known / low) / parts.stratum)), number - 1)
    return [known, *(rate for part, rate in enumerate(drawn) if part != own)]


@dataclass(frozen=True)
class Numbers:
    """Of runs: what a plan asks for, and how long that takes."""

    pairs: int
    trials: int  # of each model
    best: int  # trials that are repeated
    seeds: int  # repeats of each of these
    seconds: float  # that all of it takes, without what is done


def numbers(seconds: float, run_seconds: float, slots: int, models: int, done: int) -> Numbers:
    """What the rest of the minutes has room for, and at least what a verdict takes.

    At least one repeat of each model's best trial, so that the margin does not come from the trial that was lucky.

    >>> numbers(600, 10, 2, 2, done=2)
    Numbers(pairs=40, trials=12, best=3, seeds=3, seconds=600.0)
    >>> numbers(60, 10, 1, 2, done=2)
    Numbers(pairs=6, trials=4, best=1, seeds=1, seconds=200.0)

    Args:
        seconds: that are left for runs.
        run_seconds: of one.
        slots: how many are made at a time.
        models: that are compared.
        done: the pilot's runs that are trials.
    """
    whole = (max(0.0, seconds) + done * run_seconds / slots) / RUNNING
    fitting = allocation(whole, slots, run_seconds, models)
    each = max(fitting.trials, TRIALS)
    trials = min(MOST_TRIALS, max(TRIALS, math.ceil(0.6 * each)))
    rest = max(1, each - trials)
    best = 1 if rest < 4 else 2 if rest < 9 else 3
    seeds = min(3, rest // best)
    spare = max(0, each - trials - best * seeds)  # what the choice does not need
    pairs = max(fitting.pairs, LEAST) + spare
    runs = models * (pairs + trials + best * seeds) - done
    return Numbers(pairs, trials, best, seeds, runs * run_seconds / slots)


def file_of(directory: Path) -> Path:
    """Where the plan of an answer is."""
    return directory / "experiments" / f"{directory.name}.yaml"


def write_plan(directory: Path, node: dict[str, Any]) -> None:
    """Write the plan, whole or not at all.

    Raises:
        UserError: it is no plan.
    """
    read_plan(node)
    content = {"defaults": ["base", "_self_", {"override /hydra/sweeper": "study"}], "study": node}
    text = HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_atomically(file_of(directory), lambda out: out.write(text.encode()))


def read_node(directory: Path) -> dict[str, Any] | None:
    """The ``study`` node of a plan that is written; None before that.

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
            f"{path} is damaged ({words}): put the plan there that is in study.json beside it, or delete "
            f"{directory} and answer anew."
        ) from None
    return node


def with_margin(directory: Path, node: dict[str, Any], margin: float | None, record: StudyRecord | None) -> Plan:
    """The plan with a margin that is given now, which it takes until the first final run.

    Raises:
        UserError: it comes too late.
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
            f"margin={margin:g} comes too late: this answer's margin, {'none' if known is None else f'{known:g}'}, was "
            "fixed before its first final run, and another one would be chosen with results in view; leave margin out."
        )
    node["primary"]["margin"] = margin
    write_plan(directory, node)
    return replace(plan, primary=replace(plan.primary, margin=margin))
