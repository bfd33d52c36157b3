"""A summary as charts: what each picture shows, in words that hovering shows too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from src.analysis.page.words import number, place, setting, values_in_words
from src.analysis.summary import Across, Comparison, Curve, Model, Run, Summary, Task, Tuning
from src.figures import comparison, curves
from src.figures.chart import Chart
from src.figures.comparison import Published, Row
from src.figures.scales import Mark

NO_BETTER = "no better than the trivial baseline"
COSTS = (  # key, words, of the timing
    ("effective", "effective parameters"),
    ("seconds_to_best", "seconds to the best epoch"),
    ("peak_rss_mb", "peak memory (MB)"),
)


@dataclass(frozen=True)
class Pictures:
    """Charts of one kind, one or more for each task.

    >>> Pictures("points", "Every run", "One point a run.", []).charts
    []

    Args:
        key: the name of their file.
        heading: above them.
        words: how to read them.
        charts: in the order of the tasks.
        columns: side by side in the file.
    """

    key: str
    heading: str
    words: str
    charts: list[Chart]
    columns: int = 2


def pictures(summary: Summary) -> list[Pictures]:
    """Every kind of picture that the summary has something for."""
    runs = {run.id: run for run in summary.runs}
    tasks = summary.tasks
    found = [
        Pictures(
            "points",
            "Every run",
            "One point for each final run, beside it the mean with its 95 % interval over seeds. Short lines are "
            "published figures (dotted: not confirmed); hollow points are no better than the trivial baseline.",
            [_points(task, runs) for task in tasks if any(m.points for m in task.models)],
        ),
        Pictures(
            "differences",
            "Paired differences",
            "A pair shares its seed: split, order of the batches and noise. To the right of zero the first model is "
            "better. The heavy bar is the interval that the answer uses, the thin one is over seeds and test sequences "
            "together; inside the shaded margin a difference does not matter in practice.",
            [_differences(task, runs) for task in tasks if any(c.n for c in task.comparisons)],
        ),
        Pictures(
            "learning",
            "Learning curves",
            "Median over the runs with a band for the middle half of them, as far as half of the runs went; "
            "pale lines are single runs, the line without a band is the loss on training data.",
            [chart for task in tasks for chart in _learning(task, summary.curves, runs)],
        ),
        Pictures(
            "tuning",
            "Tuning",
            "Every trial on validation; the line goes through the mean at each draw, small rings are repeats with "
            "other seeds, the large ring is the choice.",
            [chart for tuning in summary.tuning for chart in _tuning(tuning, runs, len(_arms(tasks)) > 1)],
        ),
        Pictures(
            "cost",
            "Quality against cost",
            "One point for each run, the large one is the model's median. Hollow: the machine was shared, so that the "
            "time says less.",
            [chart for task in tasks for chart in _cost(task, runs)],
            columns=3,
        ),
        Pictures(
            "lengths",
            "Along the study's own axis",
            "Mean over the runs with its 95 % interval.",
            _lengths(summary),
        ),
        Pictures(
            "across",
            "All data sets together",
            "Scores put the best trivial baseline of a data set at 0 and the mean of its best model at 1; a diverged "
            "run has 0.",
            _together(summary.across),
        ),
    ]
    return [kind for kind in found if kind.charts]


def model_names(summary: Summary) -> list[str]:
    """Every model that stands in a picture, so that all of them share one set of looks."""
    return list(
        dict.fromkeys([m.model for task in summary.tasks for m in task.models] + [r.model for r in summary.runs])
    )


def hover(run: Run, value: float | None, metric: str) -> str:
    """What hovering over a run shows: id, seed, tuned values, result."""
    lines = [f"{run.model}, seed {run.seed}", f"run {run.id}"]
    if run.values:
        lines.append(values_in_words(run.values))
    lines.append(f"{metric} {number(value)}" if value is not None else run.status)
    return "\n".join(lines)


def _label(task: Task) -> str:
    better = "smaller is better" if task.mode == "min" else "larger is better"
    return f"{task.metric} ({', '.join(filter(None, [task.unit, better]))})"


def _mark(
    task: Task, model: Model, run_id: str, seed: int, value: float | None, status: str, runs: dict[str, Run]
) -> Mark:
    run = runs.get(run_id)
    text = hover(run, value, task.metric) if run else f"{model.model}, seed {seed}\n{task.metric} {number(value)}"
    if status not in ("finished", "chance"):
        text = text if text.endswith(status) else f"{text}\n{status}"
    chance = status == "chance"
    return Mark(value, f"{text}\n{NO_BETTER}" if chance else text, hollow=chance, outlier=chance)


def _points(task: Task, runs: dict[str, Run]) -> Chart:
    return comparison.points(
        place(task),
        _label(task),
        {m.model: [_mark(task, m, p.run, p.seed, p.value, p.status, runs) for p in m.points] for m in task.models},
        {m.model: (m.mean, m.interval.low, m.interval.high) for m in task.models if m.mean is not None and m.interval},
        task.mode == "min",
        task.baselines,
        [Published(r.model, r.value, r.source, r.state == "confirmed", r.note or "") for r in task.references],
    )


def _differences(task: Task, runs: dict[str, Run]) -> Chart:
    return comparison.differences(
        place(task), task.unit or task.metric, [_row(task, c, runs) for c in task.comparisons if c.n], task.margin
    )


def _row(task: Task, c: Comparison, runs: dict[str, Run]) -> Row:
    at_chance = {p.run for m in task.models for p in m.points if p.status == "chance"}
    marks = []
    for pair in c.pairs:
        words = [f"{c.a} − {c.b}, seed {pair.seed}"]
        if pair.difference is not None:
            words.append(f"difference {number(pair.difference, signed=True)}")
        for name, value, run_id in ((c.a, pair.a, pair.run_a), (c.b, pair.b, pair.run_b)):
            run = runs.get(run_id or "")
            tuned = f", {values_in_words(run.values)}" if run and run.values else ""
            words.append(f"{name} {number(value)}: run {run_id}{tuned}")
        chance = {pair.run_a, pair.run_b} & at_chance
        if chance:
            words.append(f"a run of the pair is {NO_BETTER}")
        marks.append(Mark(pair.difference, "\n".join(words), hollow=bool(chance), outlier=bool(chance)))
    intervals = [i for i in ((c.verdict and c.verdict.interval_95) or c.t, c.sequences) if i]
    return Row(c.a, c.b, marks, c.mean, [(i.method, i.low, i.high) for i in intervals])


def _learning(task: Task, recorded: dict[str, Curve], runs: dict[str, Run]) -> list[Chart]:
    name = task.metric.partition("/")[2] or task.metric
    shown = f"val/{name}"
    found = {
        m.model: [
            (recorded[p.run], hover(runs[p.run], p.value, task.metric))
            for p in m.points
            if p.run in recorded and p.run in runs
        ]
        for m in task.models
    }
    if not any(shown in c.columns for pairs in found.values() for c, _ in pairs):
        monitors = [str(r.best.get("monitor")) for r in runs.values() if r.data == task.data and r.best.get("monitor")]
        columns = [c for pairs in found.values() for curve, _ in pairs for c in curve.columns]
        shown = next((c for c in [*monitors, *columns] if c in columns), "")
    if not shown:
        return []
    training = f"train/{shown.partition('/')[2]}"
    charts = []
    for words, along in (("epoch", _epochs), ("seconds of training", _seconds)):
        lines = {model: _series(pairs, along, shown) for model, pairs in found.items()}
        if not any(lines.values()):
            continue
        taught = {model: _series(pairs, along, training) for model, pairs in found.items()} if words == "epoch" else {}
        title = f"{place(task)}, against {'epochs' if words == 'epoch' else 'time'}"
        unit = f" ({task.unit})" if task.unit else ""
        charts.append(curves.learning(title, words, f"{shown}{unit}", lines, {k: v for k, v in taught.items() if v}))
    return charts


def _epochs(curve: Curve) -> list[float | None]:
    return [None if e is None else float(e) for e in curve.epoch]


def _seconds(curve: Curve) -> list[float | None]:
    return list(curve.seconds)


def _series(
    pairs: list[tuple[Curve, str]], along: Callable[[Curve], list[float | None]], column: str
) -> list[tuple[list[float], list[float], str]]:
    found = []
    for curve, words in pairs:
        both = [
            (x, y)
            for x, y in zip(along(curve), curve.columns.get(column, []), strict=False)
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
        ]
        if both:
            found.append(([x for x, _ in both], [y for _, y in both], words))
    return found


def _tuning(tuning: Tuning, runs: dict[str, Run], name_arm: bool) -> list[Chart]:
    charts = []
    for key in tuning.keys:
        trials: dict[str, list[Mark]] = {}
        for trial in tuning.trials:
            x = trial.values.get(key)
            if not isinstance(x, int | float):
                continue
            run = runs.get(trial.run)
            words = hover(run, trial.value, tuning.metric or "validation") if run else f"{trial.model}, run {trial.run}"
            mark = Mark(trial.value, f"{words}\n{trial.phase}", hollow=trial.phase == "repeat", x=float(x))
            trials.setdefault(trial.model, []).append(mark)
        if not any(m.value is not None for marks in trials.values() for m in marks):
            continue
        chosen = {m: float(v[key]) for m, v in tuning.chosen.items() if isinstance(v.get(key), int | float)}
        title = f"{tuning.data}, {tuning.arm}" if name_arm else tuning.data
        settings = [m.x for marks in trials.values() for m in marks]
        log = min(settings) > 0 and max(settings) / min(settings) > 10
        charts.append(
            curves.tuning(
                title,
                setting(key),
                tuning.metric or "validation",
                trials,
                chosen,
                tuning.mode != "max",
                [stretch for e in tuning.extensions if e.get("key") == key for stretch in _added(e)],
                log,
            )
        )
    return charts


def _added(extension: dict[str, Any]) -> Iterable[tuple[float, float]]:
    """What an extension added to the range."""
    before, after = extension.get("from"), extension.get("to")
    if not before or not after:
        return
    if after[0] < before[0]:
        yield float(after[0]), float(before[0])
    if after[1] > before[1]:
        yield float(before[1]), float(after[1])


def _cost(task: Task, runs: dict[str, Run]) -> list[Chart]:
    charts = []
    for key, words in COSTS:
        marks: dict[str, list[Mark]] = {}
        for m in task.models:
            for p in m.points:
                if (run := runs.get(p.run)) is None:
                    continue
                x = {**run.parameters, **run.memory, **run.timing}.get(key)
                if x is None:
                    continue
                shared = bool(run.timing.get("shared")) and key == "seconds_to_best"
                text = (
                    hover(run, p.value, task.metric)
                    + f"\n{words}: {number(x)}"
                    + (", shared machine" if shared else "")
                )
                marks.setdefault(m.model, []).append(Mark(p.value, text, shared, float(x), p.status == "chance"))
        if any(m.value is not None for found in marks.values() for m in found):
            charts.append(curves.cost(place(task), words, _label(task), marks))
    return charts


def axis_of(summary: Summary) -> tuple[str, dict[str, float]] | None:
    """The one numeric setting by which the arms of a study differ, with its value for each arm; None without one."""
    arms = (summary.plan.plan.get("arms") if summary.plan else None) or {}
    settings = [dict(values or {}) for values in arms.values()]
    keys = {key for values in settings for key in values}
    if len(arms) < 2 or len(keys) != 1:
        return None
    key = keys.pop()
    found = {name: values.get(key) for name, values in zip(arms, settings, strict=True)}
    numbers = {n: float(v) for n, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return (str(key), numbers) if len(numbers) == len(arms) and len(set(numbers.values())) > 1 else None


def _lengths(summary: Summary) -> list[Chart]:
    if (found := axis_of(summary)) is None:
        return []
    key, at = found
    charts = []
    for data in dict.fromkeys(task.data for task in summary.tasks):
        tasks = [task for task in summary.tasks if task.data == data and task.arm in at]
        if len(tasks) < 2:
            continue
        means: dict[str, list[tuple[float, float, float, float]]] = {}
        baselines: dict[str, list[tuple[float, float]]] = {}
        for task in tasks:
            for m in task.models:
                if m.mean is not None:
                    ends = (m.interval.low, m.interval.high) if m.interval else (m.mean, m.mean)
                    means.setdefault(m.model, []).append((at[task.arm], m.mean, *ends))
            for name, value in task.baselines.items():
                baselines.setdefault(name, []).append((at[task.arm], value))
        if means:
            charts.append(curves.lengths(data, setting(key), _label(tasks[0]), means, baselines))
    return charts


def _together(across: Across | None) -> list[Chart]:
    charts = []
    label = "score: trivial 0, best 1"
    if across and across.iqm:
        means = {n: (v["value"], v["interval"].low, v["interval"].high) for n, v in across.iqm.items()}
        charts.append(curves.scores("Interquartile mean of the scores", label, means))
    if across and across.profile:
        charts.append(curves.profile("Performance profiles", label, across.thresholds, across.profile))
    return charts


def _arms(tasks: list[Task]) -> set[str]:
    return {task.arm for task in tasks}
