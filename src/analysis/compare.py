"""Compare two models on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from src.analysis.failures import Failures
from src.analysis.models import Model
from src.analysis.pairs import Pair, differences_of, largest_of, lost_of, make_pairs, ranked_of, values_of
from src.analysis.sensitivity import sensitivity
from src.analysis.sequences import OverSequences, Sequences
from src.analysis.task import Comparison, Task, Wilcoxon
from src.analysis.tuning import Tuning
from src.analysis.verdict import About, verdict, verdict_over_both, verdict_over_splits
from src.statistics.crossed import over_seeds_and_sequences
from src.statistics.intervals import alike, bca_interval, t_interval
from src.statistics.looks import Look
from src.statistics.paired import correlation, holm, probability_better, signed_rank
from src.statistics.power import power_of
from src.statistics.resplits import over_splits
from src.statistics.solved import SolveRates, solve_rates
from src.statistics.trials import sigma_tune
from src.tasks.metrics import Metric

LEAST_BLOCKS = 6  # fewest blocks of overlapping windows for an interval that generalises to other periods
THIS_PERIOD = "this period only"  # what a note says with fewer blocks
NEAR = 1e-6  # relative tolerance between a metric and the ratio of its sums


def compare(
    task: Task,
    a: Model,
    b: Model,
    *,
    primary: bool,
    metric: Metric | None = None,
    sequences: Mapping[str, Sequences] | None,
    looks: Sequence[Look] | None = None,
    tuning: Tuning | None = None,
    sizes: tuple[int, int] | None = None,
    barred: str | None = None,
    planned: int = 0,
    failures: Failures | None = None,
) -> Comparison:
    """Compare two models; p is unadjusted until :func:`adjusted` has seen all tests.

    Args:
        task: supplies metric, mode, margin and unit.
        a: model A.
        b: model B.
        primary: whether this is the plan's primary comparison.
        metric: the declaration of the task's metric, with the sums over sequences of which it is the ratio.
        sequences: sums over test sequences by run id; None if the runs did not all read the same data.
        looks: the looks fixed by the plan; None outside a plan.
        tuning: the trials from which both models' settings were chosen; None without tuning.
        sizes: numbers of sequences in test and in the rest, if the pairs come from several splits of one file.
        barred: why no conclusion is allowed, whatever the pairs are.
        planned: number of pairs over all splits, below which nothing is concluded over splits.
        failures: of runs that learned nothing, on a task where a run may.
    """
    pairs, names = make_pairs(a.points, b.points, task.mode), (a.model, b.model)
    x = differences_of(pairs)
    known = Comparison(
        *names,
        primary=primary,
        pairs=pairs,
        n=len(x),
        median=float(np.median(x)) if len(x) else None,
        solved=_solved(a, b),
        sigma_tune=sigma_tune(tuning.costs(a.model), tuning.costs(b.model)) if tuning else None,
    )
    if sizes is not None:
        return _over_splits(task, known, sizes, planned)
    ranked = ranked_of(pairs)
    test = signed_rank(ranked, largest_of(pairs))
    crossed = over_sequences(task, pairs, metric, sequences)
    r, saved = correlation(*values_of(pairs))
    seconds = [pair.seconds for pair in pairs if pair.seconds is not None]
    about = About(names, task.label, task.unit or f"in {task.metric}", crossed.floor, seconds, barred=barred)
    about = replace(about, failures=failures)
    answer = verdict(pairs, task.margin, about, looks)
    look = answer.look or Look(len(x))
    seen = pairs if looks is None else [pair for pair in pairs if pair.seed < look.pairs]
    at_look = over_sequences(task, seen, metric, sequences, look)

    def over_both(some: Sequence[Pair], at: Look) -> OverSequences:
        return over_sequences(task, some, metric, sequences, at)

    return replace(
        known,
        mean=float(x.mean()) if len(x) else None,
        sd=float(x.std(ddof=1)) if len(x) > 1 else None,
        t=t_interval(x),
        bca=bca_interval(x),
        sequences=crossed.better,
        sequences_better=at_look.better,
        sequences_same=at_look.same,
        floor=crossed.floor,
        sequences_note=crossed.note,
        correlation=r,
        saved=saved,
        probability=probability_better(ranked, names),
        wilcoxon=None if test is None else Wilcoxon(*test, p_holm=test[1], comparisons=1),
        verdict=answer,
        both=verdict_over_both(pairs, task.margin, about, looks, over_both),
    )


def _over_splits(task: Task, known: Comparison, sizes: tuple[int, int], planned: int) -> Comparison:
    """Compare over splits, omitting everything that treats pairs as independent, since splits share sequences."""
    pairs = known.pairs
    splits = list(dict.fromkeys(pair.split for pair in pairs if pair.difference is not None))
    means = np.array([differences_of([p for p in pairs if p.split == split]).mean() for split in splits])
    wide, narrow = (over_splits(means.tolist(), *sizes, level) for level in (0.95, 0.90))
    there = sum(pair.state != "missing" for pair in pairs)
    barred = f"{there} of {planned} planned pairs are complete, and all are needed" if there < planned else None
    about = About((known.a, known.b), task.label, task.unit or f"in {task.metric}", splits=True, barred=barred)
    return replace(
        known,
        mean=float(means.mean()) if len(means) else None,
        sequences_note="The splits share sequences: the interval over splits covers both seeds and sequences.",
        splits=wide,
        verdict=replace(verdict_over_splits(means, wide, narrow, task.margin, about, lost_of(pairs)), pairs=known.n),
    )


def adjusted(tasks: Sequence[Task]) -> list[Task]:
    """Add Wilcoxon's p with Holm's correction over all tests of all tasks, power and sensitivity."""
    tests = [c.wilcoxon for task in tasks for c in task.comparisons if c.wilcoxon is not None]
    corrected = iter(holm([test.p for test in tests]))

    def whole(task: Task, c: Comparison) -> Comparison:
        if c.wilcoxon is None:
            return c
        test = replace(c.wilcoxon, p_holm=next(corrected), comparisons=len(tests))
        spread = c.sd if c.n > 1 and not alike(differences_of(c.pairs)) else None
        power = None if c.provisional else power_of(c.n, len(tests), spread, task.margin)
        c = replace(c, wilcoxon=test, power=power)
        return replace(c, sensitivity=sensitivity(task, c))

    return [replace(task, comparisons=[whole(task, c) for c in task.comparisons]) for task in tasks]


def over_sequences(
    task: Task,
    pairs: Sequence[Pair],
    metric: Metric | None,
    sequences: Mapping[str, Sequences] | None,
    look: Look | None = None,
) -> OverSequences:
    """Compute intervals over seeds and test sequences at the levels of a look, if all runs share the sequences."""
    complete = [pair for pair in pairs if pair.state == "complete"]
    if len(complete) < 2:
        return OverSequences("Fewer than two pairs are complete.")
    if sequences is None:
        return OverSequences(
            "The runs were tested on different data; across splits of one file the interval over seeds is too narrow."
        )
    tested = [(sequences.get(pair.run_a or ""), sequences.get(pair.run_b or "")) for pair in complete]
    known = [of for both in tested for of in both if of is not None]
    if len(known) < 2 * len(complete):
        return OverSequences("Not every run has a record of its losses by test sequence.")
    if len({of.rows for of in known}) > 1:
        return OverSequences("The runs were not all tested on the same sequences.")
    sums = [made for of in known if (made := of.sums(metric)) is not None]  # A and B alternate
    if len(sums) < len(known):
        return OverSequences(f"{task.metric} is not a ratio of sums over sequences.")
    count = sums[0][1]
    if any(not np.array_equal(count, made[1]) for made in sums):
        return OverSequences("The runs do not make the same number of predictions in each sequence.")
    tops = np.array([made[0] for made in sums]).reshape(len(complete), 2, -1)
    if not np.allclose(tops.sum(2) / count.sum(), values_of(pairs).T, rtol=NEAR, atol=NEAR):
        return OverSequences("The sums over sequences do not reproduce the recorded metric.")
    sign, there = -1.0 if task.mode == "min" else 1.0, count > 0
    top = (sign * (tops[:, 0] - tops[:, 1]))[:, there]
    if known[0].windows and there.sum() < LEAST_BLOCKS:
        return OverSequences(
            f"The overlapping windows form fewer than {LEAST_BLOCKS} blocks of time ({there.sum()}): {THIS_PERIOD}."
        )
    levels = look or Look(len(complete))
    wide, narrow = (
        over_seeds_and_sequences(top, count[there], 1 - 2 * alpha) for alpha in (levels.better, levels.same)
    )
    if wide is None or narrow is None:
        return OverSequences("There are too few test sequences to generalise beyond these.")
    of = f"{known[0].number:,} test sequences" if not known[0].windows else f"{known[0].number:,} overlapping windows"
    blocks = f", in {len(count)} blocks" if len(count) < known[0].number else ""
    note = f"over {len(complete)} seeds and {of}{blocks}"
    return OverSequences(note, wide.interval, narrow.interval, wide.floor)


def _solved(a: Model, b: Model) -> SolveRates | None:
    """Compute solve rates over the seeds that both models have; None if no run of either solved the task."""
    of_a, of_b = ({(p.split or 0, p.seed): p.solved for p in model.points if p.solved is not None} for model in (a, b))
    seeds = sorted(of_a.keys() & of_b.keys())
    if not any(of_a[seed] or of_b[seed] for seed in seeds):
        return None
    return solve_rates(np.array([of_a[seed] for seed in seeds]), np.array([of_b[seed] for seed in seeds]))
