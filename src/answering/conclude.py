"""The end of an answer: verdict, numbers for the decision, page, and the run ready for use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from src.analysis.compare import THIS_PERIOD
from src.analysis.flags import serious_first
from src.analysis.task import Task
from src.answering.advice import Reached, commands, remarks, why_none
from src.answering.clock import Clock
from src.answering.deployed import Deployed, deployed
from src.answering.pilot import TANH, sign_of
from src.answering.result import NUMBERS, Answer, Row
from src.answering.shown import lead
from src.answering.verdict import leading, summary_of
from src.files import write_atomically
from src.runs.record import read_record
from src.runs.study_record import read_study
from src.statistics.rounding import span


def concluded(reached: Reached, clock: Clock) -> Answer:
    """Write the answer so far into its folder, and return it."""
    from src.reporting.csv_files import write_numbers
    from src.reporting.paper import write_paper
    from src.reporting.report import write_page

    pilot, sitting, report = reached.pilot, reached.sitting, reached.folder / "report"
    compared = sitting is not None and sitting.complete and sitting.stage in ("pairs", "looked")
    summary = summary_of(reached.folder) if compared else None
    made = Answer("no verdict", why_none(reached), reached.folder, pilot.metric, summary=summary)
    task, comparison = made.headline
    verdict = leading(comparison) if comparison else None
    if comparison is not None and verdict is not None:
        made.verdict, made.sentence = verdict.words, verdict.sentence
        if verdict is not comparison.both:
            here = "in this period" if THIS_PERIOD in (comparison.sequences_note or "") else "on this test set"
            made.verdict += f" {here}" if verdict.outcome in ("better", "same") else ""
            made.sentence += (
                f" This holds for new seeds {here} and says nothing about other data: {comparison.sequences_note}"
            )
    if reached.plan is not None:
        made.run = _best(reached, verdict.winner if verdict else None)
    used = _deployed(reached, made.run) if summary else {}
    made.rows = list(_rows(task, reached, used))
    if made.run is not None and (record := read_record(made.run)) is not None:
        made.run_test = record.metrics.get(pilot.metric)
    made.remarks = list(remarks(reached, made, used))
    made.small_print = summary.small_print if summary else []
    made.flags = [flag.sentence for flag in serious_first(summary.all_flags())] if summary else []
    made.commands = dict(commands(reached, made))
    made.minutes = clock.spent / 60
    if summary is not None:
        summary.commands[:] = [{"does": does, "command": command} for does, command in made.commands.items()]
        write_numbers(summary, report)
        write_paper(summary, report)
    write_page(summary, lead(made), made.page)
    content = json.dumps(made.plain(), indent=1, default=str).encode()
    write_atomically(reached.folder / NUMBERS, lambda out: out.write(content))
    return made


def _best(reached: Reached, winner: str | None) -> Path | None:
    """Return the final run that is best on validation, of the winner or else of the model best on validation."""
    record = read_study(reached.folder)
    assert reached.plan is not None
    (data,) = reached.plan.data
    chosen = record.chosen.get(data, {}).get("main", {}) if record else {}
    sign = {model: 1 if choice.mode == "max" else -1 for model, choice in chosen.items()}
    model = winner or max(chosen, key=lambda model: sign[model] * chosen[model].value, default=None)
    return None if model is None else _run_of(reached.folder, model, sign[model])


def _run_of(folder: Path, model: str, sign: float) -> Path | None:
    """Return a model's final run that is best on validation."""
    values = {}
    for path in sorted(folder.glob("*/result.json")):
        run = read_record(path.parent)
        if run is None or run.study_job is None or run.status != "finished" or run.best is None:
            continue
        if (run.study_job.phase, run.study_job.model) == ("final", model):
            values[path.parent] = sign * run.best.value
    return max(values, key=lambda path: values[path], default=None)


def _deployed(reached: Reached, best: Path | None) -> dict[str, Deployed | str]:
    """Export one run of each model, and measure it on this machine."""
    runs = {model: _run_of(reached.folder, model, sign_of(reached.pilot.metric)) for model in reached.models}
    if best is not None and (record := read_record(best)) and record.study_job:
        runs[record.study_job.model] = best
    return deployed({model: run for model, run in runs.items() if run is not None}, reached.pilot.steps)


def _rows(task: Task | None, reached: Reached, used: dict[str, Deployed | str]) -> Iterator[Row]:
    pilot, models = reached.pilot, reached.models
    for model in task.models if task else ():
        cost = used.get(model.model)
        graph = cost if isinstance(cost, Deployed) else None
        yield Row(
            model.model,
            model.mean,
            span(model.interval),
            model.n,
            model.parameters.get("effective"),
            model.cost.get("seconds"),
            graph.milliseconds if graph else None,
            graph.memory_mb if graph else None,
        )
    if task is not None:
        yield from (Row(f"{name} (trivial)", value) for name, value in task.baselines.items())
    else:
        yield from (Row(f"{model} (validation)", value) for model, value in pilot.reached.items() if model in models)
        yield from (Row(f"{name} (trivial, validation)", value) for name, value in pilot.baselines.items())
    if TANH in pilot.reached and TANH not in models:
        yield Row("tanh (validation)", pilot.reached[TANH])
