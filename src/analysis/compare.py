"""Everything about two models on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from src.analysis.paired import correlation, differences_of, lost_of, make_pairs, probability_better, signed_rank
from src.analysis.sensitivity import sensitivity
from src.analysis.sequences import Sequences
from src.analysis.summary import Comparison, Model, Pair, Power, Task, Wilcoxon
from src.analysis.verdict import BETTER, SAME, verdict
from src.statistics.crossed import crossed_intervals
from src.statistics.intervals import Interval, alike, bca_interval, t_interval
from src.statistics.power import detectable, pairs_for, power, power_same

NEAR = 1e-6  # relative: a metric and the ratio of its sums are the same


def compare(task: Task, a: Model, b: Model, *, primary: bool, sequences: Mapping[str, Sequences] | None) -> Comparison:
    """Compare two models; the test's p stands alone until :func:`adjusted` has seen all tests.

    Args:
        task: metric, mode, margin, unit and data set.
        a: model A.
        b: model B.
        primary: whether the plan names this comparison.
        sequences: sums over test sequences by run id; None: each seed has data of its own.
    """
    pairs = make_pairs(a.points, b.points, task.mode)
    x, lost = differences_of(pairs), lost_of(pairs)
    test = signed_rank(pairs)
    seeds, both, note = over_sequences(task, pairs, sequences)
    r, saved = correlation(pairs)
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
        seeds=seeds,
        sequences=both,
        sequences_note=note,
        correlation=r,
        saved=saved,
        probability=probability_better(pairs, (a.model, b.model)),
        wilcoxon=None if test is None else Wilcoxon(*test, p_holm=test[1], comparisons=1),
        verdict=verdict(x, task.margin, (a.model, b.model), label_of(task), task.unit or f"in {task.metric}", lost),
    )


def label_of(task: Task) -> str:
    """What the sentence of a verdict calls its task."""
    return task.data if task.arm == "main" else f"{task.data} ({task.arm})"


def adjusted(tasks: Sequence[Task]) -> list[Task]:
    """Wilcoxon's p after Holm over all tests of all tasks (statsmodels multipletests), with power and sensitivity."""
    from statsmodels.stats.multitest import multipletests

    tests = [c.wilcoxon for task in tasks for c in task.comparisons if c.wilcoxon is not None]
    holm = iter(multipletests([test.p for test in tests], method="holm")[1].tolist() if tests else [])
    found = []
    for task in tasks:
        comparisons = []
        for c in task.comparisons:
            if c.wilcoxon is not None:
                test = replace(c.wilcoxon, p_holm=float(next(holm)), comparisons=len(tests))
                c = replace(c, wilcoxon=test, power=_power(task, c, len(tests)))
                c = replace(c, sensitivity=sensitivity(task, c))
            comparisons.append(c)
        found.append(replace(task, comparisons=comparisons))
    return found


def _power(task: Task, c: Comparison, comparisons: int) -> Power:
    spread = c.sd if c.n > 1 and not alike(differences_of(c.pairs)) else None
    known = spread is not None and bool(task.margin)
    return Power(
        pairs=c.n,
        comparisons=comparisons,
        wilcoxon=power(c.n, comparisons),
        same=power_same(0.0, spread or 1.0, task.margin or 0.0, c.n, SAME) if known else None,
        detectable=detectable(spread, task.margin or 0.0, c.n, BETTER) if spread else None,
        pairs_for_80=pairs_for(0.8, comparisons),
    )


def over_sequences(
    task: Task, pairs: Sequence[Pair], sequences: Mapping[str, Sequences] | None
) -> tuple[Interval | None, Interval | None, str | None]:
    """Intervals over seeds and over seeds and test sequences, with a note on the latter or on why there is none."""
    complete = [(pair.run_a or "", pair.run_b or "") for pair in pairs if pair.state == "complete"]
    values = [(pair.a, pair.b) for pair in pairs if pair.state == "complete"]
    if len(complete) < 2:
        return None, None, "Fewer than two pairs are complete."
    if sequences is None:
        return None, None, "Each seed has test sequences of its own: the interval over seeds is one over sequences too."
    if any(run not in sequences for pair in complete for run in pair):
        return None, None, "The losses of the single test sequences are not on record for every run."
    found = [(sequences[a], sequences[b]) for a, b in complete]
    if len({part.rows for pair in found for part in pair}) > 1:
        return None, None, "The runs were not all tested on the same sequences."
    parts = [(a.parts(task.metric), b.parts(task.metric)) for a, b in found]
    if any(part is None for pair in parts for part in pair):
        return None, None, f"{task.metric} is not a ratio of sums over sequences."
    of_a, of_b = [a for a, _ in parts if a is not None], [b for _, b in parts if b is not None]
    bottom = of_a[0][1]
    if any(not np.array_equal(bottom, part[1]) for part in [*of_a, *of_b]):
        return None, None, "The runs do not make the same number of predictions in each sequence."
    sums = np.array([[a[0].sum(), b[0].sum()] for a, b in zip(of_a, of_b, strict=True)]) / bottom.sum()
    if not np.allclose(sums, np.array(values, dtype=float), rtol=NEAR, atol=NEAR):
        return None, None, "The sums over sequences do not give the metric on record."
    sign = -1.0 if task.mode == "min" else 1.0
    top = sign * np.array([a[0] - b[0] for a, b in zip(of_a, of_b, strict=True)])
    seeds, both = crossed_intervals(top, bottom)
    first = found[0][0]
    blocks = f", in {len(bottom)} blocks" if len(bottom) < first.number else ""
    return seeds, both, f"over {len(complete)} seeds and {first.number:,} test sequences{blocks}"
