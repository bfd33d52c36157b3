"""From what was collected to the :class:`~src.analysis.summary.Summary` that everything shown is made of."""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from src.analysis.across import across
from src.analysis.asked import Asked, nothing, plan_of
from src.analysis.collect import Collection
from src.analysis.compare import adjusted, compare
from src.analysis.flags import flags_of, plan_flags, tuning_flags
from src.analysis.metrics import mode_of, unit_of
from src.analysis.models import baselines_on, finals, points_of, sum_up
from src.analysis.published import references
from src.analysis.summary import Flag, Problem, Run, Summary, Task, Tuning
from src.analysis.tuning import tunings
from src.config.errors import UserError


def summarise(found: Collection, wanted: Asked) -> Summary:
    """Every statistic of every task, with its flags.

    Args:
        found: runs, curves, test losses.
        wanted: which models, metric and margin.

    Raises:
        UserError: when no run could be compared.
    """
    compared = finals(found.runs)
    tuned = tunings(found.runs, found.study)
    tasks: list[Task] = []
    problems = list(found.problems)
    not_begun = []
    for data, arm in itertools.product(wanted.data, wanted.arms):
        runs = [run for run in compared if (run.data, run.arm) == (data, arm)]
        if runs:
            task, untested = _task(data, arm, runs, found, wanted)
            problems += untested
            tasks.append(task)
        elif wanted.planned and data in (found.study.get("plan") or {}).get("data", {}):
            not_begun.append(data if len(wanted.arms) == 1 else f"{data} ({arm})")
    if not any(model.points for task in tasks for model in task.models):
        if conflicts := [flag.sentence for task in tasks for flag in task.flags if flag.kind == "conflict"]:
            raise UserError(f"Nothing can be compared: {conflicts[0]}")
        raise UserError(nothing(found, ", ".join(dict.fromkeys(wanted.metric_of(data) for data in wanted.data))))
    tasks = [_flagged(task, compared, tuned, wanted) for task in adjusted(tasks)]
    plan = plan_of(found.study, wanted)
    of_study = [*plan_flags(plan, compared), *wanted.flags]
    if found.study and len({study.get("plan_hash") for study in found.studies}) > 1:
        of_study.append(Flag("plan", "serious", "The folders hold different plans of this study; the newest counts."))
    if not_begun:  # a study may be done in pieces: an empty table for each would hide what there is
        words = f"The study has no final run yet of {', '.join(not_begun)}: the answer is for the rest."
        of_study.append(Flag("missing", "serious", words))
    counts: dict[str, Counter[str]] = {}
    for run in found.runs:
        counts.setdefault(run.phase or "final", Counter())[run.status] += 1
    first_arm = [task for task in tasks if task.arm == tasks[0].arm]
    return Summary(
        name=found.name,
        kind=found.kind,
        places=found.places,
        tasks=tasks,
        runs=found.runs,
        problems=problems,
        flags=of_study,
        across=across(first_arm),
        tuning=tuned,
        curves=found.curves,
        plan=plan,
        commands=_commands(found, compared, wanted),
        counts={phase: dict(of) for phase, of in counts.items()},
        seconds=sum(float(run.timing.get("seconds") or 0.0) for run in found.runs),
    )


def _task(data: str, arm: str, runs: Sequence[Run], found: Collection, wanted: Asked) -> tuple[Task, list[Problem]]:
    metric = wanted.metric_of(data)
    mode = mode_of(metric, runs, wanted.mode)
    trivial = baselines_on(runs, metric)
    task = Task(
        data=data,
        arm=arm,
        metric=metric,
        unit=unit_of(metric),
        mode=mode,
        margin=wanted.margin_of(data),
        models=[],
        comparisons=[],
        baselines=trivial,
        references=references(data, metric),
    )
    left_out = {(left.get("model"), left.get("data")) for left in found.study.get("left_out") or []}
    models, flags, untested = [], list[Flag](), list[str]()
    for name in wanted.models:
        mine = [run for run in runs if run.model == name]
        if mine or (name in wanted.planned and (name, data) not in left_out):
            points, conflicts, without = points_of(mine, metric, mode)
            models.append(sum_up(name, mine, points, list(trivial.values())))
            flags, untested = flags + conflicts, untested + without
    one_test = len({run.facts.get("checksum") for run in runs}) == 1
    comparisons = [
        compare(
            task,
            a,
            b,
            primary=(a.model, b.model) == wanted.primary,
            sequences=found.sequences if one_test else None,
        )
        for a, b in itertools.combinations(models, 2)
    ]
    comparisons.sort(key=lambda comparison: not comparison.primary)
    places = {run.id: run.directory or run.id for run in runs}
    problems = [
        Problem("incomplete", places[run_id], f"The run is finished and has no {metric} (trained with test=false?).")
        for run_id in untested
    ]
    return replace(task, models=models, comparisons=comparisons, flags=flags), problems


def _flagged(task: Task, compared: Sequence[Run], tuned: Sequence[Tuning], wanted: Asked) -> Task:
    runs = [run for run in compared if (run.data, run.arm) == (task.data, task.arm)]
    flags = [*task.flags, *flags_of(task, runs, wanted.tolerance, wanted.pairs_of(task.data))]
    for tuning in tuned:
        if (tuning.data, tuning.arm) == (task.data, task.arm):
            flags += tuning_flags(tuning, runs)
    flags.sort(key=lambda flag: flag.weight != "serious")
    return replace(task, flags=flags)


def _commands(found: Collection, compared: Sequence[Run], wanted: Asked) -> list[dict[str, str]]:
    """What one types to make all of it again."""
    lines = []
    commits = Counter(str(run.git["commit"]) for run in compared if run.git.get("commit"))
    for commit, number in commits.most_common():
        share = "" if len(commits) == 1 else f"{number} of "
        lines.append((f"git checkout {commit}", f"the code that made {share}the final runs"))
    name, place = found.study.get("name"), found.places[0]
    if name:
        every = "every trial and every final run; finished ones are skipped"
        lines.append((f"python -m src.train -m experiments={name}", every))
    if found.kind in ("pack", "table"):
        source, does = f"from={place}", "this report, from the records there"
    elif found.kind == "study":
        source, does = f"study={found.name}", "this report, from the runs"
    else:
        source, does = f"folders=[{','.join(found.places)}]", "this report"
    given = [f"{key}={_as_override(value)}" for key, value in wanted.given.items()]
    again = " ".join(shlex.quote(word) for word in ["python", "-m", "src.compare", source, *given])
    lines.append((again, does))
    if found.kind == "study":
        lines.append((f"{again} pack=experiments/{found.name}", "the records to commit"))
    return [{"command": command, "does": does} for command, does in lines]


def _as_override(value: Any) -> str:
    """A value as Hydra's command line has it.

    >>> _as_override(["gru", "lstm"]), _as_override({"jsb": 0.05})
    ('[gru,lstm]', '{jsb: 0.05}')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
