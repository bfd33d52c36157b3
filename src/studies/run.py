"""Run a study from its plan to its last run: fitting models, tuning, final runs, and how jobs are run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omegaconf import OmegaConf

from src.config.errors import UserError, counted
from src.config.instantiate import instantiate
from src.config.shell import command_line
from src.data.describe import Horizon
from src.runs.record import read_record
from src.runs.result import ENDED
from src.runs.study_record import Settings
from src.studies.condition import ConditionTuning
from src.studies.disk import remove_weights
from src.studies.jobs import Job, Jobs
from src.studies.margins import fix_margins
from src.studies.plan import Condition, Plan
from src.studies.state import StudyState, begin_anew, current_jobs, status_of, why_unusable

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]]], Sequence[str | None]]


class RunsFailed(UserError):
    """A study that ended with runs missing."""


@dataclass
class Study:
    """State shared by the functions of this file: a plan, its record, and how jobs are made and launched."""

    plan: Plan
    jobs: Jobs
    state: StudyState
    launch: Launch  # runs jobs by their overrides and returns a message for each that failed; may take hours
    poll: float = 5.0  # seconds between checks of runs held by another process
    errors: dict[str, str] = field(default_factory=dict)  # by run id, why runs are missing
    untuned: set[Condition] = field(
        default_factory=set
    )  # in which nothing is chosen, because a trial or repeat is missing


def run_study(study: Study) -> list[Job]:
    """Do the remaining work of a study.

    In a condition with a missing trial or repeat nothing is chosen, and its data set gets no final runs.

    Returns:
        The final runs, ordered by data set, arm, seed and model.

    Raises:
        RunsFailed: runs are missing at the end; the message gives their number and the command that completes them.
    """
    plan = study.plan
    if plan.resplits:
        check_resplits(study)
    models = {condition: names for condition in plan.conditions() if (names := fitting_models(study, *condition))}
    values = tune(study, models) if plan.tuning else {c: {name: {} for name in names} for c, names in models.items()}
    untuned = {data for data, _ in study.untuned}  # one arm alone would run before its margin is known
    models = {condition: names for condition, names in models.items() if condition[0] not in untuned}
    if plan.tuning:
        fix_margins(plan, study.state, without=untuned)
    if models:
        study.state.register()
    final = final_jobs(study, models, values)
    run_looks(study, final)
    if study.errors:
        raise RunsFailed(missing(study))
    return [job for jobs in final.values() for job in jobs]


def missing(study: Study) -> str:
    """Return what is missing at the end of a study and the command to complete it; logs one line per run."""
    directory, planned = study.state.directory, current_jobs(study.state.directory)
    for name, sentence in study.errors.items():
        job = planned[name]
        words = "missing: %s (%s of %s on %s in %s, seed %d): %s"
        log.warning(words, directory / name, job.phase, job.model, job.data, job.arm, job.seed, sentence)
    name, sentence = next(iter(study.errors.items()))
    told = f"{counted(len(study.errors), 'run')} of the study failed; the first, in {directory / name}: {sentence} "
    if study.untuned:
        where = ", ".join(f"{data} in {arm}" for data, arm in sorted(study.untuned))
        told += f"Nothing was chosen for {where}, because the missing runs might change the choice. "
    return f"{told}Run the same command to try them again: {command_line()}"


def final_jobs(
    study: Study, models: dict[Condition, list[str]], values: dict[Condition, dict[str, Settings]]
) -> dict[Condition, list[Job]]:
    """Return the final runs of every condition, ordered by split, seed and model."""
    splits: list[Settings] = [{"data.split_seed": split} for split in range(study.plan.resplits or 0)] or [{}]
    return {
        condition: [
            study.jobs.job("final", model, *condition, seed, values[condition][model] | split)
            for split in splits
            for seed in range(study.plan.pairs_of(condition[0]))
            for model in names
            if model in values[condition]
        ]
        for condition, names in models.items()
    }


def run_looks(study: Study, final: dict[Condition, list[Job]]) -> None:
    """Run the final jobs from look to look, and record each look when every run that it needs has finished."""
    looks = {condition: study.plan.looks_of(condition[0]) for condition in final}
    for stage in range(max(map(len, looks.values()), default=0)):
        now = {condition: numbers[stage] for condition, numbers in looks.items() if stage < len(numbers)}
        needed = {c: [job for job in final[c] if job.seed < pairs] for c, pairs in now.items()}
        run_jobs(study, [job for jobs in needed.values() for job in jobs])
        for condition, jobs in needed.items():
            if jobs and all(status_of(study.state.directory, job.id) in ENDED for job in jobs):
                study.state.note_look(*condition, now[condition])


def check_resplits(study: Study) -> None:
    """Refuse resplits of data that are not split at random.

    Raises:
        UserError: a data set consists of time series, or its test set is fixed.
    """
    for data, arm in study.plan.conditions():
        cfg = study.jobs.config(next(iter(study.plan.models)), data, arm).data
        drawn = [instantiate(cfg, split_seed=seed) for seed in (0, 1)] if "path" in cfg else []
        if any(isinstance(one.description.output, Horizon) for one in drawn):
            raise UserError(f"study.resplits must be null for {data}: time series cannot be split at random.")
        if len({one.checksum for one in drawn}) < 2:
            raise UserError(
                f"study.resplits must be null for {data}: its test set is fixed, not drawn by data.split_seed."
            )


def fitting_models(study: Study, data: str, arm: str) -> list[str]:
    """Return the models that can be trained on a data set; others, such as non-causal ones, are recorded."""
    from src.tasks.base import LooksAhead
    from src.tasks.build import build

    fitting = []
    begun = any(study.state.directory.glob("*/result.json"))
    for model in study.plan.models:
        cfg = study.jobs.config(model, data, arm)
        solved = not begun and OmegaConf.select(cfg, "model.budget", default=None) is not None
        try:
            if solved or OmegaConf.select(cfg, "model.bidirectional", default=False):
                build(cfg)
        except LooksAhead as error:
            log.info("%s is skipped on %s: %s", model, data, error)
            study.state.leave_out(model, data, str(error))
            continue
        except UserError as error:  # its jobs will say the same, but the first of them may start hours from now
            log.warning("%s cannot be trained on %s: %s", model, data, error)
        fitting.append(model)
    return fitting


def tune(study: Study, models: dict[Condition, list[str]]) -> dict[Condition, dict[str, Settings]]:
    """Return the chosen values of every model in every condition, from trials shared by all models of a condition."""
    assert study.plan.tuning is not None
    tunings = [
        ConditionTuning(study.plan.tuning, study.jobs, study.state, condition, names)
        for condition, names in models.items()
    ]
    pending = tunings
    while pending:
        pending = _completed(study, {tuning: tuning.trial_jobs() for tuning in pending})
        pending = _completed(study, {tuning: tuning.repeat_jobs() for tuning in pending})
        for tuning in pending:
            tuning.choose()
        settled, pending = pending, [tuning for tuning in pending if tuning.extend()]
        for tuning in settled:
            if tuning not in pending and not study.plan.keep_weights:
                remove_weights(study.state.directory, tuning.condition)
    return {tuning.condition: tuning.chosen for tuning in tunings}


def _completed(study: Study, jobs: dict[ConditionTuning, list[Job]]) -> list[ConditionTuning]:
    """Run the jobs of tunings, and return those whose jobs all finished; the others must not choose."""
    run_jobs(study, [job for of_one in jobs.values() for job in of_one])
    study.untuned |= {tuning.condition for tuning, of_one in jobs.items() if any(j.id in study.errors for j in of_one)}
    return [tuning for tuning in jobs if tuning.condition not in study.untuned]


def run_jobs(study: Study, jobs: Sequence[Job]) -> None:
    """Run jobs to their end: skip finished ones, launch the rest, retry failures once, and wait for other processes.

    Each job is launched at most twice, and only once if it had failed before; one with a damaged record starts from
    scratch. A job whose directory is not writable counts as missing.
    """
    study.state.planned(jobs)
    unusable = {job.id: words for job in jobs if (words := why_unusable(study.state.directory / job.id))}
    study.errors |= unusable
    jobs = [job for job in jobs if job.id not in unusable]
    by_id = {job.id: job for job in jobs}
    tries = {name: 1 if status_of(study.state.directory, name) == "failed" else 2 for name in by_id}
    waiting = False
    while True:
        status = {name: status_of(study.state.directory, name) for name in by_id}
        todo = [job for name, job in by_id.items() if status[name] not in (*ENDED, "running") and tries[name] > 0]
        if todo:
            for job in todo:
                tries[job.id] -= 1
                if status[job.id] == "damaged":
                    begin_anew(study.state.directory / job.id)
            errors = study.launch([job.overrides for job in todo])
            for job, error in zip(todo, errors, strict=True):
                if error:
                    study.errors[job.id] = error
        elif "running" in status.values():
            if not waiting:
                here = counted(list(status.values()).count("running"), "run")
                log.info("Waiting for %s, which another process is using.", here)
            waiting = True
            time.sleep(study.poll)
        else:
            break
    for name in by_id:
        if status[name] in ENDED:
            study.errors.pop(name, None)
        else:
            record = None if status[name] == "damaged" else read_record(study.state.directory / name)
            why = (record and record.error) or study.errors.get(name)
            study.errors[name] = why or ("It was interrupted." if record else "It left no readable record.")
