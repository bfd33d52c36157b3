"""The pilot of an answer: which learning rates to try, how long a run takes, whether networks beat trivial predictors.

Its full-length runs become trials of the plan. A tanh network of the same size is run as well, so that readers of the
margin see how much gates are worth. The pilot's findings are saved step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import ClassVar

from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict

from src.answering.clock import Clock
from src.answering.look import Seen
from src.answering.plan import FIRST_SEED, node_of
from src.answering.rates import Short, range_of, try_rates
from src.answering.workplace import OutOfTime, Paced
from src.data.module import SequenceData
from src.runs.record import read_record
from src.runs.result import ENDED, RunResult
from src.runs.study_record import Settings
from src.runs.typed_json import CONFIG, from_plain, read_json, write_json
from src.statistics.sittings import allocation
from src.studies.jobs import Compose, Jobs
from src.studies.plan import Plan, read_plan
from src.tasks.metrics import declared_by_shipped_tasks, on_validation

FILE = "pilot.json"
FOLDER = ".pilot"  # folder of the tanh network's run
TANH = "rnn"
FOR_RATES = 0.04  # share of the minutes for the updates at all learning rates
OF_TANH = 0.06  # share of the minutes; if a run takes longer, there is no tanh network
LONGEST_AROUND = 10.0  # seconds of overhead per run; more means that a process had to start
STARTS = 1.0  # seconds of a run besides updates and validations
LIGHTNING = 1.3  # ratio of training time to the time of its updates alone
VALIDATIONS = 4  # validations in a run that is limited to its first epochs


@dataclass
class Pilot:
    """The content of ``pilot.json``; fields that the pilot has not reached are None or empty."""

    __pydantic_config__: ClassVar[ConfigDict] = CONFIG

    metric: str  # test metric
    data: dict[str, Settings]  # data of the plan: the name, and the settings of its jobs
    settings: Settings  # settings of every job
    table: list[tuple[str, str, str]] = field(default_factory=list)  # how the data were interpreted
    odd: list[str] = field(default_factory=list)
    baselines: dict[str, float] = field(default_factory=dict)  # on validation
    minutes: float = 0.0  # the time budget it was made for
    steps: int = 1  # of a test sequence of median length
    shorts: dict[str, Short] = field(default_factory=dict)  # by model
    low: float = 0.0  # lower bound of the learning rates to try
    high: float = 0.0
    rate: float = 0.0  # learning rate of the pilot's own runs
    whole: int = 0  # updates of a run without early stopping
    updates: int = 0  # largest number of updates of a run
    capped: bool = False  # whether updates are limited so that enough runs fit into the time budget
    per_epoch: int = 1  # updates of an epoch
    run_seconds: float = 0.0  # duration of a run; measured once the pilot's runs are done
    used: int = 0  # updates of the longest of them
    reached: dict[str, float] = field(default_factory=dict)  # by model, on validation


def sign_of(metric: str) -> float:
    """Return 1 if a higher value is better, else -1."""
    declared = declared_by_shipped_tasks().get(metric.rpartition("/")[2])
    return 1.0 if declared is not None and declared.direction == "max" else -1.0


def read_pilot(directory: Path) -> Pilot | None:
    """Read an earlier start's pilot; None if there is none.

    Raises:
        Damaged: the content is not what was written.
    """
    path = directory / FILE
    content = read_json(path, "the pilot.json of an answer")
    return None if content is None else from_plain(Pilot, content, path)


def short_runs(
    pilot: Pilot, models: Sequence[str], seen: Seen, compose: Compose, further: Settings, clock: Clock, slots: int
) -> None:
    """Try learning rates, and choose the number of updates so that enough runs fit; saved in the pilot."""
    plan = trial_plan("pilot", models, pilot, tanh=True)
    jobs = Jobs(plan, compose, clock.path.parent, further)
    (name,) = pilot.data
    of_each = FOR_RATES * clock.seconds / len(plan.models)
    for model in plan.models:
        cfg = jobs.config(model, name, "main").copy()
        OmegaConf.update(cfg, "seed", FIRST_SEED)
        pilot.shorts[model] = try_rates(cfg, seen.data, of_each)
    pilot.low, pilot.high, pilot.rate = range_of([pilot.shorts[model] for model in models])
    cfg = jobs.config(next(iter(models)), name, "main")
    per_epoch, updates = most_updates(cfg, seen.data)
    seconds = [_estimate(pilot.shorts[model], updates, per_epoch) for model in models]
    pilot.per_epoch, pilot.whole, pilot.updates = per_epoch, updates, updates
    if (cap := allocation(clock.seconds, slots, max(seconds), len(models)).cap) < 1:
        cap_at(pilot, round(cap * updates))
    pilot.run_seconds = max(_estimate(pilot.shorts[model], pilot.updates, per_epoch) for model in models)


def cap_at(pilot: Pilot, updates: int) -> None:
    """Limit the updates of every run, with some validations within them; saved in the pilot."""
    pilot.capped, pilot.updates = True, max(1, updates)
    pilot.settings["trainer.max_steps"] = pilot.updates
    if pilot.updates < VALIDATIONS * pilot.per_epoch:
        pilot.settings["trainer.val_check_interval"] = max(1, min(pilot.per_epoch, pilot.updates // VALIDATIONS))


def most_updates(cfg: DictConfig, data: SequenceData) -> tuple[int, int]:
    """Return the updates of an epoch, and the largest number in a run."""
    per_epoch = len(data.train_dataloader())
    epochs, steps = cfg.trainer.get("max_epochs"), cfg.trainer.get("max_steps") or -1
    caps = [epochs * per_epoch if epochs and epochs > 0 else None, steps if steps > 0 else None]
    return per_epoch, min((cap for cap in caps if cap is not None), default=1000 * per_epoch)


def _estimate(short: Short, updates: int, per_epoch: int) -> float:
    """Estimate the seconds of a run without early stopping."""
    validations = max(VALIDATIONS, updates / per_epoch) + 2
    return STARTS + LIGHTNING * updates * short.update_seconds + validations * short.validation_seconds


def full_runs(
    pilot: Pilot, models: Sequence[str], compose: Compose, further: Settings, paced: Paced, directory: Path
) -> None:
    """Run each model once, and a tanh network if it is quick, at the pilot's rate; saved in the pilot.

    Raises:
        OutOfTime: not even the models' runs fit.
    """
    plan = trial_plan(directory.name, models, pilot, tanh=pilot.run_seconds < OF_TANH * paced.clock.seconds)
    (data,) = plan.data
    jobs = []
    for model in plan.models:
        of_one = Jobs(plan, compose, directory if model in models else directory / FOLDER, further)
        jobs.append(of_one.job("trial", model, data, "main", FIRST_SEED, {"optimizer.lr": pilot.rate}))
    places = [directory / job.id if job.model in models else directory / FOLDER / job.id for job in jobs]
    there = [_ended(place) for place in places]
    todo = [job for job, record in zip(jobs, there, strict=True) if record is None]
    paced([job.overrides for job in todo if job.model in models])
    with suppress(OutOfTime):  # only the tanh network's run does not fit
        paced([job.overrides for job in todo if job.model not in models])  # alone, to measure the overhead of a run
    records = {job.model: _ended(place) for job, place in zip(jobs, places, strict=True)}
    metric = on_validation(pilot.metric)
    finished = {model: record for model, record in records.items() if record is not None}
    pilot.reached = {model: r.metrics[metric] for model, r in finished.items() if metric in r.metrics}
    if seconds := [record.took for model, record in finished.items() if model in models]:
        pilot.used = max(finished[model].timing.updates for model in models if model in finished)
        last = records[todo[-1].model] if todo else None
        around = max(0.0, paced.last - last.took) if last is not None and paced.last else STARTS / 2
        pilot.run_seconds = median(seconds) + min(around, LONGEST_AROUND)


def _ended(place: Path) -> RunResult | None:
    record = read_record(place)
    return record if record is not None and record.status in ENDED else None


def trial_plan(name: str, models: Sequence[str], pilot: Pilot, tanh: bool) -> Plan:
    """Return a plan whose trials have the same settings as those of the final plan, and so are the same runs.

    A tanh network run along with them need not meet the budget as closely.
    """
    node = node_of(name, models, pilot.data, pilot.settings, pilot.metric, [pilot.rate or 1e-3])
    node["models"] |= {TANH: {"model.budget_tolerance": 0.2}} if tanh and TANH not in models else {}
    return read_plan(node)


def keep(pilot: Pilot, directory: Path) -> None:
    """Write ``pilot.json``."""
    write_json(directory / FILE, pilot)
