"""Tuning of one condition, a data set in an arm: trials shared by its models, repeats, choice, extensions."""

from __future__ import annotations

import logging
import math
import time
from statistics import fmean
from typing import Any, Literal

from src.config.errors import UserError
from src.runs.record import read_record
from src.runs.study_record import Because, Candidate, Choice, Extension, LogUniform, Settings, Side, TuningRecord
from src.studies.jobs import Job, Jobs
from src.studies.plan import Condition, combinations, values_of
from src.studies.ranges import edge, extended_list, extended_range, further_draws, within
from src.studies.state import StudyState

log = logging.getLogger(__name__)

NO_TRIAL = "no trial finished with a finite validation value"


def _without_dust(cost: float) -> float:
    """Round a mean, so that different summation orders of equal values do not decide between trials.

    >>> _without_dust((0.1 + 0.2) / 2) == _without_dust(0.15)
    True
    """
    return round(float(f"{cost:.9g}"), 15)


class ConditionTuning:
    """The tuning of all models of a condition, as far as its runs have come, independent of other conditions.

    Draws, choices and extensions are recorded in the study's record.

    Attributes:
        trials: the values of each trial, including extensions.
        chosen: by model, the values that :meth:`choose` chose; a model without a finite trial is missing.
    """

    def __init__(
        self, tuning: TuningRecord, jobs: Jobs, state: StudyState, condition: Condition, models: list[str]
    ) -> None:
        self.tuning, self.jobs, self.state, self.condition, self.models = tuning, jobs, state, condition, models
        self.chosen: dict[str, Settings] = {}
        self.trials = combinations(tuning, values_of(tuning))
        for extension in self._extensions():  # from an earlier start
            self.trials += [trial for trial in extension.trials if trial not in self.trials]

    def trial_jobs(self) -> list[Job]:
        """Return every trial with every model, and record their values."""
        data, arm = self.condition
        self.state.record.draws.setdefault(data, {})[arm] = {key: self._tried(key) for key in self.tuning.draws}
        self.state.write()
        return [self._job(model, trial) for trial in self.trials for model in self.models]

    def repeat_jobs(self) -> list[Job]:
        """Return repeats of each model's best trials, with further seeds."""
        return [job for model in self.models for n in self._best(model) for job in self._repeats(model, n)]

    def choose(self) -> None:
        """Choose the trial of each model with the best mean over repeats (ties: by loss), and record it.

        A model without any finished trial is skipped with a warning.
        """
        data, arm = self.condition
        self.chosen = {}
        for model in self.models:
            if choice := self._choice(model):
                self.chosen[model] = choice.values
                self.state.record.chosen.setdefault(data, {}).setdefault(arm, {})[model] = choice
            else:
                log.warning("%s is skipped: %s.", self._called(model), NO_TRIAL)
                self.state.leave_out(model, data, NO_TRIAL, arm)
        self.state.write()

    def extend(self) -> bool:
        """Add and record trials for all models if one model's choice is at the edge of a range or in a gap.

        Returns whether there are new trials; ``tuning.extensions`` limits their number. Values that no run may have,
        such as a dropout of 1.2 one step beyond 0.8, are not tried.
        """
        made = self._extensions()
        if len(made) >= self.tuning.extensions:
            return False
        data, arm = self.condition
        for key, draw in self.tuning.draws.items():
            values = self._tried(key)
            extended = [(e.after[0], e.after[1]) for e in made if e.key == key]
            limits = None if isinstance(draw, list) else [(draw.low, draw.high), *extended][-1]
            for model, chosen in self.chosen.items():
                side: Side | Literal["gap"] | None
                if (side := edge(values, chosen[key], limits)) is not None:
                    new, before, after = self._beyond(key, side, limits, len(made) + 1)
                    words = "%s chose %s=%s, at the edge of its range, which is extended for all models."
                elif isinstance(draw, LogUniform) and (step := draw.gap(values, chosen[key])) is not None:
                    assert limits is not None
                    piece, number = within(step, draw)
                    new = further_draws(self.tuning, key, piece, len(made) + 1, number)
                    side, before, after = "gap", list(limits), list(limits)
                    words = "%s chose %s=%s, in a gap of its range, which is filled for all models."
                else:
                    continue
                beyond = (trial for trial in combinations(self.tuning, new) if trial not in self.trials)
                more = [trial for trial in beyond if self._is_allowed(trial)]
                if not more:
                    continue
                log.info(words, self._called(model), key, chosen[key])
                because = Because(model, chosen[key], arm)
                draws = [value for value in new[key] if any(trial[key] == value for trial in more)]
                extension = Extension(time.time(), data, arm, key, side, before, after, draws, more, because)
                self.state.record.extensions.append(extension)
                self.state.write()
                self.trials += more
                return True
        return False

    def _called(self, model: str) -> str:
        """Return a model with its data set and, if the study has several, its arm."""
        data, arm = self.condition
        return f"{model} on {data}" + (f" in {arm}" if len(self.jobs.plan.arms) > 1 else "")

    def _beyond(
        self, key: str, side: Side, limits: tuple[float, float] | None, number: int
    ) -> tuple[dict[str, list[Any]], list[Any], list[Any]]:
        """Return the values of all keys in the ``number``-th extension, and ``key``'s limits before and after it."""
        if limits:
            piece = extended_range(limits, side)
            new = further_draws(self.tuning, key, piece, number)
            return new, list(limits), [min(*limits, *piece), max(*limits, *piece)]
        values = self._tried(key)
        new = {k: draw if isinstance(draw, list) else self._tried(k) for k, draw in self.tuning.draws.items()}
        new[key] = extended_list(values, side)
        every = [*values, *new[key]]
        return new, [min(values), max(values)], [min(every), max(every)]

    def _tried(self, key: str) -> list[Any]:
        return list(dict.fromkeys(trial[key] for trial in self.trials))

    def _extensions(self) -> list[Extension]:
        return [e for e in self.state.record.extensions if (e.data, e.arm) == self.condition]

    def _job(self, model: str, trial: Settings) -> Job:
        return self.jobs.job("trial", model, *self.condition, self.tuning.first_seed, trial)

    def _is_allowed(self, trial: Settings) -> bool:
        try:
            return all(self._job(model, trial) for model in self.models)
        except UserError:  # a value out of range
            return False

    def _repeats(self, model: str, number: int) -> list[Job]:
        seeds = range(self.tuning.first_seed + 1, self.tuning.first_seed + 1 + self.tuning.repeat.seeds)
        return [self.jobs.job("repeat", model, *self.condition, seed, self.trials[number]) for seed in seeds]

    def _sign(self, model: str) -> int:
        """Return the factor that turns the monitored metric into a cost: 1 if lower is better, else -1."""
        return 1 if self.jobs.config(model, *self.condition).task.mode == "min" else -1

    def _validation_cost(self, job: Job) -> tuple[float, float]:
        """Return a run's best validation value as a cost, then its loss, which breaks ties.

        Infinite for a run that diverged or failed.
        """
        record = read_record(self.state.directory / job.id)
        if record is None or record.status != "finished" or record.best is None or not math.isfinite(record.best.value):
            return math.inf, math.inf
        return self._sign(job.model) * record.best.value, record.metrics.get("val/loss", math.inf)

    def _best(self, model: str) -> list[int]:
        """Return the best trials, ties sorted by loss, then by time; none with an infinite cost."""
        costs = {number: self._validation_cost(self._job(model, trial)) for number, trial in enumerate(self.trials)}
        finite = [number for number in sorted(costs, key=lambda n: costs[n]) if math.isfinite(costs[number][0])]
        return finite[: self.tuning.repeat.best]

    def _choice(self, model: str) -> Choice | None:
        candidates = []
        for number in self._best(model):
            jobs = self._repeats(model, number) or [self._job(model, self.trials[number])]
            costs, losses = zip(*map(self._validation_cost, jobs), strict=True)
            candidates.append((fmean(costs), fmean(losses), number, [job.id for job in jobs]))
        candidates.sort(key=lambda c: (_without_dust(c[0]), _without_dust(c[1]), c[2]))
        if not candidates or candidates[0][0] == math.inf:
            return None
        task, sign = self.jobs.config(model, *self.condition).task, self._sign(model)
        tested = [
            Candidate(self.trials[number], sign * cost if cost < math.inf else None, runs)
            for cost, _, number, runs in candidates
        ]
        return Choice(self.trials[candidates[0][2]], sign * candidates[0][0], task.monitor, task.mode, tested)
