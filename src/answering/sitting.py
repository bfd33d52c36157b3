"""A sitting: the plan's trials, its margin, and pairs in order of their seeds up to the sitting's look."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Literal

import numpy as np

from src.answering.pilot import sign_of
from src.answering.plan import file_of
from src.answering.workplace import OutOfTime, Paced, silent
from src.config.digits import three
from src.config.errors import UserError
from src.runs.record import read_record
from src.runs.result import ENDED, Phase, RunResult
from src.runs.study_record import MarginRecord
from src.statistics.sittings import confidence_sequence, look_of, pairs_of, visible
from src.studies.jobs import Jobs
from src.studies.margins import fix_margins, margin_from
from src.studies.plan import Plan, values_of
from src.studies.run import RunsFailed, Study, fitting_models, missing, run_jobs, tune
from src.studies.state import StudyState, current_jobs, status_of
from src.tasks.metrics import on_validation

Stage = Literal["trials", "pairs", "looked", "unbeaten"]
ARM = "main"


@dataclass
class Sitting:
    """The state of an answer.

    ``stage``: trials or pairs are incomplete (``trials``, ``pairs``), the sitting's look is taken, or no network beats
    trivial predictors, so that there is nothing to compare.
    """

    number: int  # from 1
    wanted: int  # number of pairs at its look
    complete: int = 0  # complete pairs among the first seeds
    missing: int = 0  # runs missing before its look, including trials
    stage: Stage = "trials"
    margin: MarginRecord | None = None  # from validation; None before the trials are complete, or if one is given
    visible: float | None = None  # the smallest difference that its look detects, estimated from the repeats


@dataclass
class Comparing:
    """The study of an answer in progress.

    Args:
        plan: the written plan.
        directory: folder of the answer.
        jobs: jobs of the plan.
        paced: launches the runs.
        say: receives progress lines.
    """

    plan: Plan
    directory: Path
    jobs: Jobs
    paced: Paced
    say: Callable[[str], None] = lambda line: None
    study: Study = field(init=False)
    _records: dict[str, RunResult] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        state = StudyState(self.directory, self.plan, file_of(self.directory))
        self.study = Study(self.plan, self.jobs, state, self.paced)
        (self.data,) = self.plan.data
        assert self.plan.primary is not None
        self.primary, self.metric = self.plan.primary, self.plan.primary.metric_of(self.data) or ""

    def sit(self, number: int) -> Sitting:
        """Continue until a sitting's look is taken, or time is up.

        Args:
            number: number of the sitting, from 1.

        Raises:
            RunsFailed: required runs are missing, after all others are done.
        """
        sitting = Sitting(number, pairs_of(number, self.plan.pairs_of(self.data)))
        models = fitting_models(self.study, self.data, ARM)
        if not set(self.primary.models) <= set(models):
            left = {model.model: model.reason for model in self.study.state.record.left_out}
            raise UserError(f"{next(iter(left))} cannot be compared: {next(iter(left.values()))}")
        try:
            self.paced.tell = lambda: self.say(phase_line(self.directory))
            with silent("src.studies", logging.WARNING):  # what is fixed is said in one line
                values = tune(self.study, {(self.data, ARM): models})[self.data, ARM]
                if self.study.errors:
                    raise RunsFailed(missing(self.study))
                sitting.margin = self._margin()
            if sitting.margin is not None and sitting.margin.gap is not None and sitting.margin.gap <= 0:
                sitting.stage = "unbeaten"
                return sitting
            sitting.stage = "pairs"
            sitting.visible = self._visible(sitting)
            self.study.state.register()
            self._say_before(sitting)
            jobs = [
                self.jobs.job("final", model, self.data, ARM, seed, values[model])
                for seed in range(sitting.wanted)
                for model in models
                if model in values
            ]
            self.paced.tell = lambda: self._tell(sitting)
            run_jobs(self.study, jobs)
            if self.study.errors:
                raise RunsFailed(missing(self.study))
            self.study.state.note_look(self.data, ARM, sitting.wanted)
            sitting.stage = "looked"
        except OutOfTime:
            pass
        sitting.complete = len(self.pairs())
        sitting.missing = self._missing(sitting.wanted)
        return sitting

    def _missing(self, pairs: int) -> int:
        """Runs that a look at so many pairs still takes."""
        tuning, models = self.plan.tuning, len(self.plan.models)
        assert tuning is not None
        (trials,) = {len(values) for values in values_of(tuning).values()}
        wanted = models * (trials + tuning.repeat.best * tuning.repeat.seeds + pairs)
        return max(0, wanted - sum(status_of(self.directory, name) in ENDED for name in current_jobs(self.directory)))

    def _margin(self) -> MarginRecord | None:
        """Return the margin from validation, registered unless one is given, with the gap to the trivial predictor."""
        fix_margins(self.plan, self.study.state)
        record = self.study.state.record
        if (made := record.margins.get(self.data)) is not None:
            return made
        chosen = record.chosen[self.data][ARM]
        runs = {m: [self.directory / run for run in choice.candidates[0].runs] for m, choice in chosen.items()}
        return margin_from(runs, on_validation(self.metric), self.plan.declared(self.data))

    @property
    def margin(self) -> float | None:
        """The margin of practical equivalence, as registered."""
        given = self.primary.margin_of(self.data)
        made = self.study.state.record.margins.get(self.data)
        return given if given is not None else made.margin if made else None

    def _visible(self, sitting: Sitting) -> float | None:
        """Estimate the detectable difference from repeats of two models with the same seeds on validation."""
        metric, chosen = on_validation(self.metric), self.study.state.record.chosen[self.data][ARM]
        by_seed: list[dict[int, float]] = []
        for model in self.primary.models:
            records = [read_record(self.directory / run) for run in chosen[model].candidates[0].runs]
            by_seed.append({r.seed: r.metrics[metric] for r in records if r and metric in r.metrics})
        differences = [by_seed[0][seed] - by_seed[1][seed] for seed in by_seed[0].keys() & by_seed[1].keys()]
        if len(differences) < 2:
            return None
        return visible(stdev(differences), self.margin, look_of(sitting.number, self.plan.pairs_of(self.data)))

    def pairs(self) -> list[float | None]:
        """Return the first model's advantage in each finished pair of the first seeds; None if a run diverged."""
        chosen = self.study.state.record.chosen.get(self.data, {}).get(ARM, {})
        over: list[float | None] = []
        if self.study.state.record.registered is None:
            return over
        for seed in itertools.count():
            jobs = [self.jobs.job("final", m, self.data, ARM, seed, chosen[m].values) for m in self.primary.models]
            records = [self._ended(job.id) for job in jobs]
            if None in records:
                return over
            first, second = (record.metrics.get(self.metric) for record in records if record)
            known = first is not None and second is not None
            over.append(sign_of(self.metric) * (first - second) if known else None)  # type: ignore[operator]
        return over

    def _ended(self, run: str) -> RunResult | None:
        """Return a finished or diverged run's record, which stays as it is; None before that."""
        record = self._records.get(run) or read_record(self.directory / run)
        if record is None or record.status not in ENDED:
            return None
        return self._records.setdefault(run, record)

    def _say_before(self, sitting: Sitting) -> None:
        """Announce what is registered, before the expensive part."""
        made, unit = sitting.margin, self.metric.removeprefix("test/")
        if made is not None and made.reached is not None and made.baseline is not None:
            self.say(
                f"Validation: {three(made.reached)} {unit} for the better model, {three(made.baseline)} for the best "
                "trivial baseline."
            )
        margin = "none" if self.margin is None else f"{self.margin:g} {unit}"
        sees = ""
        if sitting.visible is not None:
            sees = f"; a difference of {sitting.visible:.2g} would be detected in 4 of 5 cases"
        self.say(f"Fixed before the first final run: margin {margin}, a look at {sitting.wanted} pairs{sees}.")

    def _tell(self, sitting: Sitting) -> None:
        """Report the pairs done, with an interval that is valid at any time; its meaning is stated at the look."""
        over = self.pairs()
        interval = confidence_sequence(np.array([d for d in over if d is not None]))
        a, b = self.primary.models
        said = f"; {a} ahead of {b} by {interval.low:.2g} to {interval.high:.2g}" if interval else ""
        if interval and interval.low == interval.high == 0:
            said = f"; {a} and {b} equal in all of them"
        watched = " (always-valid interval, no verdict)" if interval else ""
        self.say(f"pairs {len(over)} of {sitting.wanted}{said}{watched}")


def phase_line(directory: Path) -> str:
    """Return how many trials and repeats are finished."""
    jobs, counts = current_jobs(directory), []
    phases: tuple[Phase, ...] = ("trial", "repeat")
    for phase in phases:
        if names := [name for name, job in jobs.items() if job.phase == phase]:
            over = sum(status_of(directory, name) in ENDED for name in names)
            counts.append(f"{phase}s {over} of {len(names)}")
    return ", ".join(counts)
