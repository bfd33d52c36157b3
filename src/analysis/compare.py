"""Everything about two models on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

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

LEAST_BLOCKS = 6  # of overlapping windows, for an interval that holds for other periods too
THIS_PERIOD = "this period only"  # what a note says where there are fewer
NEAR = 1e-6  # relative: a metric and the ratio of its sums are the same


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
) -> Comparison:
    """Compare two models; the test's p stands alone until :func:`adjusted` has seen all tests.

    Args:
        task: its metric, mode, margin and unit.
        a: model A.
        b: model B.
        primary: whether the plan names this comparison.
        metric: what is declared of the task's metric: of which sums over sequences it is the ratio.
        sequences: sums over test sequences by run id; None: the runs did not all read the same data.
        looks: that the plan fixed; None outside a plan.
        tuning: the trials that the settings of both were chosen from; None where there were none.
        sizes: numbers of sequences in test and in the rest, where the pairs are of several splits of one file.
        barred: why nothing may be concluded, whatever the pairs are.
        planned: pairs over all splits; before they are there nothing is concluded over splits.
    """
    pairs = make_pairs(a.points, b.points, task.mode)
    if sizes is not None:
        return _over_splits(task, a, b, pairs, primary, sizes, tuning, planned)
    x, ranked, names = differences_of(pairs), ranked_of(pairs), (a.model, b.model)
    test = signed_rank(ranked, largest_of(pairs))
    crossed = over_sequences(task, pairs, metric, sequences)
    r, saved = correlation(*values_of(pairs))
    seconds = [pair.seconds for pair in pairs if pair.seconds is not None]
    about = About(names, task.label, task.unit or f"in {task.metric}", crossed.floor, seconds, barred=barred)
    answer = verdict(pairs, task.margin, about, looks)
    look = answer.look or Look(len(x))
    seen = pairs if looks is None else [pair for pair in pairs if pair.seed < look.pairs]
    at_look = over_sequences(task, seen, metric, sequences, look)

    def over_both(some: Sequence[Pair], at: Look) -> OverSequences:
        return over_sequences(task, some, metric, sequences, at)

    return Comparison(
        a=a.model,
        b=b.model,
        primary=primary,
        pairs=pairs,
        n=len(x),
        mean=float(x.mean()) if len(x) else None,
        sd=float(x.std(ddof=1)) if len(x) > 1 else None,
        median=float(np.median(x)) if len(x) else None,
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
        solved=_solved(a, b),
        sigma_tune=sigma_tune(tuning.costs(a.model), tuning.costs(b.model)) if tuning else None,
        verdict=answer,
        both=verdict_over_both(pairs, task.margin, about, looks, over_both),
    )


def _over_splits(
    task: Task,
    a: Model,
    b: Model,
    pairs: list[Pair],
    primary: bool,
    sizes: tuple[int, int],
    tuning: Tuning | None,
    planned: int,
) -> Comparison:
    """The comparison over splits: what takes pairs for independent is left out, as splits share sequences."""
    splits = list(dict.fromkeys(pair.split for pair in pairs if pair.difference is not None))
    means = np.array([differences_of([p for p in pairs if p.split == split]).mean() for split in splits])
    wide, narrow = (over_splits(means.tolist(), *sizes, level) for level in (0.95, 0.90))
    there = sum(pair.state != "missing" for pair in pairs)
    barred = f"{there} of {planned} pairs over the splits are there, and all of them count" if there < planned else None
    about = About((a.model, b.model), task.label, task.unit or f"in {task.metric}", splits=True, barred=barred)
    x = differences_of(pairs)
    return Comparison(
        a=a.model,
        b=b.model,
        primary=primary,
        pairs=pairs,
        n=len(x),
        mean=float(means.mean()) if len(means) else None,
        median=float(np.median(x)) if len(x) else None,
        sequences_note="The splits share their sequences: the interval over splits stands for seeds and sequences.",
        splits=wide,
        solved=_solved(a, b),
        sigma_tune=sigma_tune(tuning.costs(a.model), tuning.costs(b.model)) if tuning else None,
        verdict=replace(verdict_over_splits(means, wide, narrow, task.margin, about, lost_of(pairs)), pairs=len(x)),
    )


def adjusted(tasks: Sequence[Task]) -> list[Task]:
    """Wilcoxon's p after Holm over all tests of all tasks, with power and sensitivity."""
    tests = [c.wilcoxon for task in tasks for c in task.comparisons if c.wilcoxon is not None]
    corrected = iter(holm([test.p for test in tests]))
    whole = []
    for task in tasks:
        comparisons = []
        for c in task.comparisons:
            if c.wilcoxon is not None:
                test = replace(c.wilcoxon, p_holm=next(corrected), comparisons=len(tests))
                spread = c.sd if c.n > 1 and not alike(differences_of(c.pairs)) else None
                power = None if c.provisional else power_of(c.n, len(tests), spread, task.margin)
                c = replace(c, wilcoxon=test, power=power)
                c = replace(c, sensitivity=sensitivity(task, c))
            comparisons.append(c)
        whole.append(replace(task, comparisons=comparisons))
    return whole


def over_sequences(
    task: Task,
    pairs: Sequence[Pair],
    metric: Metric | None,
    sequences: Mapping[str, Sequences] | None,
    look: Look | None = None,
) -> OverSequences:
    """Intervals over seeds and test sequences at the levels of a look, where all runs were tested on the same ones."""
    complete = [pair for pair in pairs if pair.state == "complete"]
    if len(complete) < 2:
        return OverSequences("Fewer than two pairs are complete.")
    if sequences is None:
        return OverSequences(
            "The runs were tested on unlike data; of re-splits of one finite file the interval over seeds is too short."
        )
    tested = [(sequences.get(pair.run_a or ""), sequences.get(pair.run_b or "")) for pair in complete]
    known = [of for both in tested for of in both if of is not None]
    if len(known) < 2 * len(complete):
        return OverSequences("The losses of the single test sequences are not on record for every run.")
    if len({of.rows for of in known}) > 1:
        return OverSequences("The runs were not all tested on the same sequences.")
    sums = [made for of in known if (made := of.sums(metric)) is not None]  # A and B in turn
    if len(sums) < len(known):
        return OverSequences(f"{task.metric} is not a ratio of sums over sequences.")
    count = sums[0][1]
    if any(not np.array_equal(count, made[1]) for made in sums):
        return OverSequences("The runs do not make the same number of predictions in each sequence.")
    tops = np.array([made[0] for made in sums]).reshape(len(complete), 2, -1)
    if not np.allclose(tops.sum(2) / count.sum(), values_of(pairs).T, rtol=NEAR, atol=NEAR):
        return OverSequences("The sums over sequences do not give the metric on record.")
    sign, there = -1.0 if task.mode == "min" else 1.0, count > 0
    top = (sign * (tops[:, 0] - tops[:, 1]))[:, there]
    if known[0].windows and there.sum() < LEAST_BLOCKS:
        return OverSequences(
            f"The overlapping windows make fewer than {LEAST_BLOCKS} blocks of time ({there.sum()}): {THIS_PERIOD}."
        )
    levels = look or Look(len(complete))
    wide, narrow = (
        over_seeds_and_sequences(top, count[there], 1 - 2 * alpha) for alpha in (levels.better, levels.same)
    )
    if wide is None or narrow is None:
        return OverSequences("There are too few test sequences: the answer is for these only.")
    of = f"{known[0].number:,} test sequences" if not known[0].windows else f"{known[0].number:,} overlapping windows"
    blocks = f", in {len(count)} blocks" if len(count) < known[0].number else ""
    note = f"over {len(complete)} seeds and {of}{blocks}"
    return OverSequences(note, wide.interval, narrow.interval, wide.floor)


def _solved(a: Model, b: Model) -> SolveRates | None:
    """Solve rates over the seeds that both have; None where no run of either solved its task."""
    of_a, of_b = ({(p.split or 0, p.seed): p.solved for p in model.points if p.solved is not None} for model in (a, b))
    seeds = sorted(of_a.keys() & of_b.keys())
    if not any(of_a[seed] or of_b[seed] for seed in seeds):
        return None
    return solve_rates(np.array([of_a[seed] for seed in seeds]), np.array([of_b[seed] for seed in seeds]))
