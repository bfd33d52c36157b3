"""The statistics of a task as tables: every model, and every comparison."""

from __future__ import annotations

from src.analysis.summary import Comparison, Task
from src.reporting.page.tables import Cell, Table, row
from src.reporting.page.words import NOTHING, interval, number, place, probability


def model_table(task: Task) -> Table:
    """Every model on one task: its results and how its runs ended."""
    columns = [
        "model",
        "n",
        "mean",
        "95 % interval",
        "SD",
        "median",
        "interquartile mean",
        "diverged",
        "at chance level",
    ]
    columns += ["failed", "unfinished", "solve rate", "best epoch was the last"]
    rows = [
        row(
            m.model,
            m.n,
            m.mean,
            interval(m.interval, signed=False),
            m.sd,
            m.median,
            m.iqm,
            m.diverged,
            m.chance,
            m.failed,
            m.unfinished,
            NOTHING if m.solve_rate is None else f"{100 * m.solve_rate:.0f} %",
            m.last_epoch,
        )
        for m in task.models
    ]
    unit = f", in {task.unit}" if task.unit else ""
    return Table(f"{place(task)}: {task.metric}{unit}, by model. Intervals by t, over seeds.", columns, rows)


def comparison_table(task: Task) -> Table | None:
    """The statistics of every comparison of one task, a column for each; None where there is none."""
    if not task.comparisons:
        return None
    lines = [(words, [value(c) for c in task.comparisons]) for words, value in _STATISTICS]
    rows = [[Cell(words), *map(Cell, values)] for words, values in lines if any(v != NOTHING for v in values)]
    columns = ["", *(f"{c.a} against {c.b}{', primary' if c.primary else ''}" for c in task.comparisons)]
    margin = f"; the margin is ±{number(task.margin)}" if task.margin is not None else "; no margin was fixed"
    return Table(
        f"{place(task)}: paired differences in {task.unit or task.metric}, positive where the first is better{margin}.",
        columns,
        rows,
    )


def _answer(c: Comparison) -> str:
    if c.verdict is None:
        return NOTHING
    return (
        f"{c.verdict.winner} better"
        if c.verdict.winner
        else {"same": "practically the same"}.get(c.verdict.outcome, c.verdict.outcome)
    )


_STATISTICS = (
    ("answer", _answer),
    ("by", lambda c: c.verdict.method if c.verdict else NOTHING),
    ("complete pairs", lambda c: str(c.n)),
    ("mean difference", lambda c: number(c.mean, signed=True)),
    ("95 % interval by t", lambda c: interval(c.t)),
    ("95 % interval by BCa", lambda c: interval(c.bca)),
    ("95 % over seeds only (bootstrap)", lambda c: interval(c.seeds)),
    ("95 % over seeds and test sequences (bootstrap)", lambda c: interval(c.sequences)),
    ("test sequences", lambda c: c.sequences_note or NOTHING),
    (
        "90 % interval of the answer (within the margin: the same)",
        lambda c: interval(c.verdict and c.verdict.interval_90),
    ),
    ("p, better by more than the margin (below 0.025)", lambda c: probability(c.verdict and c.verdict.p_better)),
    ("p, practically the same (below 0.05)", lambda c: probability(c.verdict and c.verdict.p_same)),
    ("more pairs that would decide", lambda c: number(c.verdict and c.verdict.more_pairs)),
    ("SD of the differences", lambda c: number(c.sd)),
    ("median difference", lambda c: number(c.median, signed=True)),
    (
        "wins / ties / losses of the first",
        lambda c: f"{c.probability.wins} / {c.probability.ties} / {c.probability.losses}" if c.probability else NOTHING,
    ),
    ("P(first better)", lambda c: number(c.probability and c.probability.estimate, 2)),
    (
        "95 % interval of it",
        lambda c: (
            f"{interval(c.probability.interval, signed=False)} ({c.probability.interval.method})"
            if c.probability
            else NOTHING
        ),
    ),
    ("Bouthillier's reading", lambda c: c.probability.reading if c.probability else NOTHING),
    ("Wilcoxon signed-rank, p", lambda c: probability(c.wilcoxon and c.wilcoxon.p)),
    (
        "p after Holm",
        lambda c: f"{probability(c.wilcoxon.p_holm)} (over {c.wilcoxon.comparisons} tests)" if c.wilcoxon else NOTHING,
    ),
    ("power of Wilcoxon where P(first better) = 0.75", lambda c: probability(c.power and c.power.wilcoxon)),
    ("chance of “the same” were they equal", lambda c: probability(c.power and c.power.same)),
    ("difference found with probability 0.8", lambda c: number(c.power and c.power.detectable)),
    ("pairs for a power of 0.8", lambda c: number(c.power and c.power.pairs_for_80)),
    ("correlation within pairs", lambda c: number(c.correlation, 2, signed=True)),
    ("variance, paired over unpaired", lambda c: number(c.saved, 2)),
)
