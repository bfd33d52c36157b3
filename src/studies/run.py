"""A study from its plan to its last run: trials, repeats of the best, extensions, choice, final runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from omegaconf import OmegaConf

from src.config.errors import UserError
from src.runs.record import read_record_dict as read_record
from src.studies.choose import edge, extended_list, extended_range, further_draws, ranked, tried, validation_cost
from src.studies.jobs import Job, Jobs
from src.studies.plan import Plan, Settings, combinations, first_values
from src.studies.state import StudyState, status_of

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]]], Sequence[str | None]]
DONE = ("finished", "diverged")
POLL = 5.0  # seconds between two looks at runs that another process is at


class Broken(UserError):
    """A study that came to its end with failed runs."""


@dataclass
class Study:
    """What the functions of this file hand on: a plan, its record, and how jobs are made and launched.

    Args:
        plan: what is to be done.
        jobs: makes jobs.
        state: the study's record.
        launch: runs jobs by their overrides, returns a sentence for each that failed; may take hours.
        poll: seconds between two looks at runs that another process is at.
    """

    plan: Plan
    jobs: Jobs
    state: StudyState
    launch: Launch
    poll: float = POLL
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Of the study."""
        return self.state.directory

    def record(self, job: Job) -> dict[str, Any] | None:
        """What a job's run has written so far."""
        return read_record(self.directory / job.id)


def run_study(study: Study) -> list[Job]:
    """Do what of a study is not done yet.

    Args:
        study: its plan and means.

    Returns:
        The final runs, in the order of data set, arm, seed and model.

    Raises:
        Broken: after everything else is done, when runs failed; the sentence says how many and where their logs are.
    """
    plan = study.plan
    cells = {cell: models for cell in plan.cells() if (models := fitting_models(study, *cell))}
    values: dict[tuple[str, str], dict[str, Settings]] = {
        cell: {model: {} for model in models} for cell, models in cells.items()
    }
    if plan.tuning:
        values = tune(study, cells)
    study.state.register()
    final = [
        study.jobs.job("final", model, data, arm, seed, values[data, arm][model])
        for (data, arm), models in cells.items()
        for seed in range(plan.pairs_of(data))
        for model in models
        if model in values[data, arm]
    ]
    do(study, final)
    if study.errors:
        name, sentence = next(iter(study.errors.items()))
        raise Broken(
            f"{len(study.errors)} runs of the study failed; the first, in {study.directory / name}: {sentence} "
            "The same command tries them again."
        )
    return final


def fitting_models(study: Study, data: str, arm: str) -> list[str]:
    """The models that can be trained on a data set; one that may not look ahead there is put on record."""
    from src.tasks.base import LooksAhead
    from src.tasks.build import build

    found = []
    for model in study.plan.models:
        cfg = study.jobs.config(model, data, arm)
        try:
            if OmegaConf.select(cfg, "model.bidirectional", default=False):
                build(cfg)
        except LooksAhead as error:
            log.info("%s is left out of %s: %s", model, data, error)
            study.state.content["left_out"].append({"model": model, "data": data, "reason": str(error)})
            study.state.write()
        else:
            found.append(model)
    return found


# ------------------------------------------------------------------------------------------------------------ running


def do(study: Study, jobs: Sequence[Job]) -> None:
    """Bring jobs to their end: skip what is done, launch the rest, try what failed once again, wait for others.

    Args:
        study: its launcher is used.
        jobs: each at most launched twice, and once if it had failed before.
    """
    study.state.planned(jobs)
    once = {job.id: job for job in jobs}
    tries = {name: 1 if status_of(study.directory, name) == "failed" else 2 for name in once}
    waiting = False
    while True:
        status = {name: status_of(study.directory, name) for name in once}
        todo = [job for name, job in once.items() if status[name] not in (*DONE, "running") and tries[name] > 0]
        if todo:
            for job in todo:
                tries[job.id] -= 1
            errors = study.launch([job.overrides for job in todo])
            for job, error in zip(todo, errors, strict=True):
                if error:
                    study.errors[job.id] = error
        elif "running" in status.values():
            if not waiting:
                log.info("Waiting for %d runs that another process is at.", list(status.values()).count("running"))
            waiting = True
            time.sleep(study.poll)
        else:
            break
    for name in once:
        if status_of(study.directory, name) in DONE:
            study.errors.pop(name, None)
        else:
            record = read_record(study.directory / name) or {}
            study.errors[name] = record.get("error") or study.errors.get(name) or "It left no record."


# ------------------------------------------------------------------------------------------------------------- tuning


def tune(study: Study, cells: dict[tuple[str, str], list[str]]) -> dict[tuple[str, str], dict[str, Settings]]:
    """The chosen values of every model in every cell, from trials that all models share.

    Args:
        study: its plan has a tuning.
        cells: the models of each data set and arm.
    """
    tuning = study.plan.tuning
    assert tuning is not None
    first = first_values(tuning)
    trials = {cell: combinations(tuning, first) for cell in cells}
    # What an earlier start extended stays extended: its trials are on record.
    for extension in study.state.content["extensions"]:
        cell = extension["data"], extension["arm"]
        if cell in trials:
            trials[cell] += [t for t in extension["trials"] if t not in trials[cell]]
    pending = list(cells)
    chosen: dict[tuple[str, str], dict[str, Settings]] = {}
    while pending:
        do(study, [job for cell in pending for job in _trials(study, cell, cells[cell], trials[cell])])
        do(study, [job for cell in pending for job in _repeats(study, cell, cells[cell], trials[cell])])
        again = []
        for cell in pending:
            chosen[cell] = choose(study, cell, cells[cell], trials[cell])
            if more := extend(study, cell, chosen[cell], trials[cell]):
                trials[cell] += more
                again.append(cell)
        pending = again
    return chosen


def _trials(study: Study, cell: tuple[str, str], models: list[str], trials: list[Settings]) -> list[Job]:
    assert study.plan.tuning is not None
    seed = study.plan.tuning.first_seed
    study.state.content["draws"].setdefault(cell[0], {}).update(
        {key: tried(trials, key) for key in study.plan.tuning.draws}
    )
    study.state.write()
    return [study.jobs.job("trial", model, *cell, seed, trial) for trial in trials for model in models]


def _best(study: Study, cell: tuple[str, str], model: str, trials: list[Settings]) -> list[int]:
    assert study.plan.tuning is not None
    seed, mode = study.plan.tuning.first_seed, _mode(study, model, cell)
    costs = {
        number: validation_cost(study.record(study.jobs.job("trial", model, *cell, seed, trial)), mode)
        for number, trial in enumerate(trials)
    }
    return ranked(costs, study.plan.tuning.repeat.best)


def _repeats(study: Study, cell: tuple[str, str], models: list[str], trials: list[Settings]) -> list[Job]:
    return [
        job
        for model in models
        for n in _best(study, cell, model, trials)
        for job in _again(study, cell, model, trials[n])
    ]


def _again(study: Study, cell: tuple[str, str], model: str, trial: Settings) -> list[Job]:
    assert study.plan.tuning is not None
    first, seeds = study.plan.tuning.first_seed + 1, study.plan.tuning.repeat.seeds
    return [study.jobs.job("repeat", model, *cell, seed, trial) for seed in range(first, first + seeds)]


def choose(study: Study, cell: tuple[str, str], models: list[str], trials: list[Settings]) -> dict[str, Settings]:
    """The trial of each model whose repeats are best on average; noted in ``study.json``.

    A model none of whose trials came to an end is left out, and said to be.
    """
    data, arm = cell
    found: dict[str, Settings] = {}
    for model in models:
        mode = _mode(study, model, cell)
        candidates = []
        for number in _best(study, cell, model, trials):
            jobs = _again(study, cell, model, trials[number]) or [
                study.jobs.job("trial", model, *cell, study.plan.tuning.first_seed, trials[number])  # type: ignore[union-attr]
            ]
            cost = fmean(validation_cost(study.record(job), mode) for job in jobs)
            candidates.append((cost, number, [job.id for job in jobs]))
        candidates.sort()
        if not candidates or candidates[0][0] == float("inf"):
            reason = "no trial came to its end with a finite validation value"
            log.warning("%s is left out of %s: %s.", model, data, reason)
            study.state.content["left_out"].append({"model": model, "data": data, "arm": arm, "reason": reason})
            continue
        sign = 1 if mode == "min" else -1
        found[model] = trials[candidates[0][1]]
        study.state.content["chosen"].setdefault(data, {}).setdefault(arm, {})[model] = {
            "values": found[model],
            "value": sign * candidates[0][0],
            "monitor": _monitor(study, model, cell),
            "mode": mode,
            "candidates": [
                {"values": trials[n], "value": sign * cost if cost < float("inf") else None, "runs": runs}
                for cost, n, runs in candidates
            ],
        }
    study.state.write()
    return found


def extend(study: Study, cell: tuple[str, str], chosen: dict[str, Settings], trials: list[Settings]) -> list[Settings]:
    """Further trials for all models of a cell, where the choice of one lies at the edge of a range; noted.

    Args:
        study: at most ``tuning.extensions`` are made in a cell.
        cell: data set and arm.
        chosen: by model.
        trials: so far.
    """
    tuning = study.plan.tuning
    assert tuning is not None
    data, arm = cell
    on_record = study.state.content["extensions"]
    made = [e for e in on_record if (e["data"], e["arm"]) == cell]
    if len(made) >= tuning.extensions:
        return []
    for key, spec in tuning.draws.items():
        values = tried(trials, key)
        limits = None if isinstance(spec, list) else _limits(made, key, (spec["low"], spec["high"]))
        for model, trial in chosen.items():
            side = edge(values, trial[key], limits)
            if side is None:
                continue
            if limits is None:
                start = {
                    k: v if isinstance(tuning.draws[k], list) else tried(trials, k)
                    for k, v in first_values(tuning).items()
                }
                new = {**start, key: extended_list(values, side)}
                before, after = [min(values), max(values)], [min([*values, *new[key]]), max([*values, *new[key]])]
            else:
                piece = extended_range(limits, side)
                new = further_draws(tuning, key, piece, len(made) + 1)
                before, after = list(limits), [min(*limits, *piece), max(*limits, *piece)]
            more = [trial for trial in combinations(tuning, new) if trial not in trials]
            if not more:
                continue
            log.info(
                "%s on %s chose %s=%s, at the edge: the range is extended for all models.", model, data, key, trial[key]
            )
            on_record.append(
                {
                    "time": time.time(),
                    **{"data": data, "arm": arm, "key": key, "side": side, "from": before, "to": after},
                    "draws": new[key],
                    "trials": more,
                    "because": {"model": model, "arm": arm, "value": trial[key]},
                }
            )
            study.state.write()
            return more
    return []


def _limits(made: list[dict[str, Any]], key: str, first: tuple[float, float]) -> tuple[float, float]:
    for extension in made:
        if extension["key"] == key:
            first = (extension["to"][0], extension["to"][1])
    return first


def _mode(study: Study, model: str, cell: tuple[str, str]) -> str:
    return str(study.jobs.config(model, *cell).task.mode)


def _monitor(study: Study, model: str, cell: tuple[str, str]) -> str:
    return str(study.jobs.config(model, *cell).task.monitor)
