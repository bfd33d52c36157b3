"""The tables of one task: its models, their comparisons, what they cost. A table without rows is not shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src.analysis.models import Model
from src.analysis.task import Comparison, Task
from src.reporting.page.cells import Cell, Table, row
from src.reporting.page.words import NOTHING, duration, interval, number, place, probability

OUTCOMES = {"same": "practically the same", "undecided": "undecided"}

# Columns of the tables of models, and rows of that of comparisons.
RESULTS: dict[str, Callable[[Model], object]] = {
    "n": lambda m: m.n,
    "mean": lambda m: m.mean,
    "95 % interval": lambda m: interval(m.interval, signed=False),
    "SD": lambda m: m.sd,
    "median": lambda m: m.median,
    "interquartile mean": lambda m: m.iqm,
    "diverged": lambda m: m.diverged,
    "at chance level": lambda m: m.chance,
    "failed": lambda m: m.failed,
    "unfinished": lambda m: m.unfinished,
    "solve rate": lambda m: NOTHING if m.solve_rate is None else f"{100 * m.solve_rate:.0f} %",
    "best epoch was the last": lambda m: m.last_epoch,
}
COSTS: dict[str, Callable[[Model], object]] = {
    "hidden size": lambda m: "×".join(map(str, m.hidden_size)) if isinstance(m.hidden_size, list) else m.hidden_size,
    "effective parameters": lambda m: m.parameters.get("effective"),
    "recurrent": lambda m: m.parameters.get("recurrent"),
    "total": lambda m: m.parameters.get("total"),
    "per epoch": lambda m: duration(m.cost.get("seconds_per_epoch")),
    "to the best epoch": lambda m: duration(m.cost.get("seconds_to_best")),
    "whole run": lambda m: duration(m.cost.get("seconds")),
    "epochs": lambda m: m.cost.get("epochs"),
    "updates": lambda m: m.cost.get("updates"),
    "peak memory (MB)": lambda m: m.cost.get("peak_rss_mb"),
    "on a shared machine": lambda m: m.shared,
    "kernels": lambda m: ", ".join(f"{name} ({n})" for name, n in m.backends.items()) or NOTHING,
}
STATISTICS: dict[str, Callable[[Any], str]] = {
    "answer": lambda c: answer(c) if c.verdict else NOTHING,
    "by": lambda c: c.verdict.method if c.verdict else NOTHING,
    "complete pairs": lambda c: str(c.n),
    "mean difference": lambda c: number(c.mean, signed=True),
    "95 % interval by t": lambda c: interval(c.t),
    "95 % interval by BCa": lambda c: interval(c.bca),
    "95 % over seeds only (bootstrap)": lambda c: interval(c.seeds),
    "95 % over seeds and test sequences (bootstrap)": lambda c: interval(c.sequences),
    "test sequences": lambda c: c.sequences_note or NOTHING,
    "90 % interval of the answer (within the margin: the same)": lambda c: interval(
        c.verdict and c.verdict.interval_90
    ),
    "p, better by more than the margin (below 0.025)": lambda c: probability(c.verdict and c.verdict.p_better),
    "p, practically the same (below 0.05)": lambda c: probability(c.verdict and c.verdict.p_same),
    "more pairs that would decide": lambda c: number(c.verdict and c.verdict.more_pairs),
    "SD of the differences": lambda c: number(c.sd),
    "median difference": lambda c: number(c.median, signed=True),
    "wins / ties / losses of the first": lambda c: (
        f"{c.probability.wins} / {c.probability.ties} / {c.probability.losses}" if c.probability else NOTHING
    ),
    "P(first better)": lambda c: number(c.probability and c.probability.estimate, 2),
    "95 % interval of it": lambda c: (
        f"{interval(c.probability.interval, signed=False)} ({c.probability.interval.method})"
        if c.probability
        else NOTHING
    ),
    "Bouthillier's reading": lambda c: c.probability.reading if c.probability else NOTHING,
    "Wilcoxon signed-rank, p": lambda c: probability(c.wilcoxon and c.wilcoxon.p),
    "p after Holm": lambda c: (
        f"{probability(c.wilcoxon.p_holm)} (over {c.wilcoxon.comparisons} tests)" if c.wilcoxon else NOTHING
    ),
    "power of Wilcoxon where P(first better) = 0.75": lambda c: probability(c.power and c.power.wilcoxon),
    "chance of “the same” were they equal": lambda c: probability(c.power and c.power.same),
    "difference found with probability 0.8": lambda c: number(c.power and c.power.detectable),
    "pairs for a power of 0.8": lambda c: number(c.power and c.power.pairs_for_80),
    "correlation within pairs": lambda c: number(c.correlation, 2, signed=True),
    "variance, paired over unpaired": lambda c: number(c.saved, 2),
}


def answer(c: Comparison) -> str:
    """The outcome of a comparison in a few words."""
    winner = c.verdict.winner if c.verdict else None
    return f"{winner} better" if winner else OUTCOMES[c.verdict.outcome if c.verdict else "undecided"]


def model_table(task: Task) -> Table:
    """Every model on one task: its results and how its runs ended."""
    rows = [row(m.model, *(of(m) for of in RESULTS.values())) for m in task.models]
    unit = f", in {task.unit}" if task.unit else ""
    caption = f"{place(task)}: {task.metric}{unit}, by model. Intervals by t, over seeds."
    return Table(caption, ["model", *RESULTS], rows)


def comparison_table(task: Task) -> Table:
    """The statistics of every comparison of one task, a column for each."""
    lines = [(words, [of(c) for c in task.comparisons]) for words, of in STATISTICS.items()]
    rows = [[Cell(words), *map(Cell, values)] for words, values in lines if any(v != NOTHING for v in values)]
    columns = ["", *(f"{c.a} against {c.b}{', primary' if c.primary else ''}" for c in task.comparisons)]
    margin = f"the margin is ±{number(task.margin)}" if task.margin is not None else "no margin was fixed"
    unit = task.unit or task.metric
    caption = f"{place(task)}: paired differences in {unit}, positive where the first is better; {margin}."
    return Table(caption, columns, rows)


def cost_table(task: Task) -> Table:
    """What every model cost on one task; empty where no run says."""
    known = any(value is not None for m in task.models for value in (*m.cost.values(), *m.parameters.values()))
    return Table(
        f"{place(task)}: what a run cost, medians over the final runs. Times of runs that shared the machine are in "
        "them and say less; how fast a layer is, benchmarks.steps measures.",
        ["model", *COSTS],
        [row(m.model, *(of(m) for of in COSTS.values())) for m in task.models] if known else [],
    )
