"""The whole of an answer: from data and a time budget to a verdict, a page and a run ready for use."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from src.answering import pilot as piloting
from src.answering.advice import Reached
from src.answering.clock import Clock
from src.answering.conclude import concluded
from src.answering.look import look
from src.answering.pilot import Pilot
from src.answering.plan import FILLED, Numbers, node_of, numbers, rates_to_try, read_node, with_margin, write_plan
from src.answering.result import Answer
from src.answering.shown import Terminal
from src.answering.sitting import Comparing
from src.answering.verdict import settled
from src.answering.workplace import OutOfTime, Paced, Workplace, hydra_context
from src.config.digits import three
from src.config.errors import UserError, counted
from src.config.names import OWN_FORMS, file_name
from src.config.overrides import override
from src.data.own.forms import reader_of
from src.reporting.page.words import duration
from src.runs.record import RunRecord
from src.runs.study_record import Settings, read_study
from src.statistics.sittings import LEAST_CAP
from src.studies.jobs import Jobs, files_digest
from src.studies.sweep import split_overrides
from src.tasks.metrics import on_validation

PLACE = "answers"  # below paths.runs_dir
OWN = ("minutes", "models", "margin", "metric")  # keys of the command itself
GROUPS = ("model", "data", *OWN)


@dataclass
class Question:
    """The question, as given on a command line."""

    choice: str  # choice of data
    data: Settings  # dotted keys of data
    settings: Settings  # dotted keys that affect results
    further: Settings  # dotted keys that do not
    models: list[str]
    metric: str | None
    minutes: float
    margin: float | None
    hydra: list[str]  # overrides of Hydra itself
    typed: list[str]  # the line without minutes and margin, for repeating it

    @property
    def label(self) -> str:
        """The name of the data."""
        path, name = self.data.get("data.path"), self.data.get("data.name")
        return file_name(str(path)) if path and self.choice in OWN_FORMS else str(name or self.choice)

    @property
    def line(self) -> list[str]:
        """Overrides for every run."""
        of_data = {"data": self.choice, **self.data}
        return [override(key, value) for key, value in {**of_data, **self.settings, **self.further}.items()]

    def name(self) -> str:
        """Name of the answer: the data's name and a hash of everything in the question except the minutes."""
        said = [self.choice, self.data, self.settings, self.models, self.metric]
        files = files_digest(OmegaConf.create({"data": {"path": self.data.get("data.path")}}))
        return f"{self.label}-{hashlib.sha256(json.dumps([said, files], sort_keys=True).encode()).hexdigest()[:8]}"


def question(line: Sequence[str], minutes: float, models: Sequence[str], margin: float | None) -> Question:
    """Parse the question from a command line; Hydra must be initialised with its config folder.

    Raises:
        UserError: no data are given, or a key is given that an answer sets itself.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    context = hydra_context()
    given = OverridesParser.create(config_loader=context.config_loader).parse_overrides([*line])
    values = {each.get_key_element(): each.value() for each in given}
    texts = {each.get_key_element(): text for text, each in zip(line, given, strict=True)}
    if "data" not in values:
        raise UserError("answer needs data, as in gatebench answer data.path=FILE minutes=60.")
    if "model" in values:
        raise UserError("answer compares several models: use models=[gru,lstm] instead of model.")
    data = {key: value for key, value in values.items() if key.lstrip("+").startswith("data.")}
    if path := data.get("data.path"):
        data["data.path"] = str(Path(str(path)).expanduser().absolute())
    taken = {*data, *GROUPS}
    rest = [text for key, text in texts.items() if key not in taken and not key.startswith("hydra")]
    settings, further = split_overrides(rest, context)
    unsaid = {"minutes", "margin"}
    if path and values["data"] == reader_of(Path(str(data["data.path"]))):  # which needs not be typed
        unsaid.add("data")
    return Question(
        choice=str(values["data"]),
        data=data,
        settings=settings,
        further={"logger": "csv", **further},
        models=[*models],
        metric=None if values.get("metric") is None else str(values["metric"]),
        minutes=minutes,
        margin=margin,
        hydra=[text for key, text in texts.items() if key.startswith("hydra")],
        typed=[text for key, text in texts.items() if key not in unsaid],
    )


def answer(asked: Question, runs_dir: Path, began: float, watch: Terminal | None = None) -> Answer:
    """Inspect the data, plan, run and conclude within the time budget, continuing an earlier start.

    Args:
        asked: the question.
        runs_dir: folder below which the answer is written.
        began: start of the time budget by ``time.monotonic()``.
        watch: receives progress; None: the terminal.

    Raises:
        UserError: the data cannot be read, a model cannot be compared on them, a margin is set too late,
            another process is working on the same answer, or runs failed.
    """
    watch = watch or Terminal()
    directory = (runs_dir / PLACE / asked.name()).resolve()
    with _alone_in(directory):
        node, record = read_node(directory), read_study(directory)
        if node is not None:
            with_margin(directory, node, asked.margin, record)
        workplace = Workplace(asked.hydra, directory)
        clock = Clock(directory, asked.minutes, began)
        if not clock.now.sitting:
            taken = len(record.looks) if record is not None else 0
            clock.now.sitting = taken if taken and settled(directory) else taken + 1
        watch.began(clock)
        try:
            with clock.ticking(watch.ticked):
                return _answered(asked, directory, workplace, clock, watch)
        except (KeyboardInterrupt, SystemExit):
            print(f"Interrupted: {watch.again} to continue.", file=sys.stderr)
            raise


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Lock an answer's folder against other processes; remove it if the answer is refused before its pilot.

    Raises:
        Busy: another process is at work in it.
    """
    new = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    lock = RunRecord(directory)
    lock.hold()
    try:
        yield
    except Exception:  # Hydra's own among them: a model that is not there
        if not any((directory / name).exists() for name in (piloting.FILE, "experiments")):
            shutil.rmtree(directory, ignore_errors=True)
            with suppress(OSError):  # not empty
                for folder in new[1:]:
                    folder.rmdir()
        raise
    finally:
        lock.leave()


def _answered(asked: Question, directory: Path, workplace: Workplace, clock: Clock, watch: Terminal) -> Answer:
    pilot = _looked(asked, directory, workplace, clock, watch)
    paced = Paced(workplace, clock, pilot.run_seconds)
    plan, sitting = None, None
    if (node := read_node(directory)) is None:
        try:
            node = _planned(asked, pilot, directory, workplace, paced, clock, watch)
        except OutOfTime:
            watch.say("The remaining minutes are not enough for one run of each model.")
    if node is not None:
        plan = with_margin(directory, node, asked.margin, read_study(directory))
        jobs = Jobs(plan, workplace.compose, directory, asked.further)
        sitting = Comparing(plan, directory, jobs, paced, watch.say).sit(clock.now.sitting)
        pilot.run_seconds = paced.usual  # by now known better
        piloting.keep(pilot, directory)
    made = concluded(Reached(directory, asked.typed, asked.models, workplace.slots, pilot, plan, sitting), clock)
    clock.end()
    watch.over(made)
    return made


def _looked(asked: Question, directory: Path, workplace: Workplace, clock: Clock, watch: Terminal) -> Pilot:
    """Return the pilot with the data's description and the learning rates to try, possibly from an earlier start."""
    pilot, seen = piloting.read_pilot(directory), None
    if pilot is None or not (pilot.reached or pilot.minutes == asked.minutes):
        settings = asked.data | asked.settings | asked.further
        seen = look(workplace.compose, asked.choice, asked.models, settings, asked.metric)
        chosen = {key: value for key, value in seen.settings.items() if key.startswith("data.")}
        pilot = Pilot(
            metric=seen.metric,
            data={asked.label: {"data": asked.choice, **asked.data, **chosen}},
            settings={**{key: v for key, v in seen.settings.items() if key not in chosen}, **asked.settings},
            table=seen.rows,
            odd=seen.odd,
            baselines=seen.baselines,
            minutes=asked.minutes,
            steps=int(np.median(np.asarray(seen.data.splits["test"].lengths))),
        )
    watch.looked(pilot)
    workplace.start()  # once the data are fine: a refusal would wait for it
    if seen is not None:
        watch.say("Pilot: a few updates at each of several learning rates.")
        piloting.short_runs(pilot, asked.models, seen, workplace.compose, asked.further, clock, workplace.slots)
        piloting.keep(pilot, directory)
    return pilot


def _planned(
    asked: Question, pilot: Pilot, directory: Path, workplace: Workplace, paced: Paced, clock: Clock, watch: Terminal
) -> dict[str, object]:
    """Return the plan, written and announced, after runs of full length."""
    say = watch.say
    times = {model: f"{model} {1e3 * short.update_seconds:.3g} ms" for model, short in pilot.shorts.items()}
    say(f"Learning rates to try: {pilot.low:g} to {pilot.high:g}. Time per update: {', '.join(times.values())}.")
    say(f"Pilot: one full-length run of each model at {pilot.rate:g}, with at most {pilot.updates:,} updates.")
    piloting.full_runs(pilot, asked.models, workplace.compose, asked.further, paced, directory)
    piloting.keep(pilot, directory)
    reached = ", ".join(f"{model} {three(value)}" for model, value in pilot.reached.items())
    say(f"{on_validation(pilot.metric)} after one run each: {reached or 'no finite value'}.")
    number = _numbers(pilot, len(asked.models), workplace.slots, clock)
    rates = rates_to_try(directory.name, pilot.low, pilot.high, number.trials, pilot.rate)
    node = node_of(
        directory.name,
        asked.models,
        pilot.data,
        pilot.settings,
        pilot.metric,
        rates,
        pairs=number.pairs,
        repeat={"best": number.best, "seeds": number.seeds},
        margin=asked.margin,
    )
    write_plan(directory, node)
    margin = (
        f"{asked.margin:g}, as given" if asked.margin is not None else "from validation, before the first final run"
    )
    repeats = counted(number.best * number.seeds, "repeat")
    say(
        f"Plan, now fixed: {number.trials} trials of each model, {repeats} of the best, {number.pairs} pairs; "
        f"margin {margin}. A run takes about {duration(pilot.run_seconds)}; {workplace.slots} at a time."
    )
    if number.seconds > clock.left:
        say(
            f"No verdict is planned within this time, because the plan takes about {duration(number.seconds)} more; "
            "completed runs are used when time is added."
        )
    return node


def _numbers(pilot: Pilot, models: int, slots: int, clock: Clock) -> Numbers:
    """Return the numbers of runs; if the pilot's runs took longer than expected, limit all runs once more.

    The pilot's runs are then not used as trials, because they had more updates.
    """
    made = numbers(FILLED * clock.left, pilot.run_seconds, slots, models, models)
    share = FILLED * clock.left / (made.seconds + models * pilot.run_seconds / slots)
    whole = pilot.whole if pilot.used >= pilot.updates else pilot.used  # which patience ended
    if made.seconds <= clock.left or share * pilot.used < LEAST_CAP * whole:
        return made
    piloting.cap_at(pilot, round(share * pilot.used))
    pilot.run_seconds *= share
    piloting.keep(pilot, clock.path.parent)
    return numbers(FILLED * clock.left, pilot.run_seconds, slots, models, 0)
