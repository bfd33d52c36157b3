"""The end of an answer: verdict, figures for the decision, page, and the run ready for use."""

from __future__ import annotations

import html
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task
from src.answering.clock import Clock
from src.answering.deployed import Deployed, deployed
from src.answering.pilot import TANH, Pilot, sign_of
from src.answering.sitting import Sitting
from src.answering.verdict import summary_of
from src.config.screen import screen
from src.files import from_here, write_atomically
from src.runs.record import read_record
from src.runs.study_record import read_study
from src.statistics.rounding import span
from src.studies.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

PAGE, NUMBERS = "answer.html", "answer.json"
HEADS = ("", "95 % interval", "runs", "weights", "train s", "use ms", "use MB")  # the first is the metric


@dataclass(frozen=True)
class Row:
    """Figures of a model or of a trivial predictor."""

    name: str
    test: float | None  # the metric; for models the mean over their runs
    interval: str = ""  # of that mean, 95 %
    runs: int = 0
    parameters: int | None = None
    training_seconds: float | None = None  # median of a run
    milliseconds: float | None = None  # of the exported network for one sequence
    memory_mb: float | None = None  # of the exported network


@dataclass(repr=False)
class Answer:
    """The result of an answer.

    >>> Answer("no verdict", "Nothing was trained.", Path("x")).verdict
    'no verdict'
    """

    verdict: str  # ``gru better``, ``practically the same``, ``undecided`` or ``no verdict``
    sentence: str  # its full statement
    directory: Path  # folder with all files
    metric: str = ""  # test metric
    rows: list[Row] = field(default_factory=list)
    best: Path | None = None  # the run ready for use
    best_test: float | None = None  # test metric of that run
    remarks: list[str] = field(default_factory=list)  # what would change the verdict, what is missing, what to try
    small_print: list[str] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)  # by purpose
    minutes: float = 0.0  # of running time
    summary: Summary | None = None  # every number, as ``gatebench compare`` has it; None before the first final run

    @property
    def page(self) -> Path:
        """The report, starting with the verdict."""
        return self.directory / PAGE

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model and each trivial predictor."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows]).set_index("name")

    def __repr__(self) -> str:
        """Return the verdict in one line."""
        return f"<Answer {self.verdict}: {self.sentence}>"

    def _repr_html_(self) -> str:
        """Return the head of the page, for notebooks."""
        return lead(self)

    def plain(self) -> dict[str, Any]:
        """Return everything as plain containers, without the summary, which is in ``report/summary.json``."""
        kept = {key: value for key, value in vars(self).items() if key not in ("summary", "rows")}
        kept |= {"directory": str(self.directory), "best": self.best and str(self.best)}
        return kept | {"table": [asdict(row) for row in self.rows]}


def concluded(
    directory: Path,
    typed: Sequence[str],
    models: Sequence[str],
    pilot: Pilot,
    plan: Plan | None,
    sitting: Sitting | None,
    slots: int,
    clock: Clock,
) -> Answer:
    """Return the answer so far, after writing and printing it."""
    from src.reporting.csv_files import write_numbers
    from src.reporting.paper import write_paper
    from src.reporting.report import write_page

    summary = None
    if sitting is not None and sitting.complete and sitting.stage in ("pairs", "looked"):
        summary = summary_of(directory)
    task, comparison = _primary(summary)
    verdict = comparison.both if comparison else None
    told = _why_none(pilot, sitting) if verdict is None else verdict.sentence
    made = Answer(verdict.words if verdict else "no verdict", told, directory, pilot.metric, summary=summary)
    if plan is not None:
        made.best = _best(directory, plan, verdict.winner if verdict else None)
    used = _deployed(directory, plan, models, pilot, made.best) if summary else {}
    made.rows = list(_rows(task, pilot, used, models))
    if made.best is not None and (record := read_record(made.best)) is not None:
        made.best_test = record.metrics.get(pilot.metric)
    made.remarks = list(_remarks(pilot, plan, sitting, comparison, used, slots))
    made.small_print = summary.small_print if summary else []
    made.commands = dict(_commands(made, typed, plan, sitting, slots, pilot))
    made.minutes = clock.spent / 60
    if summary is not None:
        summary.commands[:] = [{"does": does, "command": command} for does, command in made.commands.items()]
        write_numbers(summary, directory / "report")
        write_paper(summary, directory / "report")
    write_page(summary, lead(made), made.page)
    content = json.dumps(made.plain(), indent=1, default=str).encode()
    write_atomically(directory / NUMBERS, lambda out: out.write(content))
    show(made)
    return made


def _primary(summary: Summary | None) -> tuple[Task | None, Comparison | None]:
    pairs = summary.headline() if summary else []
    return pairs[0] if pairs else (None, None)


def _why_none(pilot: Pilot, sitting: Sitting | None) -> str:
    """Explain the missing verdict if nothing was compared."""
    name = pilot.metric.removeprefix("test/")
    if sitting is None:
        return "No verdict: time ran out in the pilot, before there was a plan."
    if sitting.stage == "unbeaten" and sitting.margin is not None:
        reached, trivial = sitting.margin.reached, sitting.margin.baseline
        return (
            f"No verdict: no network beats the best trivial predictor on validation ({name} {reached:.4g} "
            f"against {trivial:.4g}), so there is nothing to compare; the test set was not used."
        )
    if sitting.stage == "trials":
        return "No verdict: time ran out while trying learning rates."
    return "No verdict: time ran out before the first pair was complete."


def _best(directory: Path, plan: Plan, winner: str | None) -> Path | None:
    """Return the final run that is best on validation, of the winner or else of the model best on validation."""
    record = read_study(directory)
    (data,) = plan.data
    chosen = (record.chosen.get(data, {}).get("main", {}) if record else {}).items()
    if not chosen:
        return None
    sign = {model: 1 if choice.mode == "max" else -1 for model, choice in chosen}
    model = winner or max(chosen, key=lambda pair: sign[pair[0]] * pair[1].value)[0]
    return _runs(directory, model, sign[model])


def _runs(directory: Path, model: str, sign: int) -> Path | None:
    """Return a model's final run that is best on validation."""
    best: tuple[float, Path] | None = None
    for path in sorted(directory.glob("*/result.json")):
        run = read_record(path.parent)
        if run is None or run.study_job is None or run.status != "finished" or run.best is None:
            continue
        if (run.study_job.phase, run.study_job.model) == ("final", model):
            here = sign * run.best.value, path.parent
            best = here if best is None or here[0] > best[0] else best
    return best[1] if best else None


def _deployed(
    directory: Path, plan: Plan | None, models: Sequence[str], pilot: Pilot, best: Path | None
) -> dict[str, Deployed | str]:
    """Export one run of each model, and measure it on this machine."""
    sign = int(sign_of(pilot.metric))
    runs = {model: _runs(directory, model, sign) for model in models}
    if best is not None and (record := read_record(best)) and record.study_job:
        runs[record.study_job.model] = best
    return {model: deployed(run, pilot.steps) for model, run in runs.items() if run is not None}


def _rows(task: Task | None, pilot: Pilot, used: dict[str, Deployed | str], models: Sequence[str]) -> Iterator[Row]:
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
        yield from (Row(f"{name}, trivial", value) for name, value in task.baselines.items())
    else:
        reached = {model: value for model, value in pilot.reached.items() if model in models}
        yield from (Row(f"{model}, validation", value) for model, value in reached.items())
        yield from (Row(f"{name}, trivial, validation", value) for name, value in pilot.baselines.items())
    if TANH in pilot.reached and TANH not in models:
        yield Row("tanh, validation", pilot.reached[TANH])


def _remarks(
    pilot: Pilot,
    plan: Plan | None,
    sitting: Sitting | None,
    comparison: Comparison | None,
    used: dict[str, Deployed | str],
    slots: int,
) -> Iterator[str]:
    """Iterate over what is missing, what would change the verdict, and what to try."""
    if sitting is not None and sitting.stage == "unbeaten":
        tried = "more data or features, another target, a longer data.lookback, a larger model.budget"
        yield f"Things to try: {tried}{', or more minutes, because updates were limited' if pilot.capped else ''}."
    if plan is not None and sitting is not None and sitting.stage in ("pairs", "trials"):
        missing = sitting.wanted - sitting.complete
        takes = f"{_minutes(missing, plan, pilot, slots):.3g} minutes"
        yield f"{missing} of the {sitting.wanted} pairs for this sitting's look are missing, which take about {takes}."
    if comparison is not None and comparison.verdict is not None:
        if comparison.verdict.look is not None:
            yield f"Over seeds alone, for exactly these test sequences: {comparison.verdict.sentence}"
        yield from comparison.sensitivity
    yield from (f"{model}: {cost}" for model, cost in used.items() if isinstance(cost, str))
    if pilot.capped:
        yield f"All runs were limited to {pilot.updates:,} updates, so that enough of them fit into the time budget."


def _minutes(pairs: int, plan: Plan, pilot: Pilot, slots: int) -> float:
    """Return the minutes that a number of pairs takes, with the work around them."""
    runs = pairs * len(plan.models)
    return max(0.1, 1.25 * math.ceil(runs / slots) * pilot.run_seconds / 60)


def _commands(
    made: Answer, typed: Sequence[str], plan: Plan | None, sitting: Sitting | None, slots: int, pilot: Pilot
) -> Iterator[tuple[str, str]]:
    """Iterate over the next commands to type."""
    comparison = _primary(made.summary)[1]
    both = comparison.both if comparison else None
    decided = both is not None and (both.outcome in ("better", "same") or both.more_sequences)
    again = shlex.join(["gatebench", "answer", *typed])
    if plan is None or sitting is None:
        yield "go on", f"{again} minutes={math.ceil(4 * pilot.minutes)}"
    elif not decided and sitting.stage != "unbeaten":
        missing = sitting.wanted - sitting.complete or sitting.wanted  # of the next sitting: the same number again
        minutes = _minutes(missing, plan, pilot, slots) / (0.9 if sitting.stage == "looked" else 0.8)
        yield "go on", f"{again} minutes={max(1, math.ceil(minutes))}"
    if made.best is not None:
        run = str(from_here(made.best))
        own = plan is not None and any("data.path" in (node or {}) for node in plan.data.values())
        if own:
            yield "predict", shlex.join(["gatebench", "predict", run]) + " NEW_FILE"
        else:
            yield "measure it again", shlex.join(["gatebench", "evaluate", run])
        yield "export", shlex.join(["gatebench", "export", run])
    if made.summary is not None:
        yield "report", shlex.join(["gatebench", "compare", f"study={from_here(made.directory)}"])


def show(made: Answer) -> None:
    """Print the answer."""
    from rich.table import Table

    console = screen()
    console.print()
    console.print(made.verdict, style="bold", highlight=False)
    console.print(made.sentence, highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", overflow="fold", min_width=17)
    for head in HEADS:
        table.add_column(head or made.metric, justify="right", no_wrap=True)
    for row in made.rows:
        table.add_row(row.name, *cells(row))
    console.print(table)
    for sentence in made.remarks:
        console.print(f"- {sentence}", highlight=False)
    if made.best is not None:
        test = "" if made.best_test is None else f", {made.metric} {made.best_test:.4g} by itself"
        console.print(f"Ready for use: {from_here(made.best)}{test}.", highlight=False, soft_wrap=True)
    if made.small_print:
        console.print(made.small_print[0], highlight=False)
    for does, line in made.commands.items():
        console.print(f"To {does}: {line}", highlight=False, soft_wrap=True)
    console.print(f"{made.minutes:.1f} minutes. {from_here(made.page)}", highlight=False, soft_wrap=True)


def cells(row: Row) -> list[str]:
    """Format the figures of a row."""

    def said(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    return [
        said(row.test, ".4g"),
        row.interval,
        str(row.runs or ""),
        said(row.parameters, ","),
        said(row.training_seconds, ".3g"),
        said(row.milliseconds, ".3g"),
        said(row.memory_mb, ".3g"),
    ]


def lead(made: Answer) -> str:
    """Return the head of the page: verdict, figures and next steps, with all text escaped."""

    def tag(name: str, text: str) -> str:
        return f"<{name}>{html.escape(text)}</{name}>"

    heads = ["", *(head or made.metric for head in HEADS)]
    body = "".join(f"<tr>{tag('th', row.name)}{''.join(tag('td', c) for c in cells(row))}</tr>" for row in made.rows)
    table = f"<table><thead><tr>{''.join(tag('th', head) for head in heads)}</tr></thead><tbody>{body}</tbody></table>"
    remarks = "".join(tag("li", sentence) for sentence in made.remarks)
    commands = "".join(
        f"{tag('dt', does)}<dd><pre>{html.escape(line)}</pre></dd>" for does, line in made.commands.items()
    )
    ready = ""
    if made.best is not None and made.best_test is not None:
        ready = tag(
            "p",
            f"The run {made.best.name} is ready for use; its own {made.metric} is {made.best_test:.4g}.",
        )
    return (
        f'<section id="verdict"><h2>{html.escape(made.verdict)}</h2>{tag("p", made.sentence)}'
        f'<div class="scroll">{table}</div><ul>{remarks}</ul>{ready}<dl class="commands">{commands}</dl></section>'
    )
