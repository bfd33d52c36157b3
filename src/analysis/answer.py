"""Build the :class:`~src.analysis.summary.Summary`, from which everything shown is made, from collected runs."""

from __future__ import annotations

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from src.analysis.across import across
from src.analysis.asked import Asked, nothing
from src.analysis.checks import plan_flags, task_flags, tuning_flags, unlike_margins
from src.analysis.collect import Collection, Problem
from src.analysis.compare import adjusted, compare
from src.analysis.curves import Curve
from src.analysis.failures import failures_of
from src.analysis.family import familywise
from src.analysis.flags import Flag, serious_first
from src.analysis.margin import beside_the_margin
from src.analysis.metrics import declared_metric, mode_of
from src.analysis.models import baselines_on, finals, points_of, sum_up
from src.analysis.plan import plan_of
from src.analysis.published import references
from src.analysis.run import Run
from src.analysis.small_print import small_print
from src.analysis.solving import timed
from src.analysis.summary import Summary
from src.analysis.task import Task
from src.analysis.tuning import Tuning, tunings
from src.config.errors import UserError
from src.config.instantiate import select
from src.config.overrides import override
from src.runs.study_record import StudyRecord

SPLITS = (
    "the runs come from {} splits of the data (data.split_seed), which share sequences, so their pairs are not "
    "independent repeats: compare the runs of one split, or plan study.resplits"
)


def summarise(collection: Collection, wanted: Asked) -> Summary:
    """Compute every statistic of every task, with its flags.

    Raises:
        UserError: no run could be compared.
    """
    study, compared = collection.study, finals(collection.runs)
    tuned = tunings(collection.runs, study)
    tasks: list[Task] = []
    problems = list(collection.problems)
    not_begun = []
    for data, arm in itertools.product(wanted.data, wanted.arms):
        runs = [run for run in compared if (run.data_name, run.arm) == (data, arm)]
        if runs:
            tuning = next((t for t in tuned if (t.data, t.arm) == (data, arm)), None)
            task, untested = _task(data, arm, runs, collection, wanted, tuning)
            problems += untested
            tasks.append(task)
        elif study and data in study.plan.data:
            not_begun.append(data if len(wanted.arms) == 1 else f"{data} ({arm})")
    if not any(model.points for task in tasks for model in task.models):
        if conflicts := [flag.sentence for task in tasks for flag in task.flags if flag.kind == "conflict"]:
            raise UserError(f"Nothing can be compared: {conflicts[0]}")
        raise UserError(nothing(collection, ", ".join(dict.fromkeys(wanted.metric.values()))))
    margins = study.margins if study else {}
    tasks = [
        replace(
            _flagged(task, compared, tuned, wanted, collection.curves),
            about_margin=beside_the_margin(task, margins.get(task.data), given="margin" in wanted.given),
        )
        for task in adjusted(tasks)
    ]
    if wanted.familywise:
        tasks = familywise(tasks, wanted.looks)
    plan = plan_of(study)
    of_study = [*plan_flags(plan, compared), *wanted.flags]
    if study and len({other.plan_hash for other in collection.studies}) > 1:
        of_study.append(Flag("plan", "serious", "The folders have different plans of this study; the newest is used."))
    of_study += unlike_margins(collection.studies) if study else []
    if not_begun:  # a study may be run in parts: empty tables would hide the results there are
        words = f"The study has no final runs yet for {', '.join(not_begun)}; the results cover the rest."
        of_study.append(Flag("missing", "serious", words))
    counts: dict[str, Counter[str]] = {}
    for run in collection.runs:
        counts.setdefault(run.phase or "final", Counter())[run.status] += 1
    return Summary(
        name=collection.name,
        kind=collection.kind,
        places=collection.places,
        tasks=tasks,
        runs=collection.runs,
        problems=problems,
        flags=of_study,
        across=across([task for task in tasks if task.arm == tasks[0].arm]),
        tuning=tuned,
        curves=collection.curves,
        plan=plan,
        commands=_commands(collection, compared, wanted),
        counts={phase: dict(of) for phase, of in counts.items()},
        small_print=small_print(tasks, compared, tuned, plan),
        seconds=sum(run.timing.seconds for run in collection.runs),
    )


def _task(
    data: str, arm: str, runs: Sequence[Run], collection: Collection, wanted: Asked, tuning: Tuning | None
) -> tuple[Task, list[Problem]]:
    metric = wanted.metric[data]
    declared = declared_metric(metric, runs)
    mode = mode_of(metric, declared, runs, wanted.mode)
    trivial = baselines_on(runs, metric)
    left_out = {(left.model, left.data) for left in collection.study.left_out} if collection.study else set()
    models, flags, untested = [], list[Flag](), list[str]()
    for name in wanted.models:
        mine = [run for run in runs if run.model == name]
        if mine or (name in wanted.planned and (name, data) not in left_out):
            points, conflicts, without = points_of(mine, metric, mode, wanted.resplits is not None)
            models.append(sum_up(name, mine, points, metric))
            flags, untested = flags + conflicts, untested + without
    task = Task(
        data=data,
        arm=arm,
        metric=metric,
        unit=declared.unit if declared else "",
        mode=mode,
        margin=wanted.margin[data],
        models=models,
        baselines=trivial,
        references=references(data, metric),
        flags=flags,
    )
    one_test = len({run.data.checksum for run in runs}) == 1
    splits = {run.data.split_seed for run in runs}
    barred = SPLITS.format(len(splits)) if len(splits) > 1 and not wanted.resplits else None
    study = collection.study
    kind = (study.plan.data.get(data) or {}).get("data", data) if study else runs[0].choices.get("data")
    failures = failures_of(kind, models, trivial)
    comparisons = [
        compare(
            task,
            a,
            b,
            primary=(a.model, b.model) == wanted.primary,
            metric=declared,
            sequences=collection.sequences if one_test else None,
            looks=wanted.looks.get(data),
            tuning=tuning,
            sizes=_sizes(runs) if wanted.resplits else None,
            barred=barred,
            planned=wanted.pairs.get(data, 0) * (wanted.resplits or 1),
            failures=failures,
        )
        for a, b in itertools.combinations(models, 2)
    ]
    comparisons.sort(key=lambda comparison: not comparison.primary)
    places = {run.id: run.place for run in runs}
    problems = [
        Problem("incomplete", places[run_id], f"The run is finished but lacks {metric} (trained with test=false?).")
        for run_id in untested
    ]
    return timed(replace(task, comparisons=comparisons), runs, collection.curves), problems


def _sizes(runs: Sequence[Run]) -> tuple[int, int]:
    """Return the numbers of test sequences and of all other sequences, from the first run."""
    test = runs[0].data.sequences["test"]
    return test, sum(runs[0].data.sequences.values()) - test


def _flagged(
    task: Task, compared: Sequence[Run], tuned: Sequence[Tuning], wanted: Asked, curves: Mapping[str, Curve]
) -> Task:
    runs = [run for run in compared if (run.data_name, run.arm) == (task.data, task.arm)]
    planned = wanted.pairs.get(task.data, 0) * (wanted.resplits or 1)
    flags = [*task.flags, *task_flags(task, runs, wanted.tolerance, planned, curves)]
    for tuning in tuned:
        if (tuning.data, tuning.arm) == (task.data, task.arm):
            flags += tuning_flags(tuning, runs)
    return replace(task, flags=serious_first(flags))


def _commands(collection: Collection, compared: Sequence[Run], wanted: Asked) -> list[dict[str, str]]:
    """List the commands that reproduce the report, each with what it does."""
    lines = []
    commits = Counter(run.git.commit for run in compared if re.fullmatch("[0-9a-f]{7,40}", run.git.commit or ""))
    for commit, number in commits.most_common():
        share = "" if len(commits) == 1 else f"{number} of "
        lines.append((f"git checkout {commit}", f"check out the code of {share}the final runs"))
    if collection.study:
        every = "run every trial and final run; finished ones are skipped"
        typed = [f"experiments={collection.study.name}", *_typed(collection.study, {run.data_name for run in compared})]
        lines.append((shlex.join(["python", "-m", "src.train", "-m", *typed]), every))
    if collection.kind in ("pack", "table"):
        source, does = override("from", collection.places[0]), "write this report from those records"
    elif collection.kind == "study":
        source, does = override("study", collection.name), "write this report from the runs"
    else:
        source, does = override("folders", collection.places), "write this report"
    given = [override(key, value) for key, value in wanted.given.items()]
    again = shlex.join(["python", "-m", "src.compare", source, *given])
    lines.append((again, does))
    if collection.kind == "study":
        lines.append((f"{again} {shlex.quote(f'pack=experiments/{collection.name}')}", "write the records to commit"))
    return [{"command": command, "does": does} for command, does in lines]


def _typed(study: StudyRecord, complete: set[str | None]) -> list[str]:
    """Return the overrides of a study's command: values changed since it began, and the data sets that were run."""
    said, plan = dict(study.plan.overrides), asdict(study.plan)
    for key in dict.fromkeys(key for change in study.changes for key in change.keys):
        if isinstance(value := select(plan, key), bool | int | float | str):
            said[f"study.{key}"] = value
    if some := [name for name in study.plan.data if name not in complete]:
        said["study.only.data"] = [name for name in study.plan.data if name not in some]
    return [override(key, value) for key, value in said.items() if re.fullmatch(r"[a-z_][\w.]*", key)]
