"""The pictures of the answer: every run, and the paired differences."""

from __future__ import annotations

from src.analysis.run import Run
from src.analysis.task import Comparison, Task
from src.figures import comparison
from src.figures.chart import Chart
from src.figures.comparison import Published, Row
from src.figures.marks import Mark
from src.reporting.page.marks import NO_BETTER, metric_label, run_mark
from src.reporting.page.words import number, place, settings


def point_chart(task: Task, runs: dict[str, Run]) -> Chart:
    """Every final run of a task, its published figures and trivial baselines."""
    return comparison.points(
        place(task.data, task.arm),
        metric_label(task),
        {m.model: [run_mark(task, m.model, p, runs) for p in m.points] for m in task.models},
        {m.model: (m.mean, m.interval.low, m.interval.high) for m in task.models if m.mean is not None and m.interval},
        task.mode == "min",
        task.baselines,
        [Published(r.model, r.value, r.source, r.state == "confirmed", r.note or "") for r in task.references],
    )


def difference_chart(task: Task, runs: dict[str, Run]) -> Chart:
    """The paired differences of a task, with the margin."""
    return comparison.differences(
        place(task.data, task.arm),
        task.unit or task.metric,
        [_row(task, c, runs) for c in task.comparisons if c.n],
        task.margin,
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
            tuned = f", {settings(run.values)}" if run and run.values else ""
            words.append(f"{name} {number(value)}: run {run_id}{tuned}")
        chance = {pair.run_a, pair.run_b} & at_chance
        if chance:
            words.append(f"a run of the pair is {NO_BETTER}")
        marks.append(Mark(pair.difference, "\n".join(words), hollow=bool(chance), outlier=bool(chance)))
    intervals = [i for i in ((c.verdict and c.verdict.interval_95) or c.t, c.sequences) if i]
    return Row(c.a, c.b, marks, c.mean, [(i.method, i.low, i.high) for i in intervals])
